"""``oversight sql``: one read-only query on the store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from oversight.cli.output import Format, print_frame
from oversight.errors import UsageError

__all__ = ["sql"]


def sql(
    query: Annotated[str, typer.Argument(metavar="SELECT", help="One read-only query.")],
    store: Annotated[Path, typer.Option(envvar="OVERSIGHT_STORE", help="The store's directory.")] = Path(
        "oversight-store"
    ),
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """Run one read-only query on the store, also while a run is writing it."""
    from oversight.store import open_store

    found = open_store(store).arrow(query)
    try:
        rows = [tuple(row.values()) for row in found.to_pylist()]
    except (OverflowError, ValueError) as error:
        # DuckDB's calendar is longer than Python's, and knows an infinite date.
        told = " ".join(str(error).split())
        raise UsageError(f"a value cannot be shown ({told}): write CAST(column AS VARCHAR) in the query") from None
    print_frame(found.column_names, rows, form)
