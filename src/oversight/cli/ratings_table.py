"""Printing ``oversight report --ratings``: how strong each debater is, by the side it argues for."""

from __future__ import annotations

from collections.abc import Sequence

from oversight.cli.output import Format, out, plain, print_frame
from oversight.reports.ratings_report import RatingRow

__all__ = ["print_ratings"]

_TITLE = "Bradley-Terry ratings in Elo points; the mean over the players of a run and group is 1000"


def print_ratings(rows: Sequence[RatingRow], form: Format) -> None:
    """Print a row for each rated player: JSON and CSV with every field, tables with a rating and its interval.

    For people the reasons why players have no rating follow the table, with the methods of the intervals.
    """
    groups = list(dict.fromkeys(name for row in rows for name in row.group))
    if form in (Format.JSON, Format.CSV):
        fields = [name for name in RatingRow.model_fields if name != "group"]
        cells = [[getattr(row, name) for name in fields] + [row.group.get(name) for name in groups] for row in rows]
        print_frame([*fields, *groups], cells, form)
        return
    sided = any(row.side for row in rows)
    columns = ["run", *groups, "player", *(["argues for"] if sided else []), "games", "rating [95 %]"]
    rated = [_cells(row, groups, sided) for row in rows if row.player]
    if rated or form is not Format.TABLE:
        print_frame(columns, rated, form, _TITLE)
    if form is Format.TABLE:
        for note in _notes(rows):
            out.print(plain(note))


def _cells(row: RatingRow, groups: Sequence[str], sided: bool) -> list[object]:
    side = {"right": "the right answer", "wrong": "a wrong answer", None: ""}[row.side]
    text = "" if row.rating is None else f"{row.rating:.0f}"
    if row.low is not None and row.high is not None:
        text += f" [{row.low:.0f}, {row.high:.0f}]"
    return [row.run, *(row.group.get(name, "") for name in groups), row.player, *([side] if sided else []), row.n, text]


def _notes(rows: Sequence[RatingRow]) -> list[str]:
    """Say what the ratings rest on, and why there are none where there are none."""
    rated = [row for row in rows if row.rating is not None]
    notes = []
    if rated:
        methods = "; ".join(dict.fromkeys(row.method for row in rated))
        intervals = "; ".join(dict.fromkeys(row.interval for row in rated))
        notes.append(f"Ratings: {methods}. Intervals: {intervals}.")
    problems = dict.fromkeys((" / ".join((row.run, *row.group.values())), row.problem) for row in rows if row.problem)
    return notes + [f"{where}: {problem}." for where, problem in problems]
