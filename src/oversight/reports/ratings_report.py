"""Ratings of the debaters of a store's runs, with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.errors import UsageError
from oversight.plugins import nearest
from oversight.reports.verdicts import verdicts
from oversight.stats.ratings import Ratings, debates, rate
from oversight.stats.verdict_columns import counting
from oversight.store import Store

__all__ = ["BY", "RatingRow", "ratings"]

BY = ("arm", "task", "protocol", "options", "judge", "strong")
"""Columns of the verdicts table by which ratings can be grouped within a run."""

Side = Literal["right", "wrong"]
_SIDES: tuple[Side, ...] = ("right", "wrong")


class RatingRow(BaseModel):
    """The rating of one player, or why it has none.

    Attributes:
        run: whose games these are.
        group: the value of each column that splits the run's games further; players are compared within a group only.
        player: the model; None in the one row of a group without any game.
        side: whether it is rated as it argues for the right answer or for a wrong one; None where sides are not told
            apart.
        rating: in Elo points; the mean over a group's players is 1000, so that only differences mean anything.
        n: its games.
        low, high, interval: the 95 % interval of the rating and its method; no bounds where there is no interval.
        method: how ratings were found, with the prior; empty where there are none.
        problem: why the group's games admit no finite ratings; None where they do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    group: dict[str, str]
    player: str | None
    side: Side | None
    rating: float | None
    n: int
    low: float | None
    high: float | None
    interval: str
    method: str
    problem: str | None


def ratings(
    store: Store,
    runs: Sequence[str] = (),
    *,
    sided: bool = True,
    prior: float = 0.0,
    by: Sequence[str] = (),
    times: int = 500,
) -> list[RatingRow]:
    """Return Bradley-Terry ratings of the models that debated, run by run, the strongest of each side first.

    Intervals resample clusters of questions (`oversight.stats.ratings.rate`).

    Args:
        store: holds the runs.
        runs: by id; by default all.
        sided: rate each model twice, as it argues for the right answer and for a wrong one (Khan et al. 2024).
        prior: draws that each player is taken to have had against an average one; see `rate`.
        by: columns of `BY` that split a run's games, each part rated by itself.
        times: how many draws the intervals rest on.

    Raises:
        UsageError: ``by`` names no such column, or ``prior`` is negative.
    """
    for column in by:
        if column not in BY:
            raise UsageError(f"ratings by {column}: no such column{nearest(column, BY)}; columns: {', '.join(BY)}")
    if prior < 0:
        raise UsageError(f"the prior is a number of draws, not {prior:g}")
    found: list[RatingRow] = []
    keys = ["run", *by]
    table = verdicts(store, runs)
    table[keys] = table[keys].fillna("")
    for values, part in table.groupby(keys, sort=True):
        run, *group = (str(value) for value in values)
        found += _rows(run, dict(zip(by, group, strict=True)), part, sided, prior, times)
    return found


def _rows(
    run: str, group: dict[str, str], part: pd.DataFrame, sided: bool, prior: float, times: int
) -> list[RatingRow]:
    games = debates(part, sided=sided)
    if games.empty:
        return [_row(run, group, None, None, 0, problem=_no_game(part))]
    try:
        rated = rate(games, prior=prior, times=times)
    except ValueError as error:
        played = pd.concat([games["one"], games["other"]]).value_counts().sort_index()
        return [_row(run, group, str(name), None, int(n), problem=str(error)) for name, n in played.items()]
    rows = [_row(run, group, name, rated, measured.n) for name, measured in rated.ratings.items()]
    return sorted(rows, key=lambda row: (_SIDES.index(row.side) if row.side else 0, -(row.rating or 0.0)))


def _row(
    run: str, group: dict[str, str], name: str | None, rated: Ratings | None, n: int, problem: str | None = None
) -> RatingRow:
    side = next((each for each in _SIDES if name and name.endswith(f" ({each})")), None)
    measured = rated.ratings[name] if rated and name else None
    return RatingRow(
        run=run,
        group=group,
        player=name.removesuffix(f" ({side})") if name else None,
        side=side,
        rating=measured and measured.value,
        n=n,
        low=measured and measured.low,
        high=measured and measured.high,
        interval=measured.interval if measured else "none: no rating",
        method=rated.method if rated else "",
        problem=problem,
    )


def _no_game(part: pd.DataFrame) -> str:
    """Say why none of the verdicts is a game."""
    two = counting(part)
    two = two[two["argues"].map(len) == 2]  # noqa: PLR2004 - two sides
    if two.empty:
        return "no game: no verdict counts in which two seats argue"
    unknown = sum(None in models for models in two["models"])
    if unknown:
        return (
            f"no game: {unknown} of {len(two)} two-sided verdicts lack the model of a seat; "
            "imported transcripts need a call for each seat that argues"
        )
    return "no game: in no two-sided verdict do the seats argue for the right answer and for a wrong one"
