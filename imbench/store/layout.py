"""The folders of a store, and how files in them are named."""

from __future__ import annotations

# Files of finished, failed and damaged jobs, and those being written. The index and what is derived follow from the
# others, and may be deleted at any time.
DERIVED, INDEX = "derived", "index"
FOLDERS = ("jobs", "predictions", "failed", "quarantine", DERIVED, INDEX)
# The files of a finished job; the folders whose files say which jobs there are; how the names of a job's files end.
OF_FINISHED = ("jobs", "predictions")
LISTED = (*OF_FINISHED, "failed")
SUFFIXES = {"jobs": ".parquet", "predictions": ".parquet", "failed": ".json", DERIVED: ".parquet"}
# How the names of those files of an index end that say which jobs it has.
OF_INDEX = ".jobs.arrow"
