"""Batches that are rebalanced in the workers of a DataLoader, and drawn over the ranks of a distributed training."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from imbench import UsageError
from imbench.torch import BalancedBatchSampler, Collate, Rebalancer
from tests.loops.made import COUNTS, Paced, X, Y

SAME_ROWS = TensorDataset(X.repeat(6, 1), Y.repeat(6))  # six equal batches: only the draws differ


def batches(workers, *, seed=0, rank=0, epochs=2, ends=True, strategy="remix", **options):
    r = Rebalancer(strategy, class_counts=COUNTS, seed=seed, rank=rank, epochs=epochs)
    loader = DataLoader(SAME_ROWS, batch_size=16, collate_fn=Collate(r), num_workers=workers, **options)
    drawn = []
    for _ in range(epochs):
        drawn += [x.clone() for x, _, _ in loader]
        if ends:
            r.epoch_end()
    return drawn


def distinct(drawn):
    return len({x.numpy().tobytes() for x in drawn})


@pytest.mark.parametrize("ends", [True, False], ids=["epochs counted", "epochs not counted"])
@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}], ids=["afresh", "persistent"])
def test_no_worker_or_epoch_or_rank_repeats_draws_and_runs_repeat(options, ends):
    torch.manual_seed(0)
    own = batches(2, ends=ends, **options)
    torch.manual_seed(1)
    again, other = batches(2, ends=ends, **options), batches(2, rank=1, ends=ends, **options)
    assert len(own) == 12
    assert distinct([*own, *other]) == 24
    assert all(torch.equal(a, b) for a, b in zip(own, again, strict=True))


def test_processes_that_start_afresh_draw_as_forked_ones_do():
    spawned = batches(1, multiprocessing_context="spawn", epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(spawned, batches(1, epochs=1), strict=True))


def test_without_workers_the_rebalancer_itself_draws():
    r = Rebalancer("remix", class_counts=COUNTS)
    assert all(torch.equal(x, r(X, Y)[0]) for x in batches(0))


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}], ids=["afresh", "persistent"])
def test_workers_see_the_epoch(options):
    drawn = batches(1, strategy=Paced(), **options)
    assert all(torch.equal(x, X + (number >= 6)) for number, x in enumerate(drawn))


def test_examples_that_are_no_pairs_are_refused():
    collate = Collate(Rebalancer("remix", class_counts=COUNTS))
    with pytest.raises(UsageError, match=r"needs examples \(x, y\), got a list of 3 values"):
        collate([(X[0], Y[0], 1)])


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    st.integers(0, 3),
)
def test_ranks_share_one_sequence_whose_class_shares_are_as_asked(counts, per_rank, power, seed):
    labels = np.repeat(np.arange(len(counts)) * 2, counts)

    def drawn(ranks):
        size = 12 * per_rank // ranks
        of_ranks = [
            list(BalancedBatchSampler(labels, size, power=power, seed=seed, rank=rank, ranks=ranks))
            for rank in range(ranks)
        ]
        return [sorted(row for part in parts for row in part) for parts in zip(*of_ranks, strict=True)]

    alone = drawn(1)
    assert alone == drawn(2) == drawn(3) == drawn(4)
    expected = np.array(counts, float) ** power / (np.array(counts, float) ** power).sum() * 12 * per_rank
    for batch in alone:
        found = np.bincount(labels[batch] // 2, minlength=len(counts))
        assert (np.abs(found - expected) < 1 + 1e-6).all()


def test_each_epoch_draws_anew_and_a_state_goes_on():
    sampler = BalancedBatchSampler(Y, 8, batches=3)
    first, second = list(sampler), list(sampler)
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first
    again = BalancedBatchSampler(Y, 8, batches=3)
    again.load_state_dict(sampler.state_dict())
    assert list(again) == second
    assert len(sampler) == 3


def test_an_epoch_is_as_long_as_the_rows():
    assert len(BalancedBatchSampler(range(100), 8)) == 13
    assert len(BalancedBatchSampler(range(100), 8, rank=0, ranks=4)) == 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"power": 1.5}, "power"),
        ({"power": float("nan")}, "power"),
        ({"rank": 2, "ranks": 2}, "rank must be below ranks, got 2 of 2"),
        ({"labels": []}, "at least one"),
        ({"labels": [[1, 2]]}, r"must be \(rows,\)"),
        ({"batches": 0}, "batches"),
    ],
)
def test_a_mistake_is_named_at_once(changes, reason):
    with pytest.raises(UsageError, match=reason):
        BalancedBatchSampler(**{"labels": Y, "batch_size": 4} | changes)


TRAINING = """
import json, os, sys, torch, torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from imbench.torch import BalancedBatchSampler, Rebalancer
ranks = {"rank": int(os.environ["RANK"]), "world_size": int(os.environ["WORLD_SIZE"])}
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}", **ranks)
torch.manual_seed(0)
y = torch.arange(96) % 8 // 7
x = torch.arange(96.0)[:, None].repeat(1, 3)
r = Rebalancer("remix", class_counts=torch.bincount(y))
model = DistributedDataParallel(torch.nn.Linear(3, 2))
seen, drawn = [], []
for rows in BalancedBatchSampler(y, 24 // dist.get_world_size()):
    x2, y2, weight = r(x[rows], y[rows])
    r.loss(model(x2), y2, weight).backward()
    seen.append(rows)
    drawn.append(x2[:, 0].tolist())
print(json.dumps([seen, drawn, model.module.weight.grad.tolist()]))
dist.destroy_process_group()
"""


def trained(folder, ranks):
    (folder / "train.py").write_text(TRAINING)
    meeting = folder / f"meeting{len(list(folder.iterdir()))}"
    made = [
        subprocess.Popen(
            [sys.executable, folder / "train.py", str(meeting)],
            env=os.environ | {"RANK": str(rank), "WORLD_SIZE": str(ranks), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in range(ranks)
    ]
    return [json.loads(process.communicate(timeout=120)[0].splitlines()[-1]) for process in made]


def test_a_distributed_training_sees_the_rows_of_one_process_and_draws_apart(tmp_path):
    (alone,) = trained(tmp_path, 1)
    first, second = trained(tmp_path, 2)
    assert [sorted(a + b) for a, b in zip(first[0], second[0], strict=True)] == [sorted(rows) for rows in alone[0]]
    assert first[1] != second[1]
    assert first[2] == second[2]  # the gradients are synchronised
    assert trained(tmp_path, 2) == [first, second]
