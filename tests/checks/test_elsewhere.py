"""The played second device lets pass what a GPU lets pass, and stops what it stops."""

import numpy as np
import pytest
import torch

from imbench.checks.elsewhere import elsewhere, made_elsewhere

X = torch.zeros(4, 3)

STAYS_HOME = {
    "a number without axes": lambda: X + torch.tensor(2.0),
    "numpy's numbers brought along": lambda: X + torch.as_tensor(np.ones(3, np.float32)).to(X.device),
    "a tensor brought to another's device": lambda: X + torch.arange(3).to(X),
    "rows picked by indices from elsewhere": lambda: X[torch.arange(2)],
    "a tensor made with its device": lambda: X * torch.ones(3, device=X.device),
    "a tensor made like another": lambda: X * torch.ones_like(X) + X.new_zeros(3),
    "a tensor that is one already": lambda: torch.as_tensor(X) + X,
}
STRAYS = {
    "made without a device": lambda: torch.ones(4, 3),
    "another type only": lambda: torch.arange(3).to(torch.float64),
    "computed of such": lambda: (torch.arange(3) * 2).float().cumsum(0),
}
CLASHES = {
    "a sum": lambda: X + torch.ones(3),
    "a product": lambda: X @ torch.eye(3),
    "a choice": lambda: torch.where(torch.ones(4, 3) > 0, X, 0.0),
    "gathering": lambda: X.index_select(0, torch.arange(2)),
}


@pytest.mark.parametrize("made", STAYS_HOME.values(), ids=STAYS_HOME)
def test_what_is_brought_along_is_at_home(made):
    with elsewhere():
        result = made()
    assert not made_elsewhere(result)
    assert torch.equal(result, made())


@pytest.mark.parametrize("made", STRAYS.values(), ids=STRAYS)
def test_what_is_made_on_no_stated_device_is_elsewhere(made):
    with elsewhere():
        assert made_elsewhere(made())


@pytest.mark.parametrize("made", CLASHES.values(), ids=CLASHES)
def test_what_is_elsewhere_does_not_meet_the_batch(made):
    with elsewhere(), pytest.raises(RuntimeError, match="mixes tensors of two devices"):
        made()
