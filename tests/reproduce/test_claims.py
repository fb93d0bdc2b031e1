"""The table of claims: eight rows, judged among the strategies that the claim is about."""

from imbench.reproduce.claims import claims_of


def test_each_net_task_and_metric_has_a_row(remix_leads, images):
    frame = claims_of(remix_leads, images).tables[0].frame
    assert list(frame.columns) == ["claim", "paper", "ours", "verdict", "statistic", "by datasets"]
    assert [claim.split(":")[0] for claim in frame["claim"]] == [
        f"{nets}, {task}" for nets in ("Dense nets", "CNNs") for task in ("binary",) * 2 + ("multiclass",) * 2
    ]
    assert list(frame["verdict"][:4]) == ["holds"] * 4


def test_remix_is_judged_without_the_strategies_that_augment(remix_leads, images):
    frame = claims_of(remix_leads, images).tables[0].frame
    # Of the images' results remix-aug is the best, yet the claim is about ReMix and what it is compared with.
    assert frame["ours"].iloc[4].startswith("rank sum 2.0, mixup")
    assert frame["verdict"].iloc[4] == "cannot be decided with 2 blocks"
    assert frame["by datasets"].iloc[4] == "too few datasets"


def test_the_verdict_turns_with_the_results(remix_is_last, images):
    item = claims_of(remix_is_last, images)
    frame = item.tables[0].frame
    assert list(frame["verdict"][:4]) == ["does not hold"] * 4
    assert item.found[0].startswith("0 of 8 claims hold")
