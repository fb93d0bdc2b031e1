"""What a hidden mix says is what the forward pass does."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch

from imbench import Batch, HiddenMix, HiddenMixStrategy, Noise


@dataclass(frozen=True)
class Mixing(HiddenMixStrategy):
    name: ClassVar[str] = "mixing"

    def rebalance(self, batch, info, noise):
        return batch

    def hidden_mix(self, stages, batch, noise):
        return HiddenMix(noise.choice(stages), noise.permutation(batch.size), noise.beta(1.0, 1.0))


class Net:
    """Two stages for every net of a stack."""

    def __init__(self, nets):
        generator = torch.Generator().manual_seed(0)
        self.weights = torch.randn(2, nets, 3, 3, generator=generator)
        self.stages = [lambda x: (x @ self.weights[0]).tanh(), lambda x: x @ self.weights[1]]


def test_each_net_is_mixed_at_the_stage_it_drew():
    nets, net = 12, Net(12)
    generator = torch.Generator().manual_seed(1)
    batch = Batch(torch.randn(nets, 5, 3, generator=generator), torch.eye(3)[torch.arange(5) % 3].expand(nets, 5, 3))
    noise, again = (Noise([np.random.default_rng(i) for i in range(nets)], (nets,)) for _ in range(2))
    logits, y = Mixing().forward(net, batch, noise)
    mix = Mixing().hidden_mix(2, batch, again)
    assert set(mix.stage.tolist()) == {0, 1}
    for i in range(nets):
        share, partners = float(mix.share[i]), mix.partners[i]
        x = batch.x[i]
        for k in range(2):
            x = share * x + (1 - share) * x[partners] if int(mix.stage[i]) == k else x
            x = (x @ net.weights[0, i]).tanh() if k == 0 else x @ net.weights[1, i]
        assert torch.allclose(logits[i], x, atol=1e-5)
        assert torch.allclose(y[i], share * batch.y[i] + (1 - share) * batch.y[i][partners], atol=1e-6)


def test_equal_rows_and_a_share_of_one_give_themselves_to_the_digit():
    x = torch.randn(4, 3)
    mix = HiddenMix(torch.tensor(0), torch.tensor([1, 2, 3, 0]), torch.tensor(0.3))
    assert torch.equal(mix.of(x[:1].expand(4, 3)), x[:1].expand(4, 3))
    assert torch.equal(HiddenMix(mix.stage, mix.partners, torch.tensor(1.0)).of(x), x)
    assert torch.equal(mix.of(x, entering=1), x)
    assert not torch.equal(mix.of(x, entering=0), x)


@pytest.mark.parametrize("name", ["stage", "share"])
def test_parts_of_another_stack_are_refused(name):
    parts = {"stage": torch.zeros(2), "partners": torch.zeros(2, 5), "share": torch.zeros(2)}
    with pytest.raises(ValueError, match=rf"HiddenMix.{name} must be .* = \(2,\) for partners of \(2, 5\), got \(3,\)"):
        HiddenMix(**{**parts, name: torch.zeros(3)})


def test_a_forward_pass_of_its_own_is_what_other_code_sees():
    assert Mixing().overrides("forward")
