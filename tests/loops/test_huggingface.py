"""Rebalancing in Hugging Face transformers: token ids stay whole numbers, evaluation is left alone."""

import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from transformers import BertConfig, BertForSequenceClassification, TrainingArguments

from imbench import UsageError
from imbench.torch import Rebalancer
from imbench.torch.huggingface import WEIGHT, RebalancedTrainer, RebalancingCollator
from tests.loops.made import COUNTS, Drawn, Mixed, Priced

ROWS = [{"input_ids": [i + 2, 1, 1], "attention_mask": [1, 1, i % 2], "labels": int(i % 8 == 7)} for i in range(32)]


def model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    return BertForSequenceClassification(BertConfig(vocab_size=40, num_labels=2, **sizes))


def trainer(strategy, folder, **options):
    seen = []

    class Watched(RebalancedTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            seen.append({key: value.clone() for key, value in inputs.items()})
            return super().compute_loss(model, inputs, *args, **kwargs)

    arguments = TrainingArguments(
        str(folder), num_train_epochs=2, per_device_train_batch_size=16, report_to=[], disable_tqdm=True, use_cpu=True,
        save_strategy="no", **options,
    )  # fmt: skip
    r = Rebalancer(strategy, class_counts=COUNTS, epochs=2)
    made = Watched(model=model(), args=arguments, train_dataset=ROWS, eval_dataset=ROWS, rebalancer=r)
    return made, seen, r


def test_rows_are_selected_whole_with_their_labels():
    batch = RebalancingCollator(Rebalancer(Drawn(), class_counts=COUNTS))(ROWS)
    rows = batch["input_ids"][:, 0] - 2
    assert batch["input_ids"].dtype == torch.int64
    assert torch.equal(batch["attention_mask"][:, 2], rows % 2)
    assert torch.equal(batch["labels"].argmax(1), (rows % 8 == 7).long())
    assert batch["labels"].sum(0).tolist() == [16, 16]
    assert batch[WEIGHT].tolist() == [1.0] * 32


@pytest.mark.parametrize("strategy", ["remix", "mixup", "batch-smote"])
def test_token_ids_are_never_mixed(strategy):
    with pytest.raises(UsageError, match="selects rows"):
        RebalancingCollator(Rebalancer(strategy, class_counts=COUNTS))(ROWS)


def test_a_strategy_that_needs_the_models_stages_is_refused(tmp_path):
    with pytest.raises(UsageError, match="forward pass of its own"):
        trainer(Mixed(), tmp_path)


def test_examples_without_labels_are_refused():
    with pytest.raises(UsageError, match="needs labels"):
        RebalancingCollator(Rebalancer(Drawn(), class_counts=COUNTS))([{"input_ids": [1, 2]}])


def test_training_takes_the_strategys_loss_and_evaluation_the_models(tmp_path):
    made, seen, r = trainer("cost-adjusted", tmp_path)
    made.train()
    assert len(seen) == 4
    for batch in seen:
        torch.testing.assert_close(batch[WEIGHT], torch.tensor([100 / 180, 5.0])[batch["labels"].argmax(1)])
    assert r.epoch == 2
    seen.clear()
    found = made.evaluate()["eval_loss"]
    assert not any(WEIGHT in batch for batch in seen)
    assert sum(len(batch["input_ids"]) for batch in seen) == 32
    inputs = {key: torch.tensor([row[key] for row in ROWS]) for key in ("input_ids", "attention_mask", "labels")}
    assert abs(found - float(made.model.eval()(**inputs).loss)) < 1e-4


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_step_is_that_of_a_plain_loop(tmp_path, accumulation):
    """Two accumulated batches of 8 give the step of one batch of 16."""
    options = {"max_steps": 1, "learning_rate": 0.1, "optim": "sgd", "lr_scheduler_type": "constant"}
    no_dropout = {"max_grad_norm": 0.0, "gradient_accumulation_steps": accumulation}
    made, seen, _ = trainer(Priced(), tmp_path, **options, **no_dropout)
    made.args.per_device_train_batch_size = 16 // accumulation
    made._train_batch_size = 16 // accumulation
    for module in made.model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    twin = model()
    made.train()
    inputs = {key: torch.cat([batch[key] for batch in seen]) for key in seen[0]}
    y = inputs.pop("labels")
    inputs.pop(WEIGHT)
    twin.eval()
    (2 * torch.nn.functional.cross_entropy(twin(**inputs).logits, y)).backward()
    stepped = twin.classifier.weight - 0.1 * twin.classifier.weight.grad
    torch.testing.assert_close(made.model.classifier.weight, stepped, rtol=1e-4, atol=1e-6)
