"""The numbers printed in the paper's Tables 1 and 2.

C. Bellinger, R. Corizzo and N. Japkowicz, "ReMix Training for Calibrated Imbalanced Deep Learning".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Listed:
    """A row of Table 1.

    Parameters
    ----------
    name, classes : text in the paper's table
    dataset, task : names in imbench; ``stand_in`` replaces an unavailable ``dataset``
    dimensions, rows, irs : numbers in the paper's table; ``dimensions`` of images is the number of values
    reasons : reasons for differences from the data, by ``dimensions``, ``rows``, ``classes`` or ``irs``
    """

    name: str
    classes: str
    dataset: str
    task: str
    dimensions: int
    rows: int
    irs: tuple[float, ...]
    reasons: Mapping[str, str] = field(default_factory=dict, hash=False)
    stand_in: str = ""


_HARD, _MILD = (0.01, 0.025, 0.05), (0.05, 0.1, 0.25)
_CLASS_COLUMN = "the class column is counted"

TABLE1 = (
    Listed(
        "Musk",
        "0 vs 1",
        "musk2",
        "binary",
        168,
        6597,
        _HARD,
        {
            "dimensions": "the two columns with names of molecule and conformation are counted",
            "rows": "the authors' code reads the first row as a header",
            "classes": "class 1 (musk) is the smaller class and is downsampled; the printed order suggests class 0",
        },
    ),
    Listed("Segment", "1 vs 2…7", "segment", "binary", 19, 2310, _HARD),
    Listed("Statlog", "1 vs 2…7", "landsat_satellite", "binary", 36, 6435, _HARD),
    Listed("Seizure", "1 vs 2…5", "epileptic_seizure", "binary", 179, 11500, _HARD, {"dimensions": _CLASS_COLUMN}),
    Listed(
        "coil2000",
        "0 vs 1",
        "coil2000",
        "binary",
        86,
        9000,
        _HARD,
        {
            "dimensions": _CLASS_COLUMN,
            "rows": "reason unknown; the two files have 5,822 and 4,000 rows",
            "classes": "the smaller class is downsampled, regardless of its label",
        },
    ),
    Listed("Ozone", "0 vs 1", "ozone_onehr", "binary", 73, 2536, (0.01, 0.025), {"dimensions": _CLASS_COLUMN}),
    Listed(
        "APS",
        "-1 vs 1",
        "aps_failure",
        "binary",
        171,
        60000,
        (0.01,),
        {"dimensions": _CLASS_COLUMN},
        "aps_failure_head9000",
    ),
    Listed(
        "CIFAR 10",
        "dog vs Other",
        "cifar10",
        "binary",
        3072,
        50000,
        (0.05, 0.1, 0.25),
        {"irs": "5,000 dogs to 45,000 others is a ratio of 0.111, so downsampling dogs cannot give 0.25"},
    ),
    Listed(
        "Seizure",
        "1, 2 vs 3, 4, 5",
        "epileptic_seizure",
        "multiclass",
        179,
        11500,
        _MILD,
        {"dimensions": _CLASS_COLUMN},
    ),
    Listed("Optical digits", "1, 2, 3 vs 0, 4…9", "optdigits", "multiclass", 64, 5620, _MILD),
    Listed("landsatSatellite", "2, 3, 4 vs 1, 5, 6, 7", "landsat_satellite", "multiclass", 36, 6435, _MILD),
    Listed("CIFAR 10", "automobile, bird, cat vs Other", "cifar10", "multiclass", 3072, 50000, _MILD),
)

# Rank sums by (task, metric), 1 being the best rank, and the number of configurations of each task in Table 1.
TABLE2 = {
    ("binary", "gmean"): {"baseline": 65, "cost-adjusted": 70, "batch-smote": 36, "mixup": 77, "remix": 22},
    ("binary", "bbs"): {"baseline": 63, "cost-adjusted": 66, "batch-smote": 54, "mixup": 63, "remix": 22},
    ("multiclass", "gmean"): {"baseline": 31, "cost-adjusted": 28, "batch-smote": 24, "mixup": 40, "remix": 12},
    ("multiclass", "bbs"): {"baseline": 38, "cost-adjusted": 36, "batch-smote": 30, "mixup": 22, "remix": 9},
}
CONFIGURATIONS = {"binary": 18, "multiclass": 9}
