"""Printing: tables for people, JSON, CSV and Markdown for programs. Nothing printed here is trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

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

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class Format(StrEnum):
    """How to print a table."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"
    MARKDOWN = "markdown"


def plain(value: object) -> Text:
    """A value as text that cannot steer the terminal: control and direction characters become visible marks."""
    return Text(_CONTROL.sub("\N{REPLACEMENT CHARACTER}", "" if value is None else str(value)))


def ranged(value: float | None, low: float | None, high: float | None, form: str = ".3f") -> str:
    """A number with its interval, as tables have it: nothing where there is none, alone where it has no interval."""
    if value is None:
        return ""
    return f"{value:{form}}" if low is None or high is None else f"{value:{form}} [{low:{form}}, {high:{form}}]"


def print_frame(columns: Sequence[str], rows: Sequence[Sequence[Any]], form: Format, title: str = "") -> None:
    """Print rows in one of the formats; numbers keep their type in JSON."""
    if form is Format.JSON:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], indent=2, default=str))
    elif form is Format.CSV:
        print(pd.DataFrame(list(rows), columns=list(columns)).to_csv(index=False), end="")
    elif form is Format.MARKDOWN:
        print("| " + " | ".join(columns) + " |")
        print("|" + "---|" * len(columns))
        for row in rows:
            print("| " + " | ".join(plain(cell).plain.replace("|", "\\|").replace("\n", " ") for cell in row) + " |")
    else:
        if title:
            out.print(plain(title))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(columns):
            numeric = bool(rows) and all(isinstance(row[number], int | float) or row[number] is None for row in rows)
            table.add_column(plain(column), justify="right" if numeric else "left")
        for row in rows:
            table.add_row(*(plain(cell) for cell in row))
        out.print(table)
