"""A model as an ONNX file: from encoded inputs to recalibrated probabilities and the decided class."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from imbench.contract.errors import UsageError
from imbench.contract.records import Preprocessing
from imbench.model.fitted import Model, Scorer
from imbench.model.nets import Nets
from imbench.model.trees import LEAF, MEAN, Trees

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

# The oldest versions that have all operators used here, so that older runtimes read the file.
OPSET, IR_VERSION = 17, 8
INPUTS, PROBABILITIES, CLASS = "inputs", "probabilities", "class"
# Of operators of scikit-learn's models.
ML_DOMAIN, ML_OPSET = "ai.onnx.ml", 3
# As `imbench.scoring.recalibration` has it: smaller probabilities count as this.
_SMALLEST = float(np.finfo(np.float32).tiny)
# Added to the logit of a class without recalibration, so that it has no share of the others'.
_NO_SHARE = -1e30


def to_onnx(model: Model) -> ModelProto:
    """The ONNX model: ``inputs (rows, inputs)`` float32 to ``probabilities`` float32 and ``class`` int64.

    Standardisation is computed in float32 and all else in float64, as imbench does, so that probabilities differ by
    rounding only. The names of the inputs in order, the encoding of the table and the classes are in its metadata.

    Raises
    ------
    UsageError without the package onnx.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError:
        raise UsageError("ONNX needs the extra 'onnx': pip install 'imbench[onnx]'") from None
    graph = Graph()
    raw = _raw(graph, model.scorer)
    stated = _recalibrated(graph, raw, model)
    graph.add("Cast", [stated], PROBABILITIES, to=TensorProto.FLOAT)
    weights = graph.constant(np.array(model.decision.weights))
    weighted = graph.add("Mul", [stated if model.decision.recalibrated else raw, weights])
    graph.add("ArgMax", [weighted], CLASS, axis=1, keepdims=0)
    rows, width, classes = "rows", model.scorer.inputs, len(model.classes)
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "imbench",
            [helper.make_tensor_value_info(INPUTS, TensorProto.FLOAT, [rows, width])],
            [
                helper.make_tensor_value_info(PROBABILITIES, TensorProto.FLOAT, [rows, classes]),
                helper.make_tensor_value_info(CLASS, TensorProto.INT64, [rows]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), *graph.domains],
        producer_name="imbench",
        ir_version=IR_VERSION,
    )
    helper.set_model_props(made, {name: json.dumps(value) for name, value in mapping(model).items()})
    checker.check_model(made)
    return made


def mapping(model: Model) -> dict[str, Any]:
    """What the numbers of an ONNX model mean: its inputs in order, its classes, and how columns become inputs."""
    return {
        "inputs": list(model.encoding.inputs),
        "classes": list(model.classes),
        "encoding": model.encoding.to_json(),
    }


class Graph:
    """Nodes and constants of an ONNX graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []
        self.domains: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], output: str = "", domain: str = "", **settings: Any) -> str:
        """Add a node; returns the name of its output."""
        from onnx import helper

        name = output or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], domain=domain, **settings))
        return name

    def constant(self, values: Any) -> str:
        """Add a constant; returns its name."""
        from onnx import numpy_helper

        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name


def _raw(graph: Graph, scorer: Scorer) -> str:
    for kind, write in WRITERS.items():
        if isinstance(scorer, kind):
            return write(graph, scorer)
    raise UsageError(f"a model of {type(scorer).__name__} cannot be written as ONNX")


def standardised(graph: Graph, preprocessing: Preprocessing) -> str:
    """The inputs as `imbench.data.preprocess.apply` makes them, in float64."""
    from onnx import TensorProto

    shifted = graph.add("Sub", [INPUTS, graph.constant(preprocessing.center)])
    scaled = graph.add("Mul", [shifted, graph.constant(preprocessing.scale)])
    zero, clip = graph.constant(np.float32(0)), np.float32(preprocessing.clip)
    known = graph.add("Where", [graph.add("IsNaN", [scaled]), zero, scaled])
    clipped = graph.add("Clip", [known, graph.constant(-clip), graph.constant(clip)])
    return graph.add("Cast", [clipped], to=TensorProto.DOUBLE)


def _nets(graph: Graph, nets: Nets) -> str:
    given, total = standardised(graph, nets.preprocessing), ""
    for net in nets.arrays:
        x, layers = given, len(net) // 2
        for layer in range(layers):
            weight, bias = (graph.constant(array.astype(np.float64)) for array in net[2 * layer : 2 * layer + 2])
            x = graph.add("Add", [graph.add("MatMul", [x, weight]), bias])
            x = graph.add("Relu", [x]) if layer < layers - 1 else graph.add("Softmax", [x], axis=1)
        total = graph.add("Add", [total, x]) if total else x
    return graph.add("Mul", [total, graph.constant(np.float64(1 / len(nets.arrays)))])


def _recalibrated(graph: Graph, raw: str, model: Model) -> str:
    fit = model.recalibration
    fitted = ~np.isnan(fit.bias)
    if not fitted.any():
        return raw
    logs = graph.add("Log", [graph.add("Max", [raw, graph.constant(np.float64(_SMALLEST))])])
    bias = graph.constant(np.where(fitted, np.nan_to_num(fit.bias), _NO_SHARE))
    logits = graph.add("Add", [graph.add("Mul", [logs, graph.constant(np.float64(fit.slope))]), bias])
    moved = graph.add("Softmax", [logits], axis=1)
    if fitted.all():
        return moved
    kept = graph.add("Mul", [raw, graph.constant((~fitted).astype(np.float64))])
    axes = graph.constant(np.array([1], dtype=np.int64))
    rest = graph.add("Sub", [graph.constant(np.float64(1)), graph.add("ReduceSum", [kept, axes], keepdims=1)])
    return graph.add("Add", [graph.add("Mul", [moved, rest]), kept])


def _trees(graph: Graph, trees: Trees) -> str:
    """All trees in one operator, which compares float64 values and sums in float32."""
    from onnx import TensorProto, helper
    from onnx.numpy_helper import from_array

    graph.domains = [helper.make_opsetid(ML_DOMAIN, ML_OPSET)]
    numbers = np.repeat(np.arange(len(trees.roots)), np.diff([*trees.roots, len(trees.feature)]))
    within = np.arange(len(trees.feature)) - trees.roots[numbers]
    leaf = trees.feature == LEAF
    where, target = np.nonzero(leaf[:, None] & (trees.values != 0))
    total = graph.add(
        "TreeEnsembleRegressor",
        [standardised(graph, trees.preprocessing)],
        domain=ML_DOMAIN,
        n_targets=trees.classes,
        nodes_treeids=numbers.tolist(),
        nodes_nodeids=within.tolist(),
        nodes_featureids=np.where(leaf, 0, trees.feature).tolist(),
        nodes_modes=["LEAF" if ends else "BRANCH_LEQ" for ends in leaf],
        nodes_values_as_tensor=from_array(trees.threshold, "thresholds"),
        nodes_truenodeids=np.where(leaf, 0, trees.left - trees.roots[numbers]).tolist(),
        nodes_falsenodeids=np.where(leaf, 0, trees.right - trees.roots[numbers]).tolist(),
        target_treeids=numbers[where].tolist(),
        target_nodeids=within[where].tolist(),
        target_ids=target.tolist(),
        target_weights_as_tensor=from_array(trees.values[where, target], "values"),
    )
    summed = graph.add("Cast", [total], to=TensorProto.DOUBLE)
    if trees.link == MEAN:
        return graph.add("Mul", [summed, graph.constant(np.float64(1 / len(trees.roots)))])
    return graph.add("Softmax", [graph.add("Add", [summed, graph.constant(trees.base)])], axis=1)


# How each kind of scorer is written: its probabilities before recalibration, float64.
WRITERS: Mapping[type, Callable[[Graph, Any], str]] = {Nets: _nets, Trees: _trees}
