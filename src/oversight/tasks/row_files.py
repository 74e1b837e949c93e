"""Reading files of rows: JSON lines, JSON, CSV, TSV and Parquet. Every row knows where it stands."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from oversight.errors import UsageError
from oversight.plugins import nearest
from oversight.tasks.strict_json import parsed

__all__ = [
    "READERS",
    "Row",
    "explain",
    "only",
    "read_csv",
    "read_json",
    "read_jsonl",
    "read_parquet",
    "read_rows",
    "read_tsv",
    "row_problems",
    "text_of",
]

Record = TypeVar("Record", bound=BaseModel)

_LONGEST_CELL = 1 << 30


class Row(NamedTuple):
    """One record of a file.

    Attributes:
        where: file and line (of JSON lines, CSV and TSV) or file and record, for messages.
        number: that line, or the record's place from 1.
        content: the record, or why it cannot be read.
    """

    where: str
    number: int
    content: dict[str, Any] | ValueError

    @property
    def fields(self) -> dict[str, Any]:
        """The record.

        Raises:
            ValueError: it cannot be read; the message says why, not where.
        """
        if isinstance(self.content, ValueError):
            raise self.content
        return self.content

    def read_as(self, schema: type[Record]) -> Record:
        """The record as a pydantic object; fields that ``schema`` does not declare are ignored, if it ignores them.

        Raises:
            ValueError: it cannot be read, or does not fit; the message names the field, and the nearest one
                that the row does have.
        """
        try:
            return schema.model_validate(self.fields)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]) if first["loc"] else ""
            if first["type"] == "missing" and len(first["loc"]) == 1:
                raise ValueError(f"there is no field '{name}'{nearest(name, self.fields)}") from None
            raise ValueError(explain(error)) from None


def explain(error: ValueError) -> str:
    """Why a record cannot be used, in one line."""
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    return f"{place}: {reason}" if place else reason


def text_of(value: object, field: str) -> str:
    """A cell as text: numbers and booleans as JSON writes them.

    Raises:
        ValueError: it is blank, missing, or neither text, number nor boolean.
    """
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    elif isinstance(value, int | float):
        text = str(value)
    elif value is None:
        text = ""
    else:
        raise ValueError(f"field '{field}' holds a {type(value).__name__} where a text belongs")
    if not text.strip():
        raise ValueError(f"field '{field}' is blank")
    return text


def row_problems(row: Row) -> AbstractContextManager[None]:
    """Turn a ``ValueError`` about a row into the one line for the user.

    Raises:
        UsageError: the body raised ``ValueError`` (pydantic's errors are ones).
    """
    return _RowProblems(row)


class _RowProblems(AbstractContextManager[None]):
    """A class, because `contextmanager` takes three times as long and a table has many rows."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ValueError):
            raise UsageError(f"{self._row.where}: {explain(error)}") from None


@contextmanager
def _file_problems(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text ({error.reason})") from None


def read_rows(path: Path) -> Iterator[Row]:
    """Read a file by its suffix: ``.jsonl``, ``.json``, ``.csv``, ``.tsv`` or ``.parquet``.

    Raises:
        UsageError: the suffix is another one, or the file as a whole cannot be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: what kind of file is it? The name of one that can be read ends in {_SUFFIXES}")
    return reader(path)


def read_jsonl(path: Path) -> Iterator[Row]:
    """Read one JSON object a line; blank lines are left out."""
    name = str(path)
    with _file_problems(path), path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.isspace():
                yield Row(f"{name}:{number}", number, _object_in(line))


def read_json(path: Path) -> Iterator[Row]:
    """Read a JSON list of objects."""
    with _file_problems(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        records = parsed(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not valid JSON: {error.msg} at column {error.colno}") from None
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    if not isinstance(records, list):
        raise UsageError(f"{path}: a JSON file of rows holds one list of objects")
    for number, record in enumerate(records, start=1):
        yield Row(f"{path}: record {number}", number, _object(record))


def read_csv(path: Path, separator: str = ",", columns: Sequence[str] = ()) -> Iterator[Row]:
    """Read separated values; every cell is text. ``columns`` names them where the file's first line does not."""
    csv.field_size_limit(_LONGEST_CELL)  # the module's own limit cuts off stories
    with _file_problems(path), path.open(encoding="utf-8-sig", newline="") as lines:
        table = csv.reader(lines, delimiter=separator, strict=True)
        names, begins = list(columns), 1
        while True:
            try:
                cells = next(table, None)
            except csv.Error as error:
                # Where a quote is never closed, everything after it is one cell: there is no next row to go on with.
                raise UsageError(f"{path}:{begins}: not valid {separator!r}-separated values: {error}") from None
            if cells is None:
                return
            if cells and not names:
                names = _column_names(path, cells)
            elif cells:
                yield Row(f"{path}:{begins}", begins, _cells(names, cells))
            begins = table.line_num + 1


def read_tsv(path: Path) -> Iterator[Row]:
    """Read tab-separated values under one line of column names; every cell is text."""
    return read_csv(path, "\t")


def read_parquet(path: Path) -> Iterator[Row]:
    """Read a Parquet file; lists and structs stay what they are."""
    import pyarrow
    import pyarrow.parquet

    number = 0
    with _file_problems(path):
        try:
            with pyarrow.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    for record in batch.to_pylist():
                        number += 1
                        yield Row(f"{path}: record {number}", number, record)
        except pyarrow.ArrowInvalid as error:
            raise UsageError(f"{path}: is not a Parquet file that can be read: {explain(error)}") from None


READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
}
"""How a file is read, by the end of its name."""

_SUFFIXES = ", ".join(READERS)


def only(field: str, wanted: Collection[str], rows: Iterable[Row]) -> Iterator[Row]:
    """The rows whose field holds one of the words wanted, and those that cannot be read; all if none is wanted.

    Raises:
        UsageError: no row holds one of the words.
    """
    seen: set[str] = set()
    for row in rows:
        if isinstance(row.content, dict):
            word = str(row.content.get(field, ""))
            seen.add(word)
            if wanted and word not in wanted:
                continue
        yield row
    for word in wanted:
        if word not in seen:
            raise UsageError(f"there are no questions of the {field.lower()} '{word}'{nearest(word, seen)}")


def _object_in(line: str) -> dict[str, Any] | ValueError:
    try:
        return _object(parsed(line))
    except json.JSONDecodeError as error:
        breaks_off = line.strip()[:1] in ("[", "{") and error.pos >= len(line.rstrip())
        cure = "; a line holds one whole object, so JSON that goes over several lines cannot be read"
        return ValueError(f"not valid JSON: {error.msg} at column {error.colno}{cure if breaks_off else ''}")
    except ValueError as error:
        return error


def _object(record: object) -> dict[str, Any] | ValueError:
    return record if isinstance(record, dict) else ValueError("a row is a JSON object")


def _column_names(path: Path, cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{path}:1: two columns are called '{twice}'")
    return names


def _cells(names: list[str], cells: list[str]) -> dict[str, Any] | ValueError:
    if len(cells) != len(names):
        return ValueError(f"has {len(cells)} cells, but there are {len(names)} columns")
    return dict(zip(names, cells, strict=True))
