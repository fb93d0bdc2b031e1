"""Compiled code on other processors: Numba is told what it may use, in a process of its own, and the oracles asked.

On this processor as it is they are asked by every run of the tests.
"""

import os
import platform
import subprocess
import sys

import numpy as np
import pytest
import torch
from llvmlite import binding

import imbench
from imbench.contract import rows
from imbench.engine.cnn import Cnn
from imbench.engine.pooled import Pooled
from tests.contract.test_rows import make_numbers, make_values
from tests.engine.test_pooled import plainly


def without(*beginnings):
    """This processor's features but for those that begin so, as Numba wants them."""
    held = binding.get_host_cpu_features().items()
    return ",".join(f"{'+' if has and not name.startswith(beginnings) else '-'}{name}" for name, has in held)


# What Numba is told, and what then must not be in its code.
PROCESSORS = {
    "no FMA": ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": without("fma", "avx512", "avx10")}, "vfm"),
    "no AVX-512": ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": without("avx512", "avx10")}, "zmm"),
    "no AVX": ({"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}, "ymm vfm vmul vadd"),
}

# Tests of compiled code against plain loops, PyTorch or SciPy: of nets for tables and images, losses, and rows moved.
ORACLES = [
    "tests/engine/test_processors.py",
    "tests/engine/test_fused.py::test_every_shape_has_the_weights_of_the_plain_loop",
    "tests/engine/test_fused.py::test_features_computed_in_the_kernel_train_to_the_same_bits",
    "tests/engine/test_own_loss.py::test_functions_are_those_of_double_precision_at_the_ends_of_their_range_too",
    "tests/engine/test_own_loss.py::test_nets_learn_by_compiled_losses_what_they_learn_by_autograd",
    "tests/engine/test_hidden_mix.py::test_both_engines_mix_the_same_rows_and_learn_the_same",
    "tests/engine/test_images.py::test_the_papers_net_equals_the_plain_loop_after_more_than_20_steps[False-Plain]",
    "tests/engine/test_images.py::test_the_papers_net_equals_the_plain_loop_after_more_than_20_steps[True-Focal]",
    "tests/engine/test_pooled.py::test_logits_and_gradients_are_exact_where_nothing_is_rounded",
    "tests/contract/test_rows.py::test_scaled_rows_are_a_plain_formula_and_the_same_compiled",
    "tests/contract/test_table_rows.py::test_every_method_gives_the_bits_of_computed_features",
    "tests/contract/test_rows.py::test_scaled_pixels_are_a_plain_formula_and_the_same_compiled",
    "tests/contract/test_rows.py::test_a_balanced_draw_is_a_plain_loop_and_the_same_compiled",
    "tests/strategies/test_affine.py::test_compiled_and_torch_agree_to_the_bit",
    "tests/strategies/test_affine.py::test_every_row_is_what_scipy_makes_of_it[moved-(33, 31)-3-reflect]",
]

CHILD = """
import sys, numba, pytest

forbidden, *tests = sys.argv[1:]

@numba.njit("void(float32[::1], float32[::1])", fastmath={"contract"})
def times_plus(a, b):
    for i in range(a.size):
        a[i] = a[i] * b[i] + b[i]

(made,) = times_plus.inspect_asm().values()
assert not [word for word in forbidden.split() if word in made], "Numba does not do as it is told"
sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--hypothesis-seed=0", "-k", "not processor", *tests]))
"""


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="another kind of processor")
@pytest.mark.parametrize("processor", PROCESSORS)
def test_compiled_code_is_right_on_every_processor(processor):
    told, forbidden = PROCESSORS[processor]
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_CPU", "PYTEST_"))} | told
    command = [sys.executable, "-c", CHILD, forbidden, *ORACLES]
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_small_table_has_the_losses_of_the_general_engine(tmp_path):
    numbers = ((i, 7 * i % 11 - 5 + 3 * (i % 5 == 0), 5 * i % 13 - 6) for i in range(80))
    lines = [f"{a},{b},{'n' if i % 5 else 'p'}" for i, a, b in numbers]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *lines]), "utf-8")
    asked = {"strategies": ["baseline"], "protocol": "smoke", "store": tmp_path / "s", "jobs": 1}
    results = imbench.run(datasets=[f"{tmp_path / 't.csv'}:target=y"], **asked)
    np.testing.assert_allclose(results.frame()["loss"], [1.4210, 0.7043], atol=5e-5)


def test_rows_between_two_rows_are_a_plain_formula():
    values, share = make_values(2, 20, 33), make_values(2, 9).sigmoid()
    first, second = (make_numbers((2,), 9, 20, seed) for seed in (1, 2))
    found = rows.between(values, first, second, share)
    for i, row in np.ndindex(2, 9):
        a, b, way = values[i, first[i, row]].double(), values[i, second[i, row]].double(), share[i, row].double()
        np.testing.assert_allclose(found[i, row], way * b + (1 - way) * a, atol=1e-5)


def test_gradients_of_images_are_those_of_double_precision():
    net, generator = Cnn((3, 13, 18), 3), torch.Generator().manual_seed(0)
    arrays = [torch.as_tensor(a)[None] for a in net.weights(np.random.default_rng(0))]
    x = torch.rand(1, 5, *net.features, generator=generator)
    delta = torch.randn(1, 5, 3, generator=generator)
    form, gradients = Pooled(net), [torch.empty_like(a) for a in arrays]
    with torch.no_grad():
        logits = form.forward(arrays, x, None).clone()
        form.backward(delta.clone(), gradients)
    wanted, wanted_gradients = plainly([a[0] for a in arrays], x[0], delta[0])
    for ours, theirs in zip([logits, *gradients], [wanted, *wanted_gradients], strict=True):
        np.testing.assert_allclose(ours[0], theirs, atol=1e-5 * max(1.0, float(theirs.abs().max())))
