"""Printing: tables for people, JSON, CSV and Markdown for programs. Nothing printed here is trusted."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from oversight.util.invisible import mark_invisible
from oversight.util.secrets import value_redactor

__all__ = ["Format", "err", "out", "plain", "print_frame", "ranged"]

_PIPE_WIDTH = 160


def _console(*, stderr: bool = False) -> Console:
    """As wide as the terminal; into a pipe or a file, wide enough for every table."""
    console = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


out = _console()
err = _console(stderr=True)


class Format(StrEnum):
    """How to print a table."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def plain(value: object) -> Text:
    """A value as text that cannot steer the terminal and holds no key: what a reader would not see becomes a mark."""
    return _shown(value, value_redactor())


def _shown(value: object, clean: Callable[[str], str]) -> Text:
    return Text(mark_invisible(clean("" if value is None else str(value))))


def ranged(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """A number with its interval, as tables have it: nothing where there is none, alone where it has no interval."""
    if value is None:
        return ""
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def _strict(cell: Any) -> Any:
    """A value as JSON has it, which knows neither NaN nor infinity."""
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def print_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: Format, title: str = "") -> None:
    """Print rows in one of the formats; numbers keep their type in JSON."""
    clean = value_redactor()  # once for all cells: looking for keys in the environment takes its time
    if form is Format.JSON:
        cells = [{name: _strict(cell) for name, cell in zip(columns, row, strict=True)} for row in rows]
        print(json.dumps(cells, indent=2, default=str))
    elif form is Format.CSV:
        import pandas as pd  # takes longer than all the rest, and most commands need none

        print(pd.DataFrame(list(rows), columns=list(columns)).to_csv(index=False), end="")
    elif form is Format.MARKDOWN:
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for row in rows:
            print(
                "| "
                + " | ".join(_shown(cell, clean).plain.replace("|", "\\|").replace("\n", " ") for cell in row)
                + " |"
            )
    else:
        if title:
            out.print(plain(title))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[number], int | float) or row[number] is None for row in rows)
            table.add_column(plain(column), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(_shown(cell, clean) for cell in row))
        out.print(table)
