"""Protocols: the paper's values, settings by hand, exceptions of single datasets."""

import dataclasses
import math

import pytest

from imbench.contract.errors import UsageError
from imbench.contract.protocol import ADDED_LATER, Protocol

EXCEPTIONS = {"coil2000": {"batch_size": 32}, "cifar10:task=multiclass": {"batch_size": 128, "epochs": 7}}


def test_the_defaults_are_the_papers():
    protocol = Protocol()
    assert (protocol.epochs, protocol.repeats, protocol.folds, protocol.validation) == (500, 10, 2, 0.3)
    assert (protocol.learning_rate, protocol.beta1, protocol.beta2, protocol.epsilon) == (1e-3, 0.9, 0.999, 1e-7)
    assert (protocol.plateau_factor, protocol.plateau_patience, protocol.learning_rate_floor) == (0.2, 5, 1e-5)
    assert (protocol.batch_size, protocol.drop_last, protocol.dropout, protocol.clip) == (64, True, 0.1, 5.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("repeats", -1),
        ("folds", 0),
        ("validation", 0.0),
        ("validation", 1.0),
        ("batch_size", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("clip", 0.0),
        ("learning_rate", math.nan),
        ("beta1", 1.0),
        ("schedule", "sometimes"),
        ("plateau_factor", 1.0),
        ("patience", 0),
    ],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(UsageError, match=f"protocol mine: {field} must be .*, got {value!r}"):
        Protocol.from_mapping("mine", {field: value})


def test_an_unknown_field_is_named_beside_the_known_ones():
    with pytest.raises(UsageError, match="protocol mine has no field 'epoch'; did you mean epochs"):
        Protocol.from_mapping("mine", {"epoch": 3})
    with pytest.raises(UsageError, match="protocol paper has no field 'epoch' to set"):
        Protocol().with_settings({"epoch": "3"})


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("epochs", "30", 30),
        ("validation", "0.2", 0.2),
        ("drop_last", "no", False),
        ("patience", "none", None),
        ("patience", "4", 4),
        ("schedule", "cosine", "cosine"),
    ],
)
def test_fields_can_be_set_by_hand(field, text, value):
    protocol = Protocol().with_settings({field: text})
    assert getattr(protocol, field) == value
    assert dataclasses.replace(Protocol(), **{field: value}).identity() == protocol.identity()


@pytest.mark.parametrize(
    ("text", "reason"), [("many", "a whole number"), ("3.5", "a whole number"), ("-3", "positive")]
)
def test_a_setting_that_makes_no_sense_is_a_usage_error(text, reason):
    with pytest.raises(UsageError, match=f"epochs must be .*{reason}.*, got '?{text}"):
        Protocol().with_settings({"epochs": text})


def test_settings_are_part_of_the_name_in_a_fixed_order():
    one = Protocol().with_settings({"repeats": "2", "epochs": "30"})
    other = Protocol().with_settings({"epochs": "30", "repeats": "2"})
    assert one.name == other.name == "paper:epochs=30,repeats=2"
    assert Protocol().with_settings({}).name == "paper"


@pytest.mark.parametrize(
    ("dataset", "task", "batch_size", "epochs"),
    [
        ("segment", "binary", 64, 500),
        ("coil2000", "binary", 32, 500),
        ("cifar10", "binary", 64, 500),
        ("cifar10", "multiclass", 128, 7),
    ],
)
def test_single_datasets_and_tasks_have_their_own_values(dataset, task, batch_size, epochs):
    found = Protocol(exceptions=EXCEPTIONS).for_dataset(dataset, task)
    assert (found.batch_size, found.epochs) == (batch_size, epochs)
    assert found.exceptions == {}


def test_a_setting_by_hand_wins_over_an_exception():
    protocol = Protocol(exceptions=EXCEPTIONS).with_settings({"batch_size": "16"})
    assert protocol.for_dataset("coil2000", "binary").batch_size == 16
    assert protocol.for_dataset("cifar10", "multiclass").epochs == 7


def test_identity_is_every_field_that_decides_numbers():
    protocol = Protocol("mine", exceptions=EXCEPTIONS)
    fields = {field.name for field in dataclasses.fields(Protocol)}
    assert set(protocol.identity()) == fields - {"name", "exceptions", *ADDED_LATER}
    assert protocol.identity() == Protocol("other").identity()
    assert protocol.identity() != Protocol(epochs=3).identity()


def test_a_field_that_came_later_is_part_of_the_identity_only_where_it_is_not_what_was_before():
    assert "net" not in Protocol().identity()
    assert Protocol(net="resnet32").identity()["net"] == "resnet32"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", "many"),
        ("epochs", 3.5),
        ("epochs", True),
        ("learning_rate", float("inf")),
        ("drop_last", "no"),
        ("validation", None),
        ("schedule", 3),
    ],
)
def test_a_file_whose_value_has_the_wrong_type_is_refused(field, value):
    with pytest.raises(UsageError, match=f"{field} must be"):
        Protocol.from_mapping("mine", {field: value})


@pytest.mark.parametrize("fields", [3, {"epoch": 3}, {"epochs": "many"}, {"epochs": 0}])
def test_a_file_with_a_bad_exception_is_refused(fields):
    with pytest.raises(UsageError, match="epochs"):
        Protocol.from_mapping("mine", {"exceptions": {"coil2000": fields}})


def test_an_exception_of_a_modality_holds_for_all_of_its_datasets_and_yields_to_a_datasets_own():
    rules = {"image": {"epochs": 9}, "image:task=multiclass": {"batch_size": 128}, "small": {"batch_size": 16}}
    protocol = Protocol.from_mapping("mine", {"exceptions": rules})
    assert protocol.for_dataset("any", "multiclass", "image").batch_size == 128
    assert protocol.for_dataset("any", "binary", "image").batch_size == 64
    assert protocol.for_dataset("any", "multiclass", "tabular").batch_size == 64
    small = protocol.for_dataset("small", "multiclass", "image")
    assert (small.batch_size, small.epochs) == (16, 9)
    by_hand = protocol.with_settings({"batch_size": "32"}).for_dataset("small", "multiclass", "image")
    assert (by_hand.batch_size, by_hand.epochs) == (32, 9)
