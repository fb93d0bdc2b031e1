"""Rebalancing in the loop of timm's training script, with its nets, loader, optimiser and images from a folder."""

import numpy as np
import pytest
import torch
from PIL import Image

from imbench.torch import Rebalancer
from tests.loops.vision import timm

COUNTS = [28, 4]


@pytest.fixture(scope="module")
def loader(tmp_path_factory):
    """Batches of 16 of 32 small images, four of them of the second class."""
    timm()
    from timm import data

    rng = np.random.default_rng(0)
    for name, count in zip(("cat", "dog"), COUNTS, strict=True):
        folder = tmp_path_factory.getbasetemp() / "photos" / name
        folder.mkdir(parents=True)
        for i in range(count):
            Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    images = data.create_dataset("", root=str(folder.parent), split="train")
    made = data.create_loader(images, input_size=(3, 32, 32), batch_size=16, is_training=True, use_prefetcher=False)
    assert len(made) == 2
    return made


def trained(loader, spec, epochs=1):
    """Losses, and soft labels and weights of each batch, of the loop of timm's script."""
    timm()
    from timm.optim import create_optimizer_v2

    torch.manual_seed(0)
    model = timm().create_model("test_resnet", num_classes=2)
    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3)
    r = Rebalancer(spec, class_counts=COUNTS, epochs=epochs, seed=3)
    seen, losses = [], []

    def mixup_fn(images, labels):
        seen.append((labels, *r(images, labels)))
        return seen[-1][1:3]

    def train_loss_fn(logits, labels):
        return r.loss(logits, labels, seen[-1][3])

    model.train()
    for _ in range(epochs):
        for given, target in loader:
            given, target = mixup_fn(given, target)
            logits = model(given)
            loss = train_loss_fn(logits, target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append((loss.item(), logits.detach()))
        r.epoch_end()
    return seen, losses


def test_batches_are_rebalanced_and_the_loss_is_that_of_soft_labels(loader):
    seen, losses = trained(loader, "remix:alpha=0.3", epochs=3)
    mixed = torch.cat([y for _, _, y, _ in seen])
    assert torch.cat([labels for labels, *_ in seen]).double().mean() == COUNTS[1] / sum(COUNTS)
    assert abs(mixed[:, 1].mean() - 0.5) < 0.15
    for (_, _, y, _), (loss, logits) in zip(seen, losses, strict=True):
        assert loss == pytest.approx(-(y * logits.log_softmax(-1)).sum(-1).mean().item(), rel=1e-5)


def test_weights_of_rows_reach_the_loss(loader):
    seen, losses = trained(loader, "cost-adjusted")
    for (labels, _, _, weight), (loss, logits) in zip(seen, losses, strict=True):
        rare = weight[labels == 1]
        assert len(rare) == 0 or (rare > weight[labels == 0].max()).all()
        each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        assert loss == pytest.approx((weight * each).mean().item(), rel=1e-5)
