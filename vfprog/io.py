"""Reading and writing of a run's files: whole or not at all, with their provenance.

Parquet tables and JSON cards carry the schema version, the package version and the digests of what made them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vfprog import __version__
from vfprog.columns import PATIENT
from vfprog.errors import UserError

SCHEMA_VERSION = 1
VERSIONS: dict[str, Any] = {"schema_version": SCHEMA_VERSION, "vfprog": __version__}  # in whatever is written


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block ends well, removed otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(text: str, path: Path) -> None:
    """Write text in one piece."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write a JSON card, with the schema and package versions added."""
    write_text(json.dumps({**VERSIONS, **content}, indent=1, allow_nan=False) + "\n", path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON card."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(table: pd.DataFrame, path: Path, provenance: dict[str, Any] | None = None) -> None:
    """Write a table as Parquet or CSV, by the ending of ``path``; Parquet carries ``provenance``."""
    with atomic(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False)
            return
        arrow = pa.Table.from_pandas(table, preserve_index=False)
        record = json.dumps({**VERSIONS, **(provenance or {})})
        metadata = {**(arrow.schema.metadata or {}), b"vfprog": record.encode()}
        pq.write_table(arrow.replace_schema_metadata(metadata), temporary)


def read_table(path: Path) -> pd.DataFrame:
    """Read a table written by :func:`write_table`; ``patient_id`` is always text.

    Raises
    ------
    UserError
        If the file was written by another schema version of vfprog.
    """
    if path.suffix == ".csv":
        return pd.read_csv(path, dtype={PATIENT: str}, keep_default_na=False, na_values=[""])
    arrow = pq.read_table(path)
    record = json.loads((arrow.schema.metadata or {}).get(b"vfprog", b"{}"))
    version = record.get("schema_version", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise UserError(
            f"{path}: written with table schema {version}, this vfprog reads {SCHEMA_VERSION}; delete it"
        )
    return arrow.to_pandas()
