"""``oversight models``: models that run here, their weights, and fetching them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from oversight.cli.output import Format, err, out, plain, print_frame
from oversight.errors import UsageError
from oversight.models.base import ChatModel
from oversight.models.embedded import KNOWN_WEIGHTS, fetch
from oversight.models.embedded.weights import OnProgress
from oversight.registry import find_plugin, installed

__all__ = ["models"]

models = typer.Typer(help="Models that run here, without a key.", rich_markup_mode=None)


@models.callback(invoke_without_command=True)
def list_models(context: typer.Context) -> None:
    """List the models that run here, and whether their weights are on this machine."""
    if context.invoked_subcommand is None:
        points = installed(ChatModel)
        rows = [(f"embedded/{name}", _standing(name), _about(point)) for name, point in points.items()]
        print_frame(["model", "weights", "what it does"], rows, Format.TABLE)


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


def _about(point: EntryPoint) -> str:
    try:
        model = find_plugin(ChatModel, point.name).load(ChatModel)
    except UsageError as error:  # a plugin that cannot be imported is listed, and says why
        return str(error)
    return (inspect.getdoc(model) or "").partition("\n")[0]


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """Show a bar on stderr for each thing that is being done, where that is a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal) as bars:
        tasks = {what: bars.add_task(what, total=None, visible=False) for what in ("downloading", "unpacking")}

        def report(what: str, done: int, total: int) -> None:
            bars.update(tasks[what], completed=done, total=total, visible=True)

        yield report
