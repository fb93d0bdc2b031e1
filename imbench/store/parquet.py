"""Parquet files that identify their job and reveal damage."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from imbench.contract.errors import StoreError, UsageError
from imbench.contract.reading import parse_json
from imbench.contract.records import NUMBERS_VERSION
from imbench.contract.text import shown

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

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
_PREDICTIONS = b"imbench.predictions"

# Bytes of a column up to which compression saves nothing. It would take two thirds of the time for the 200 columns of
# a job's rows: 2.3 ms to write and 1.9 ms to read them.
_SMALL = 256

# A file that inflates more than this, beyond the first bytes, was not written by a store.
_MOST_INFLATED, _FIRST_BYTES = 2_000, 256 * 2**20


class DamagedError(Exception):
    """A file that has changed since the store wrote it."""


class _Version(msgspec.Struct, frozen=True):
    """The part of an identity that every version has."""

    schema: int


class Identity(msgspec.Struct, frozen=True):
    """What a job's numbers depend on (`imbench.contract.records.Job.identity`), as its files state it."""

    schema: int
    data: str
    dataset: str | None
    variant: dict[str, str | int | float | bool | None]
    strategy: str
    params: dict[str, Any]
    protocol: dict[str, Any]


def to_parquet(table: pa.Table, identity: str) -> bytes:
    """The table as a Parquet file with this identity (a job's canonical JSON) and checksums."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    metadata = {**(table.schema.metadata or {}), _IDENTITY: identity.encode(), _ROWS: str(ROWS_SCHEMA).encode()}
    metadata.pop(_SEAL, None)  # that of the file the table was read from
    sealed = table.replace_schema_metadata({**metadata, _SEAL: _seal(table, metadata)})
    sink = pa.BufferOutputStream()
    codecs = {name: "zstd" if table[name].nbytes > _SMALL else "none" for name in table.column_names}
    pq.write_table(
        sealed, sink, compression=codecs, use_dictionary=False, write_page_checksum=True, write_statistics=False
    )
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_parquet(content: bytes, key: str) -> pa.Table:
    """The table in a Parquet file of this job; raises `DamagedError` for anything else."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
        groups = (file.metadata.row_group(number) for number in range(file.metadata.num_row_groups))
        inflated = sum(group.total_byte_size for group in groups)
        if inflated > _FIRST_BYTES + _MOST_INFLATED * len(content):
            raise DamagedError(f"the file of job {key} inflates to {inflated / 2**20:.0f} MiB")
        table = file.read(use_threads=False)
    except DamagedError:
        raise
    except Exception as error:  # the bytes are in memory, so any error is theirs
        raise DamagedError(f"the file of job {key} is not Parquet: {shown(str(error), 300)}") from error
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


def with_digest(rows: pa.Table, predictions: bytes) -> pa.Table:
    """The rows of a job with the SHA-256 of its file of predictions, so that this can be checked without parsing it."""
    digest = sha256(predictions).hexdigest().encode()
    return rows.replace_schema_metadata({**(rows.schema.metadata or {}), _PREDICTIONS: digest})


def digest_of_predictions(rows: pa.Table) -> bytes | None:
    """The SHA-256 of the predictions that were written with these rows; None if the rows do not state it."""
    stated = (rows.schema.metadata or {}).get(_PREDICTIONS, b"")
    return bytes.fromhex(stated.decode()) if re.fullmatch(rb"[0-9a-f]{64}", stated) else None


def rows_schema(table: pa.Table) -> int:
    """The rows schema of the file that this table was read from; the first schema did not state it."""
    stated = (table.schema.metadata or {}).get(_ROWS, b"1")
    if not stated.isdigit() or len(stated) > 9:
        raise DamagedError(f"its rows schema is {shown(repr(stated))}, which is no whole number")
    return int(stated)


def numbers_version(table: pa.Table) -> int:
    """The version that decided the numbers (`imbench.contract.records.NUMBERS_VERSION`)."""
    return parsed(identity_of(table), _Version, "the job's identity").schema


def identity_of(table: pa.Table) -> str:
    """The canonical JSON of the job of this table."""
    text: str = (table.schema.metadata or {}).get(_IDENTITY, b"").decode("utf-8", "replace")
    return text


def identity_parts(table: pa.Table) -> Identity:
    """The identity of the job of this table, field by field; raises `DamagedError` if it is none."""
    return parsed(identity_of(table), Identity, "the job's identity")


def with_identity(table: pa.Table, identity: str, key: str) -> pa.Table:
    """The table with a job's canonical JSON in its metadata; `DamagedError` if the key is not its hash."""
    if sha256(identity.encode()).hexdigest() != key:
        raise DamagedError(f"the file of job {key} contains another job")
    return table.replace_schema_metadata({**(table.schema.metadata or {}), _IDENTITY: identity.encode()})


def parsed(text: str | bytes, kind: type[T], what: str) -> T:
    """JSON inside a file of a store; raises `DamagedError` if it does not fit its schema."""
    try:
        return parse_json(text, kind, what)
    except UsageError as error:
        raise DamagedError(str(error)) from None


def _seal(table: pa.Table, metadata: Mapping[bytes, bytes]) -> bytes:
    """A digest of everything that Parquet's page checksums omit: row count, names and types of columns, metadata."""
    columns = [[column.name, str(column.type)] for column in table.schema]
    facts = sorted(
        (name.decode("utf-8", "replace"), value.decode("utf-8", "replace")) for name, value in metadata.items()
    )
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
