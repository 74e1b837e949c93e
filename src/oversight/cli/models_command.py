"""``oversight models``: models that run here, their weights, and fetching them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from oversight.cli.output import Format, err, out, plain, print_frame
from oversight.cli.plugins_command import complain_of, find_listed
from oversight.models.base import ChatModel
from oversight.models.embedded.language import KNOWN_WEIGHTS, fetch
from oversight.models.embedded.language.weights import OnProgress

__all__ = ["models"]

models = typer.Typer(help="Models that run here, without a key.", rich_markup_mode=None)


@models.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    form: Annotated[Format, typer.Option("--format", help="How to print it.")] = Format.TABLE,
) -> None:
    """List the models that run here, and whether their weights are on this machine."""
    if context.invoked_subcommand is None:
        listed = find_listed(ChatModel)
        columns = ["model", "weights", "what it does", "fault"]
        rows: list[tuple[str | None, ...]] = [
            (f"embedded/{each.name}", _standing(each.name), each.description, each.fault) for each in listed
        ]
        if form is Format.TABLE:
            columns.pop()
            rows = [(model, state, "(cannot be used)" if fault else about) for model, state, about, fault in rows]
        print_frame(columns, rows, form)
        complain_of(listed)


@models.command("fetch")
def fetch_weights(
    name: Annotated[str, typer.Argument(help=f"Whose weights: {', '.join(KNOWN_WEIGHTS)}.")],
) -> None:
    """Download a model's weights into the cache folder, checked against their hash; once is enough."""
    with _progress() as report:
        fetched = fetch(name.removeprefix("embedded/"), report)
    out.print(plain(f"{'already there' if fetched.was_there else 'fetched'}: {fetched.path}"), soft_wrap=True)


def _standing(name: str) -> str:
    weights = KNOWN_WEIGHTS.get(name)
    if weights is None:
        return ""
    return "here" if weights.path.is_file() else f"oversight models fetch {name}"


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Show a bar on stderr for each thing that is being done, where that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        tasks = {what: bars.add_task(what, total=None, visible=False) for what in ("downloading", "unpacking")}

        def report(what: str, done: int, total: int) -> None:
            bars.update(tasks[what], completed=done, total=total, visible=True)

        yield report
