"""The working space of the fused engine: what must stay 0 in it, and widths that differ from layer to layer."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imbench.contract.protocol import Protocol
from imbench.engine.fused_plan import plan_net
from imbench.kernels.dense_tiles import PANEL
from tests.engine.test_fused import advance, blocks, both_engines
from tests.engine.test_train import Focal, Plain

WIDTHS = st.lists(st.integers(1, 50), min_size=0, max_size=5)


def lines(plan, layer, batch):
    """Where the gradient on a layer's values lies, and the lines of its padded units, as sets of floats."""
    padded, width, start = (int(plan[layer][name]) for name in ("padded", "width", "delta"))
    panels = -(-batch // PANEL)
    whole = np.arange(start, start + panels * padded * PANEL).reshape(panels, padded, PANEL)
    return set(whole[:, :width].ravel()), set(whole[:, width:].ravel())


@given(hidden=WIDTHS, classes=st.integers(2, 20), features=st.integers(1, 40), batch=st.integers(1, 70))
def test_nothing_is_written_to_the_lines_of_padded_units(hidden, classes, features, batch):
    plan, _, floats = plan_net((features, *hidden, classes), batch)
    found = [lines(plan, layer, batch) for layer in range(1, len(plan))]
    written = set().union(*(values for values, _ in found))
    for _, padding in found:
        assert not padding & written
    for (values, _), (behind, _) in pairwise(found):
        assert not values & behind  # a layer's gradient is read while that on the one before is written
    assert max(written) < plan[0]["delta"] < floats


@example(hidden=[17, 2, 33, 2, 17], strategy=Plain())
@settings(max_examples=15)
@given(hidden=WIDTHS, strategy=st.sampled_from([Plain(), Focal()]))
def test_layers_of_any_widths_learn_what_the_stacked_engine_does(hidden, strategy):
    fused, stacked = both_engines(strategy, Protocol(dropout=0.0), 2, (21, *hidden, 3))
    ours, theirs = (advance(nets, blocks(2, steps=(12, 6))) for nets in (fused, stacked))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)
    for a, b in zip(fused.parameters, stacked.parameters, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=2e-5)
