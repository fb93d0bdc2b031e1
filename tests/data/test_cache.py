import multiprocessing
import tracemalloc

import numpy as np
import pytest

from imbench.contract.errors import DataError
from imbench.contract.records import Source, Variant
from imbench.data import cache
from imbench.data.canonical import Table, data_hash, from_frame
from imbench.data.variants import build, parse_variant
from tests.data import made
from tests.data.made import fetch, hash_on_disk, load


def only_copy(card):
    (copy,) = cache.copies(card)
    return copy


def test_what_is_put_is_what_is_got():
    table = from_frame(made.frame(), "target", categorical=("w",))
    copy = cache.put(table, made.card(), "file")
    got = cache.get(copy)
    assert data_hash(got) == data_hash(table) == copy.data_hash
    assert (got.names, got.categories, got.labels) == (table.names, table.categories, table.labels)
    np.testing.assert_array_equal(got.x, table.x)


def test_images_come_back_pixel_by_pixel():
    made_table = made.table([6, 4])
    pixels = np.random.default_rng(0).integers(0, 256, (10, 3, 5, 4), dtype=np.uint8)
    table = type(made_table)(pixels, ("red", "green", "blue"), ((),) * 3, made_table.y, made_table.labels)
    np.testing.assert_array_equal(cache.get(cache.put(table, made.card(), "file")).x, pixels)


def test_images_are_never_held_more_than_twice_and_never_as_floats():
    pixels = np.random.default_rng(0).integers(0, 256, (6000, 3, 32, 32), dtype=np.uint8)
    y = np.arange(6000) % 2
    card = made.table_card(made.table([3000, 3000]))
    copy = cache.put(Table(pixels, ("red", "green", "blue"), ((),) * 3, y, ("c0", "c1")), card, "file")
    tracemalloc.start()
    try:
        whole = build(cache.get(copy), card, Variant("made"), "0" * 64)
        of_whole = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        part = build(cache.get(copy), card, Variant("made", ir=0.5), "0" * 64)
        of_part = tracemalloc.get_traced_memory()[1] - whole.x.nbytes
    finally:
        tracemalloc.stop()
    assert of_whole < 1.2 * pixels.nbytes
    assert of_part < 2.2 * pixels.nbytes
    assert whole.x.flags.writeable  # torch takes no other
    assert part.x.dtype == np.uint8
    np.testing.assert_array_equal(part.x, pixels[part.rows])


def test_only_a_verified_copy_is_used_again_without_asking(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    assert hash_on_disk(made.card(), place) is None
    copy = fetch(made.card(), place)
    assert hash_on_disk(made.card(), place) == copy.data_hash
    (tmp_path / "mirror" / "made.parquet").unlink()
    assert fetch(made.card(), place) == copy
    assert fetch(made.card(), None) == copy


@pytest.mark.parametrize("harm", ["cut short", "one bit", "emptied"])
def test_a_corrupt_copy_is_removed_and_fetched_again(tmp_path, harm):
    place = made.mirror(tmp_path / "mirror")
    copy = fetch(made.card(), place)
    content = copy.path.read_bytes()
    harmed = {"cut short": content[:-9], "one bit": bytes([content[0] ^ 1]) + content[1:], "emptied": b""}
    copy.path.write_bytes(harmed[harm])
    assert hash_on_disk(made.card(), place) is None
    assert not copy.path.exists()
    assert fetch(made.card(), place).data_hash == copy.data_hash
    assert cache.get(only_copy(made.card())) is not None


def test_a_corrected_card_asks_for_a_new_copy_and_leaves_the_old_one(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    copy = fetch(made.card(), place)
    assert hash_on_disk(made.card(missing=0), place) is None
    assert copy.path.exists()


def test_a_mirror_that_changes_is_asked_again(tmp_path):
    frame = made.frame()
    before = fetch(made.card(), made.mirror(tmp_path / "mirror", {"made": frame}))
    frame["v"] += 1
    after = fetch(made.card(), made.mirror(tmp_path / "mirror", {"made": frame}))
    assert after.data_hash != before.data_hash
    assert hash_on_disk(made.card(), str(tmp_path / "mirror")) == after.data_hash


def test_a_mirrors_copy_does_not_displace_the_one_in_use_without_a_mirror(tmp_path):
    made.frame()[::-1].to_csv(tmp_path / "t.csv", index=False)
    card = made.card(sources=(Source("file", {"path": str(tmp_path / "t.csv"), "header": True}),))
    in_use = fetch(card)
    from_mirror = fetch(card, made.mirror(tmp_path / "mirror"))
    assert from_mirror.data_hash != in_use.data_hash
    assert fetch(card) == in_use


def fetch_once(place, ready, found):
    ready.wait()
    found.put(fetch(made.card(), place).data_hash)


def test_processes_that_fetch_at_once_do_not_trip_over_each_other(tmp_path):
    place = made.mirror(tmp_path / "mirror")
    context = multiprocessing.get_context("fork")
    ready, found = context.Barrier(4), context.Queue()
    workers = [context.Process(target=fetch_once, args=(place, ready, found)) for _ in range(4)]
    for worker in workers:
        worker.start()
    hashes = {found.get(timeout=30) for _ in workers}
    for worker in workers:
        worker.join()
    assert hashes == {only_copy(made.card()).data_hash}
    assert [p.name for p in cache.cache_folder().rglob("*") if p.is_file()] == [only_copy(made.card()).path.name]


def test_a_copy_that_goes_away_while_it_is_wanted_is_fetched_again(tmp_path, monkeypatch):
    place = made.mirror(tmp_path / "mirror")
    fetch(made.card(), place)
    monkeypatch.setattr(cache, "get", lambda copy: None)
    assert len(load(made.card(), parse_variant("made", made.card()), mirror=place).y) == 60


def test_a_cache_that_cannot_be_written_to_is_said(tmp_path, monkeypatch):
    (tmp_path / "in-the-way").write_text("")
    monkeypatch.setenv("IMBENCH_CACHE", str(tmp_path / "in-the-way"))
    with pytest.raises(DataError, match=r"cache .* is not writable .*; set IMBENCH_CACHE"):
        fetch(made.card(), made.mirror(tmp_path / "mirror"))


def test_two_cards_of_ones_own_with_one_name_keep_apart(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        made.frame(seed=len(folder + folder[0])).to_csv(tmp_path / folder / "t.csv", index=False)
    cards = [
        made.card(
            str(tmp_path / folder / "mine.toml"),
            (Source("file", {"path": str(tmp_path / folder / "t.csv"), "header": True}),),
        )
        for folder in ("one", "two")
    ]
    assert fetch(cards[0]).path.parent != fetch(cards[1]).path.parent


def test_without_download_only_the_cache_and_the_mirror_are_asked(tmp_path):
    made.frame().to_csv(tmp_path / "t.csv", index=False)
    card = made.card(sources=(Source("file", {"path": str(tmp_path / "t.csv"), "header": True}),))
    variant, place = parse_variant("made", card), made.mirror(tmp_path / "mirror")
    with pytest.raises(DataError, match=r"made is not on this computer \(neither cached nor in a mirror\); fetch it"):
        load(card, variant, download=False)
    assert len(load(card, variant, mirror=place, download=False).y) == 60
    (tmp_path / "mirror" / "made.parquet").unlink()
    assert len(load(card, variant, download=False).y) == 60, "the mirror's copy is cached now"
