"""Parquet files that identify their job and reveal damage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from imbench.contract.errors import StoreError
from imbench.contract.records import NUMBERS_VERSION

if TYPE_CHECKING:
    import pyarrow as pa

# Raised when predictions, or measurements of training, get other columns. It changes no number and no key: files of
# an older schema are read. Columns that follow from predictions do not raise it: they are derived if a file lacks
# them (`imbench.store.derive`).
#   1  metrics of argmax
#   2  metrics under every decision rule, exposure of the rarest class, the trained prior, calibration slope
#   3  metrics of probabilities recalibrated on validation rows; share of batches that a strategy could not rebalance
ROWS_SCHEMA = 3

_IDENTITY = b"imbench.identity"
_ROWS = b"imbench.rows"
_SEAL = b"imbench.seal"


class DamagedError(Exception):
    """A file that has changed since the store wrote it."""


def to_parquet(table: pa.Table, identity: str) -> bytes:
    """The table as a Parquet file with this identity (a job's canonical JSON) and checksums."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {**(table.schema.metadata or {}), _IDENTITY: identity.encode(), _ROWS: str(ROWS_SCHEMA).encode()}
    metadata.pop(_SEAL, None)  # that of the file the table was read from
    sealed = table.replace_schema_metadata({**metadata, _SEAL: _seal(table, metadata)})
    sink = pa.BufferOutputStream()
    pq.write_table(
        sealed, sink, compression="zstd", use_dictionary=False, write_page_checksum=True, write_statistics=False
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_parquet(content: bytes, key: str) -> pa.Table:
    """The table in a Parquet file of this job; raises `DamagedError` for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True).read(use_threads=False)
    except Exception as error:  # the bytes are in memory, so any error is theirs
        raise DamagedError(f"the file of job {key} is not Parquet: {error}") from error
    metadata = dict(table.schema.metadata or {})
    identity, seal = metadata.get(_IDENTITY, b""), metadata.pop(_SEAL, b"")
    if seal != _seal(table, metadata):
        raise DamagedError(f"the shape or metadata of job {key} have changed since it was written")
    if sha256(identity).hexdigest() != key:
        raise DamagedError(f"the file of job {key} contains another job")
    for found, known in ((numbers_version(table), NUMBERS_VERSION), (rows_schema(table), ROWS_SCHEMA)):
        if found > known:
            raise newer(f"job {key}", found, known)
    # Without the seal of these bytes: derived tables get a new one.
    return table.replace_schema_metadata(metadata)


def rows_schema(table: pa.Table) -> int:
    """The rows schema of the file that this table was read from; the first schema did not state it."""
    return int((table.schema.metadata or {}).get(_ROWS, b"1"))


def numbers_version(table: pa.Table) -> int:
    """The version that decided the numbers (`imbench.contract.records.NUMBERS_VERSION`)."""
    return int(json.loads(table.schema.metadata[_IDENTITY])["schema"])


def identity_of(table: pa.Table) -> str:
    """The canonical JSON of the job of this table."""
    text: str = table.schema.metadata[_IDENTITY].decode()
    return text


def _seal(table: pa.Table, metadata: Mapping[bytes, bytes]) -> bytes:
    """A digest of everything that Parquet's page checksums omit: row count, names and types of columns, metadata."""
    columns = [[column.name, str(column.type)] for column in table.schema]
    facts = sorted((name.decode(), value.decode()) for name, value in metadata.items())
    return sha256(json.dumps([table.num_rows, columns, facts]).encode()).hexdigest().encode()


def ends_well(file: Path) -> bool:
    """Whether a Parquet file has both magic marks and a footer that fits between them."""
    try:
        with open(file, "rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            if size < 12:
                return False
            handle.seek(-8, os.SEEK_END)
            tail = handle.read(8)
            handle.seek(0)
            return handle.read(4) == tail[4:] == b"PAR1" and int.from_bytes(tail[:4], "little") <= size - 12
    except OSError as error:
        raise StoreError(f"cannot read {file}: {error.strerror}; check the folder's permissions and disk") from error


def newer(what: Path | str, schema: object, known: int) -> StoreError:
    """The error for files of a newer imbench."""
    return StoreError(f"{what} has schema {schema!r}, and this imbench reads up to {known}; install a newer imbench")
