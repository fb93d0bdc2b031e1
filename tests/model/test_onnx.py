"""The ONNX file gives the probabilities and classes of the model, in onnxruntime."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imbench
from imbench.cli import main
from imbench.contract.records import Preprocessing
from imbench.engine.mlp import glorot_uniform
from imbench.model.decision import Decision
from imbench.model.files import save
from imbench.model.nets import Nets
from imbench.model.onnx_file import to_onnx
from imbench.scoring.recalibration import Recalibration
from tests.model.conftest import visits
from tests.model.made import made_model


def ran(content, x):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(["probabilities", "class"], {"inputs": x})


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 9), st.integers(2, 5), st.lists(st.integers(1, 20), max_size=3), st.integers(1, 4),
    st.floats(0, 8), st.floats(0.1, 30), st.integers(0, 10_000), st.data(),
)  # fmt: skip
def test_onnxruntime_gives_the_probabilities_of_any_model(features, classes, hidden, count, slope, size, seed, data):
    rng = np.random.default_rng(seed)
    center, scale = rng.normal(size=(2, features)).astype(np.float32)
    nets = tuple(
        [
            array * np.float32(size if array.ndim == 2 else 1)
            for array in glorot_uniform((features, *hidden, classes), rng)
        ]
        for _ in range(count)
    )
    bias = rng.normal(0, 3, classes)
    bias[data.draw(st.lists(st.booleans(), min_size=classes, max_size=classes).map(np.array))] = np.nan
    made = made_model(
        tuple(f"x{i}" for i in range(features)), tuple(map(str, range(classes))),
        scorer=Nets(Preprocessing(center, scale, 5.0), nets),
    )  # fmt: skip
    decision = Decision("tuned", tuple(rng.random(classes) + 0.01), bool(rng.random() < 0.5))
    model = imbench.Model(
        made.classes, made.encoding, made.scorer, Recalibration(slope, bias, ""), decision, "baseline"
    )
    x = (rng.normal(size=(50, features)) * rng.choice([1, 1e3, 1e30], (50, 1))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    proba, decided = model.of_inputs(x)
    found = ran(to_onnx(model).SerializeToString(), x)
    assert np.abs(found[0] - proba).max() < 1e-5
    assert np.mean(found[1] == decided) > 0.95  # rounding decides between equal scores


def test_a_fitted_model_predicts_the_same_from_its_file(folder, tmp_path):
    model = imbench.load_model(folder / "model")
    new = visits(4).drop(columns="ill")
    assert main(["export", str(folder / "model"), str(tmp_path / "ill.onnx")]) == 0
    probabilities, decided = ran((tmp_path / "ill.onnx").read_bytes(), model.encode(new))
    assert np.abs(probabilities - model.predict_proba(new)).max() < 1e-5
    assert np.array(model.classes)[decided].tolist() == model.predict(new).tolist()


def test_the_order_of_the_inputs_is_in_the_file_and_beside_it(tmp_path):
    save(made_model(), tmp_path / "model")
    assert main(["export", str(tmp_path / "model"), str(tmp_path / "m.onnx")]) == 0
    beside = json.loads((tmp_path / "m.json").read_text())
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    inside = {name: json.loads(text) for name, text in session.get_modelmeta().custom_metadata_map.items()}
    assert beside == inside
    assert (beside["inputs"], beside["classes"]) == (["a", "b", "c"], ["no", "yes"])


def test_without_onnx_the_error_names_the_extra(tmp_path):
    save(made_model(), tmp_path / "model")
    program = "import sys; sys.modules['onnx'] = None; from imbench.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "export", str(tmp_path / "model"), str(tmp_path / "m.onnx")]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2
    assert "pip install 'imbench[onnx]'" in ended.stderr


@pytest.mark.parametrize(
    ("file", "reason"), [("m.txt", "must end in .onnx"), ("no/such/m.onnx", "there is no folder no/such")]
)
def test_a_path_that_cannot_be_written_is_refused(tmp_path, monkeypatch, capsys, file, reason):
    monkeypatch.chdir(tmp_path)
    save(made_model(), tmp_path / "model")
    assert main(["export", "model", file]) == 2
    assert reason in capsys.readouterr().err


def test_inputs_of_a_data_frame_are_those_of_training(folder):
    model = imbench.load_model(folder / "model")
    frame = pd.read_csv(folder / "visits.csv")
    dataset = imbench.dataset(f"{folder}/visits.csv:target=ill")
    assert np.array_equal(model.encode(frame).view(np.int32), dataset.x.view(np.int32))
