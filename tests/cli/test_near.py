"""A mistyped name is one error that says which name was meant, whatever verb and option it was given to."""

import pytest

RUN = ("run", "--dataset", "{table}")
SWEEP = ("sweep", "--strategy", "remix", "--param", "alpha=0.1,0.3", "--dataset", "{table}")
SAMPLES = ("samples", "--dataset", "cifar10_10k", "--to", "sheet.svg")
EVALUATE = ("evaluate", "{store}", "--metric", "gmean")
READERS = {
    "report": ("report", "{store}"),
    "evaluate": EVALUATE,
    "publish": ("publish", "{store}", "--to", "pages"),
    "compare": ("compare", "{store}", "{store}"),
    "status": ("status", "{store}"),
}
TYPOS = [
    *((verb, *typo) for verb in (RUN, SWEEP) for typo in (
        ("--protocol", "smok", "smoke"),
        ("--set", "epoch=3", "epochs"),
        ("--metric", "gmena", "gmean"),
        ("--dataset", "segmnt", "segment"),
    )),
    (RUN, "--rule", "tund", "tuned"),
    (RUN, "--rule", "TUNED", "tuned"),
    (RUN, "--strategy", "remx", "remix"),
    (RUN, "--strategy", "remix:alfa=0.3", "alpha"),
    (RUN, "--protocol", "paper:epoch=3", "epochs"),
    (("run",), "--suite", "tabulr", "tabular"),
    (("run",), "--dataset", "segment:task=binry", "binary"),
    (SAMPLES, "--protocol", "smok", "smoke"),
    (("reproduce", "table1"), "--protocol", "smok", "smoke"),
    (("reproduce", "table1"), "--set", "epoch=3", "epochs"),
    (("reproduce",), "", "table3", "table1"),
    (("reproduce",), "", "figur7", "figure7"),
    (("list",), "", "strategis", "strategies"),
    (("info",), "", "remxi", "remix"),
    (EVALUATE, "--metric", "gmena", "gmean"),
    (EVALUATE, "--rule", "tund", "tuned"),
    (EVALUATE, "--task", "binry", "binary"),
    (EVALUATE, "--protocol", "smok", "smoke"),
    (EVALUATE, "--reference", "basline", "baseline"),
    (READERS["report"], "--metric", "gmena", "gmean"),
    (READERS["report"], "--rule", "tund", "tuned"),
    (READERS["compare"], "--metric", "gmena", "gmean"),
    (READERS["compare"], "--rule", "tund", "tuned"),
    *((verb, *typo) for verb in READERS.values() for typo in (
        ("--strategy", "remx", "remix"),
        ("--dataset", "two.cvs", "two.csv"),
        ("--suite", "tabulr", "tabular"),
        ("--protocol", "smok", "smoke"),
    )),
]  # fmt: skip


@pytest.mark.parametrize(
    ("verb", "option", "typo", "meant"), TYPOS, ids=[f"{v[0]} {option} {typo}" for v, option, typo, _ in TYPOS]
)
def test_a_typo_is_one_error_that_says_what_was_meant(verb, option, typo, meant, finished, table, imbench, tmp_path):
    words = (*verb, option, typo) if option else (*verb, typo)
    answer = imbench(*(word.format(store=finished[0], table=table) for word in words))
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("error: ")
    assert len(answer.err.splitlines()) == 1
    suggested = answer.err.partition("did you mean ")[2].partition("?")[0].split(" or ")
    assert any(name.rpartition("/")[2].partition(":")[0] == meant for name in suggested), answer.err
    assert not {"imbench-store", "imbench-report", "imbench-reproduction"} & {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize("metric", ["gmean", "gmena"])
def test_a_path_that_does_not_exist_is_named_with_what_to_give(metric, imbench):
    answer = imbench("evaluate", "nowhere", "--metric", metric)
    assert (answer.code, answer.out) == (2, "")
    assert "no such file or store: nowhere; give the --store folder of an imbench run" in answer.err


@pytest.mark.parametrize("verb", ["run", "sweep", "reproduce"])
def test_help_says_in_words_how_many_jobs_there_may_be(verb, imbench):
    text = " ".join(imbench(verb, "--help").out.split())
    assert "Worker processes, at least 1; default: one per core." in text
    assert "x>=1" not in text
