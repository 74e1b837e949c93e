"""Exported rows as a Parquet file, whose columns and types are the same for every run."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from itertools import islice
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from oversight.core.belief import Belief
from oversight.core.chat import CallRecord
from oversight.core.message import Message
from oversight.core.outcome import EpisodeSpec
from oversight.core.side import Side
from oversight.core.verdict import Annotation
from oversight.errors import UsageError
from oversight.reports.export import ExportForm

__all__ = ["schema_of", "write_parquet"]

_ROWS_AT_A_TIME = 200


def schema_of(form: ExportForm) -> pa.Schema:
    """The columns of a form.

    What has no fixed keys, such as a protocol's options or what it annotates, is text that holds JSON.

    Raises:
        UsageError: the form is JSON by its authors' definition.
    """
    if form not in _SCHEMAS:
        raise UsageError(f"{form} is JSON lines by its authors' definition, not Parquet: {', '.join(_SCHEMAS)} can be")
    return _SCHEMAS[form]


def write_parquet(path: Path, rows: Iterable[dict[str, Any]], schema: pa.Schema) -> int:
    """Write rows to a new file, a few hundred at a time; returns how many there were.

    Raises:
        OSError: the file cannot be written.
    """
    written = 0
    with path.open("xb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        coming, fit = iter(rows), _fitting_fields({field.name: _fitting(field.type) for field in schema})
        while some := [fit(row) for row in islice(coming, _ROWS_AT_A_TIME)]:
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            written += len(some)
    return written


def _type(annotation: Any) -> pa.DataType:
    """The Arrow type of a field of one of the framework's records."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(args[0])
    if origin in (Union, UnionType):
        (one,) = (arg for arg in args if arg is not NoneType)
        return _type(one)
    if origin is tuple:
        return pa.list_(_type(args[0]))
    if origin in (dict, Literal) or annotation is Any:
        return pa.string()
    if issubclass(annotation, BaseModel):
        return _struct(annotation)
    return pa.string() if issubclass(annotation, Enum) else _SCALARS[annotation]


def _struct(record: type[BaseModel], *without: str, **more: pa.DataType) -> pa.StructType:
    fields = {
        name: _type(field.annotation)
        for name, field in record.model_fields.items()
        if name not in without and not field.exclude
    }
    return pa.struct([*more.items(), *fields.items()])


def _fitting(to: pa.DataType) -> Callable[[Any], Any] | None:
    """Return what makes a value of JSON one that Arrow takes for a type; None where it is one already."""
    if pa.types.is_struct(to):
        return _fitting_fields({field.name: _fitting(field.type) for field in to})
    if pa.types.is_list(to):
        part = _fitting(to.value_type)
        return part and (lambda value: None if value is None else [part(each) for each in value])
    if pa.types.is_timestamp(to):
        return lambda value: None if value is None else datetime.fromisoformat(value)
    if pa.types.is_string(to):
        return lambda value: value if value is None or isinstance(value, str) else json.dumps(value)
    return None


def _fitting_fields(fields: dict[str, Callable[[Any], Any] | None]) -> Callable[[Any], Any]:
    def fit(value: Any) -> Any:
        if value is None:
            return None
        return {name: value[name] if fit is None else fit(value[name]) for name, fit in fields.items()}

    return fit


_SCALARS = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}
_CHAT = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))

_SCHEMAS: dict[str, pa.Schema] = {
    "episodes": pa.schema(
        [
            *((name, pa.string()) for name in ("run", "episode")),
            ("attempt", pa.int64()),
            *((name, pa.string()) for name in ("status", "failure", "detail")),
            ("started_at", _SCALARS[datetime]),
            ("duration_s", pa.float64()),
            ("made_by_run", pa.string()),
            ("spec", _struct(EpisodeSpec, "episode_id", "attempt")),
            ("gold", pa.int64()),
            ("mistakes", pa.list_(pa.int64())),
            ("verdict", _struct(Belief)),
            ("messages", pa.list_(_struct(Message, "belief"))),
            ("beliefs", pa.list_(_struct(Belief, message=pa.int64(), seat=pa.string(), turn=pa.int64()))),
            ("annotations", pa.list_(_struct(Annotation))),
            ("calls", pa.list_(_struct(CallRecord))),
            ("sides", pa.list_(_struct(Side))),
        ]
    ),
    "sft": pa.schema([("messages", _CHAT)]),
    "preferences": pa.schema(
        [
            *((name, _CHAT) for name in ("prompt", "chosen", "rejected")),
            *((name, pa.float64()) for name in ("score_chosen", "score_rejected")),
        ]
    ),
    "trl-steps": pa.schema(
        [("prompt", pa.string()), ("completions", pa.list_(pa.string())), ("labels", pa.list_(pa.bool_()))]
    ),
}
