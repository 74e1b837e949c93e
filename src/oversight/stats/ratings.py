"""How strong debaters are, from who beat whom: Bradley-Terry ratings on Elo's scale.

A player rated R beats one rated Q with probability 1 / (1 + 10^((Q - R) / 400)), so that log-odds are ln(10) / 400 for
each point. Ratings are found by maximum likelihood (Bradley and Terry 1952), not by Elo's updates, which depend on the
order of the games; Khan et al. (2024) minimise squared error instead. Only differences mean anything: the mean is 1000.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_expit

from oversight.stats.intervals import Floats, Places, percentiles, resampled
from oversight.stats.measured import Measured

__all__ = ["MEAN", "SCALE", "Ratings", "debates", "rate", "win_probability"]

SCALE = 400 / np.log(10)
"""Elo points for each unit of natural log-odds."""
MEAN = 1000.0


class Ratings(NamedTuple):
    """What `rate` found.

    Attributes:
        ratings: each player's, with its interval; ``n`` counts its games.
        deviance: -2 ln likelihood of the games.
        method: how it was found, with the prior.
    """

    ratings: dict[str, Measured]
    deviance: float
    method: str


def win_probability(one: float, other: float) -> float:
    """How likely a player rated ``one`` is to beat one rated ``other``."""
    return float(expit((one - other) / SCALE))


def debates(verdicts: pd.DataFrame, *, sided: bool = True) -> pd.DataFrame:
    """The games in the counting verdicts in which two seats argue, one of them for the right answer.

    The seat with the higher probability for its answer wins; equal ones make a draw, half a win for each.

    Args:
        verdicts: the verdicts table.
        sided: rate each model twice, as ``NAME (right)`` and ``NAME (wrong)``: how well it argues for what is right
            and for what is wrong (Khan et al. 2024). All games are then between the two kinds (Engels et al. 2025).

    Returns:
        One row a game: one, other (the players), won (1, 0 or 0.5 for ``one``), question, cluster.
    """
    held = verdicts[verdicts["counts"] & (verdicts["argues"].map(len) == 2)]  # noqa: PLR2004 - two sides
    rows = []
    columns = ["argues", "models", "probs", "gold", "question", "cluster"]
    for argues, models, probs, gold, question, cluster in held[columns].itertuples(index=False, name=None):
        if None in argues or gold not in argues or argues[0] == argues[1] or None in models:
            continue
        right = 0 if argues[0] == gold else 1
        own, against = probs[argues[right]], probs[argues[1 - right]]
        names = (models[right], models[1 - right])
        if sided:
            names = (f"{names[0]} (right)", f"{names[1]} (wrong)")
        rows.append((*names, 0.5 if own == against else float(own > against), question, cluster))
    return pd.DataFrame(rows, columns=["one", "other", "won", "question", "cluster"])


def rate(
    games: pd.DataFrame,
    *,
    prior: float = 0.0,
    bootstrap: Literal["cluster", "parametric"] = "cluster",
    times: int = 500,
    seed: int = 0,
) -> Ratings:
    """Rate the players of games with the columns one, other, won and, for the cluster bootstrap, cluster.

    Args:
        games: ``won`` is 1 if ``one`` won, 0 if ``other``, 0.5 for a draw.
        prior: draws that each player is taken to have had against an average one, besides its games. 0 is plain
            maximum likelihood; more pulls ratings together, and makes them finite where somebody won everything.
        bootstrap: draw clusters of games anew, or games anew from the fitted model (Engels et al. 2025). Draws in
            which the ratings are not defined are left out.
        times: how many draws.
        seed: of the draws.

    Raises:
        ValueError: there is no game, or no finite ratings exist: the players fall into groups that never met, or of
            which one never lost to the other (Ford 1957). The message names them; rate each group by itself, or set
            ``prior``.
    """
    if games.empty:
        raise ValueError("there is no game to rate: no verdict counts in which two seats argue, one of them rightly")
    names, codes = np.unique(games[["one", "other"]].to_numpy(str), return_inverse=True)
    pairs, won = codes.reshape(-1, 2).astype(np.intp), games["won"].to_numpy(np.float64)
    if not prior and (groups := _groups(pairs, won, len(names))) is not None:
        raise ValueError(_apart(names.tolist(), groups))
    found, loss = _fitted(pairs, won, len(names), prior)
    drawn = _drawn(games, pairs, won, found, prior, bootstrap, times, seed)
    played = np.bincount(pairs.ravel(), minlength=len(names))
    clusters = len(set(games["cluster"].astype(str))) if bootstrap == "cluster" else len(games)
    rated = {}
    for at, name in enumerate(names.tolist()):
        low = high = None
        method = "none: no draw could be rated"
        if clusters == 1:
            method = "none: one cluster" if bootstrap == "cluster" else "none: one game"
        elif len(drawn):
            low, high, method = percentiles(drawn[:, at], clusters)
            method = method if bootstrap == "cluster" else f"parametric bootstrap, {len(games)} games"
        rated[str(name)] = Measured(value=float(found[at]), n=int(played[at]), low=low, high=high, interval=method)
    kind = f"maximum likelihood, {prior:g} draws of each with an average player" if prior else "maximum likelihood"
    return Ratings(rated, 2 * loss, kind)


def _fitted(pairs: Places, won: Floats, players: int, prior: float) -> tuple[Floats, float]:
    """Ratings, and minus the log-likelihood of the games at them."""

    def loss(theta: Floats) -> tuple[float, Floats]:
        gap = theta[pairs[:, 0]] - theta[pairs[:, 1]]
        value = -(won * log_expit(gap) + (1 - won) * log_expit(-gap)).sum()
        slope = expit(gap) - won
        gradient = np.bincount(pairs[:, 0], slope, players) - np.bincount(pairs[:, 1], slope, players)
        # A draw with an average player is half a win and half a loss against rating 0.
        value -= prior / 2 * (log_expit(theta) + log_expit(-theta)).sum()
        return float(value), gradient + prior * (expit(theta) - 1 / 2)

    found = minimize(loss, np.zeros(players), jac=True, method="BFGS", options={"gtol": 1e-8 * max(len(won), 1)})
    theta = found.x - found.x.mean()
    gap = theta[pairs[:, 0]] - theta[pairs[:, 1]]
    plain = -(won * log_expit(gap) + (1 - won) * log_expit(-gap)).sum()
    return theta * SCALE + MEAN, float(plain)


def _drawn(
    games: pd.DataFrame,
    pairs: Places,
    won: Floats,
    found: Floats,
    prior: float,
    bootstrap: str,
    times: int,
    seed: int,
) -> Floats:
    """The ratings of data sets drawn anew, those left out for which there are none."""
    rows = []
    if bootstrap == "parametric":
        rng = np.random.default_rng(seed)
        chance = expit((found[pairs[:, 0]] - found[pairs[:, 1]]) / SCALE)
        sets = ((pairs, (rng.random(len(won)) < chance).astype(float)) for _ in range(times))
    else:
        sets = ((pairs[rows], won[rows]) for rows in resampled(games["cluster"].tolist(), times, seed))
    for again, outcome in sets:
        if prior or _groups(again, outcome, len(found)) is None:
            rows.append(_fitted(again, outcome, len(found), prior)[0])
    return np.array(rows)


def _groups(pairs: Places, won: Floats, players: int) -> tuple[bool, Places] | None:
    """Players that cannot be compared: whether they never met, and the group of each; None if all can."""
    wins = np.concatenate([pairs[won > 0], pairs[won < 1][:, ::-1]])
    graph = coo_array((np.ones(len(wins)), (wins[:, 0], wins[:, 1])), shape=(players, players))
    for connection in ("weak", "strong"):
        count, group = connected_components(graph, directed=True, connection=connection)
        if count > 1:
            return connection == "weak", group
    return None


def _apart(names: list[str], found: tuple[bool, Places]) -> str:
    never_met, group = found
    named = [[name for name, own in zip(names, group, strict=True) if own == each] for each in range(group.max() + 1)]
    parts = "; ".join(", ".join(each) for each in named)
    why = "never met each other" if never_met else "are parted by games that went one way only"
    return f"no finite ratings: these groups {why}: {parts}. Rate each by itself, or set prior"
