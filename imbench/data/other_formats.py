"""Files that are not read as tables: what to do with them instead."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePath

from imbench.contract.names import suggest
from imbench.contract.spec import EXCEL_SUFFIXES, PACKED_SUFFIXES, TABLE_SUFFIXES, is_table

# How to convert files of other programs, by suffix.
_PANDAS = {
    ".sav": "read_spss", ".zsav": "read_spss", ".dta": "read_stata", ".sas7bdat": "read_sas", ".xpt": "read_sas",
    ".h5": "read_hdf", ".hdf5": "read_hdf", ".hdf": "read_hdf", ".pkl": "read_pickle", ".pickle": "read_pickle",
    ".orc": "read_orc", ".xml": "read_xml", ".json": "read_json", ".pq": "read_parquet", ".ftr": "read_feather",
}  # fmt: skip
_OTHER = {
    **dict.fromkeys((".rds", ".rdata", ".rda"), "in R with arrow::write_parquet or write.csv"),
    **dict.fromkeys((".npy", ".npz", ".mat", ".pt"), "by giving its arrays in Python, imbench.table(X, y)"),
    **dict.fromkeys((".db", ".sqlite", ".sqlite3"), "with pandas.read_sql_table(…).to_parquet"),
    **dict.fromkeys((".html", ".htm", ".pdf", ".doc", ".docx", ".log", ".md"), "by saving its table as CSV"),
}
_FORMATS = ", ".join(s for s in TABLE_SUFFIXES if s not in (*PACKED_SUFFIXES, *EXCEL_SUFFIXES[1:]))


def unreadable(path: str, suffix: str) -> str:
    """The error for a file of a suffix that is not read: the formats, and how to convert the file.

    >>> unreadable("visits.sav", ".sav").partition("; ")[2][:70]
    "convert it with pandas.read_spss('visits.sav').to_parquet('visits.parq"
    """
    reader = _PANDAS.get(suffix.lower(), "")
    made = str(PurePath(path).with_suffix(".parquet"))
    how = f"with pandas.{reader}({path!r}).to_parquet({made!r})" if reader else _OTHER.get(suffix.lower(), "")
    what = f"{suffix} is not a format of tables" if suffix else "it has no suffix that tells its format"
    fix = f"convert it {how}" if how else "save it as CSV or Parquet"
    return f"{path}: {what}; {fix}. Formats are {_FORMATS}, packed as {', '.join(PACKED_SUFFIXES)} or not"


def missing_file(path: str) -> str:
    """The error for a file that does not exist, with tables of similar names in its folder."""
    folder = Path(path).parent
    others = [found.name for found in folder.iterdir() if is_table(found.name)] if folder.is_dir() else []
    if not folder.is_dir():
        return f"the file {path!r} does not exist, and neither does its folder; correct the path"
    if not others:
        return f"the file {path!r} does not exist; there is no table in its folder: correct the path"
    return f"the file {path!r} does not exist; {suggest(PurePath(path).name, others)}"


def no_table(name: str, packages: Collection[str]) -> str:
    """The error for an unknown name that is, or looks like, the path of a file; "" for any other name.

    Parameters
    ----------
    packages : installed packages, since a name can be ``package/name``
    """
    suffix = PurePath(name).suffix
    if Path(name).is_file():
        return unreadable(name, suffix)
    if Path(name).is_dir():
        return f"{name} is a folder; a folder of images is named with a slash at its end: {name}/"
    in_folder = re.search(r"[/\\]", name) and re.split(r"[/\\]", name)[0] not in packages
    is_data = suffix.lower() in (*_PANDAS, *_OTHER)
    return missing_file(name) if in_folder or is_data else ""
