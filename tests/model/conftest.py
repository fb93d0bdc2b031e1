import numpy as np
import pandas as pd
import pytest

import imbench

ROWS = 160


def visits(seed=0):
    rng = np.random.default_rng(seed)
    ill = np.arange(ROWS) % 5 == 0
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 80, ROWS) + 10 * ill,
            "dose": np.where(rng.random(ROWS) < 0.1, np.nan, rng.normal(size=ROWS).round(3) + ill),
            "smokes": rng.choice(["yes", "no"], ROWS),
            "town": rng.choice(["Bonn", "Kiel", "Ulm"], ROWS, p=[0.6, 0.38, 0.02]),
            "since": [f"{d:02}.{m:02}.2024" for d, m in rng.integers(1, 13, (ROWS, 2))],
            "patient": np.arange(ROWS) // 4,
            "ill": np.where(ill, "yes", "no"),
        }
    )
    return frame


QUICK = {"protocol": "smoke", "jobs": 1, "nets": 2}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with visits.csv, and a model of it in model/."""
    home = tmp_path_factory.mktemp("fitted")
    visits().to_csv(home / "visits.csv", index=False)
    imbench.fit(
        home / "visits.csv", target="ill", strategy="remix", out=home / "model", store=home / "store",
        settings={"repeats": "1"}, **QUICK,
    )  # fmt: skip
    return home
