"""Default, tuned and ensembled rows are what a plain loop over stored predictions gives, and no test row selects."""

import dataclasses

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from imbench.contract.errors import UsageError
from imbench.contract.protocol import Protocol
from imbench.contract.records import Split, Trial
from imbench.scoring.metrics import METRICS, score
from imbench.stats.trials import ENSEMBLE_ROUNDS
from imbench.store.results import load
from imbench.store.store import Store
from tests.made_results import FACTS, job, predictions

settled = settings(deadline=None, derandomize=True, max_examples=10, phases=[Phase.generate])
SEED = st.integers(0, 1000)


def trial(number, strategy):
    """Job of a trial; the learning rate makes it another job."""
    if number == 1:
        return job(strategy=strategy)
    protocol = Protocol(f"quick:learning_rate=0.{number}", repeats=2, learning_rate=number / 10)
    return dataclasses.replace(job(strategy=strategy, protocol=protocol), trial=Trial(number, strategy, "quick"))


def filled(folder, trials=4, seed=0, strategies=("baseline", "remix"), scrambled=False, failed=()):
    """A store with trials of these strategies, of skills that are drawn."""
    store, rng = Store.open(folder, create=True), np.random.default_rng(seed)
    for strategy in strategies:
        for number in range(1, trials + 1):
            one = trial(number, strategy)
            # Trials have the same rows, and few skills, so that some tie.
            folds = predictions(one, skill=rng.choice([-1.0, 0.0, 0.5, 1.0, 2.0]), seed=seed)
            if scrambled:
                folds = [dataclasses.replace(p, test=_scrambled(p.test)) for p in folds]
            if number in failed:
                store.fail(one, "TrainingError: it diverged", {"ir": 0.05})
            else:
                store.write(one, folds, FACTS)
    return load(folder)


def _scrambled(split):
    return Split(split.rows, np.random.default_rng(1).permutation(split.y), split.proba)


def folds_of(results, strategy, number):
    rows = results.rows
    own = rows["trial"].isna() & (rows["strategy"] == strategy) if number == 1 else rows["trial"] == number
    key = rows[own & (rows["strategy"] == strategy)]["key"].iloc[0]
    return {(p.repeat, p.fold): p for p in Store.open(results.store).predictions(key)}


@settled
@given(seed=SEED, trials=st.integers(2, 4), metric=st.sampled_from(["bbs", "gmean", "auprc", "calibration_slope"]))
def test_tuned_is_the_best_of_a_plain_loop_over_predictions(tmp_path_factory, seed, trials, metric):
    results = filled(tmp_path_factory.mktemp("s"), trials, seed)
    tuning, one = results.tuning(metric), METRICS[metric]
    for strategy in ("baseline", "remix"):
        folds = [folds_of(results, strategy, number) for number in range(1, trials + 1)]
        for fold in folds[0]:
            best, least = 1, np.inf
            for k, of_trial in enumerate(folds, 1):
                p = of_trial[fold]
                value = score(p.validation.y, p.validation.proba)[metric]
                loss = abs(value - one.target) if one.target is not None else -value if one.higher_is_better else value
                if loss < least:
                    best, least = k, loss
                row = _row(tuning, f"tuned@{k}", strategy, fold)
                expected = score(folds[best - 1][fold].test.y, folds[best - 1][fold].test.proba)
                assert row["members"] == str(best)
                for name in METRICS:
                    assert row[name] == pytest.approx(expected[name], rel=0, abs=0, nan_ok=True)


def _row(tuning, selection, strategy, fold):
    rows = tuning.select(selection)
    (row,) = rows[(rows["strategy"] == strategy) & (rows["repeat"] == fold[0]) & (rows["fold"] == fold[1])].to_dict(
        "records"
    )
    return row


def test_tuned_at_1_is_the_default_to_the_bit(tmp_path):
    tuning = filled(tmp_path).tuning()
    default, first = tuning.select("default"), tuning.select("tuned@1")
    others = ["selection", "order"]
    assert first.drop(columns=others).equals(default.drop(columns=others))
    stored = load(tmp_path).rows
    stored = stored[stored["trial"].isna()].reset_index(drop=True)
    for name in METRICS:
        assert stored[name].equals(default[name])


@settled
@given(seed=SEED, trials=st.integers(2, 5))
def test_the_ensemble_is_that_of_a_plain_greedy_loop(tmp_path_factory, seed, trials):
    results = filled(tmp_path_factory.mktemp("s"), trials, seed, strategies=["remix"])
    tuning = results.tuning("bbs")
    folds = [folds_of(results, "remix", number) for number in range(1, trials + 1)]
    for fold in folds[0]:
        members, best = [], (np.inf, [])
        for _ in range(ENSEMBLE_ROUNDS):
            tried = [_mean_bbs(folds, fold, [*members, number]) for number in range(trials)]
            members.append(int(np.argmin(tried)))
            best = min(best, (min(tried), list(members)), key=lambda pair: pair[0])
        row = _row(tuning, f"ensemble@{trials}", "remix", fold)
        assert row["members"] == "+".join(str(1 + number) for number in sorted(best[1]))
        proba = np.mean([folds[number][fold].test.proba.astype(float) for number in best[1]], axis=0)
        assert row["gmean"] == pytest.approx(score(folds[0][fold].test.y, proba)["gmean"], abs=1e-12)


def _mean_bbs(folds, fold, members):
    total = 0.0
    for number in members:
        total = total + folds[number][fold].validation.proba.astype(float)
    return score(folds[0][fold].validation.y, total / len(members))["bbs"]


@settled
@given(seed=SEED)
def test_scrambled_test_labels_change_no_selection(tmp_path_factory, seed):
    chosen = [
        filled(tmp_path_factory.mktemp("s"), 5, seed, scrambled=scrambled).tuning().rows for scrambled in (False, True)
    ]
    for name in ("selection", "members", "k"):
        assert list(chosen[0][name]) == list(chosen[1][name])
    assert not chosen[0]["gmean"].equals(chosen[1]["gmean"])


def test_a_failed_trial_is_never_chosen_and_takes_none_away(tmp_path):
    tuning = filled(tmp_path, 4, failed=[3]).tuning()
    assert tuning.selections[-2:] == ["tuned@4", "ensemble@4"]
    assert "3" not in set("+".join(tuning.rows["members"]))


def test_trials_that_are_not_trained_yet_end_what_is_chosen_from(tmp_path):
    store = Store.open(tmp_path, create=True)
    for number in (1, 2, 4):
        store.write(trial(number, "remix"), predictions(trial(number, "remix")), FACTS)
    assert load(tmp_path).tuning().shown == ["default", "tuned@2", "ensemble@2"]


def test_trials_are_on_no_default_board_and_predictions_are_those_of_the_default(tmp_path):
    results = filled(tmp_path)
    boards = results.leaderboards()
    assert {board.protocol for board in boards} == {"quick"}
    assert all(sorted(board.table["strategy"]) == ["baseline", "remix"] for board in boards)
    (first, *_) = results.predictions("segment", "remix")
    assert (first.test.proba == folds_of(results, "remix", 1)[0, 0].test.proba).all()


def test_boards_of_a_selection_rank_the_same_strategies(tmp_path):
    tuning = filled(tmp_path).tuning()
    for name in tuning.shown:
        (board,) = tuning.leaderboards(name, ["gmean"])
        assert sorted(board.table["strategy"]) == ["baseline", "remix"]
    with pytest.raises(UsageError, match="no selection 'tuned@9' of trials; did you mean"):
        tuning.select("tuned@9")


def test_regret_is_what_is_missing_to_the_trial_that_is_best_on_test_rows(tmp_path):
    results = filled(tmp_path, 4, strategies=["remix"])
    curve = results.tuning("bbs").curves("bbs").set_index("selection")
    folds = [folds_of(results, "remix", number) for number in (1, 2, 3, 4)]
    tests = np.array([[score(p.test.y, p.test.proba)["bbs"] for p in of_trial.values()] for of_trial in folds])
    assert curve.loc["default", "regret"] == pytest.approx((tests[0] - tests.min(axis=0)).mean())
    assert list(curve["budget_steps"]) == [12, 12, 24, 36, 48, 48]


def test_a_store_without_trials_says_how_to_get_some(tmp_path):
    with pytest.raises(UsageError, match="has no trials; imbench run --tune K adds them"):
        filled(tmp_path, trials=1).tuning()
