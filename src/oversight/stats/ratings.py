"""Rate debaters by who beat whom: Bradley-Terry ratings on Elo's scale.

A player rated R beats one rated Q with probability 1 / (1 + 10^((Q - R) / 400)), so that log-odds are ln(10) / 400 for
each point. Ratings are found by maximum likelihood (Bradley and Terry 1952), not by Elo's updates, which depend on the
order of the games; Khan et al. (2024) minimise squared error instead. Only differences mean anything: the mean is 1000.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import expit, log_expit

from oversight.stats.estimate import Estimate
from oversight.stats.intervals import Floats, Places, percentiles, places

__all__ = ["MEAN", "SCALE", "Ratings", "debates", "rate", "win_probability"]

SCALE = 400 / np.log(10)
"""Elo points for each unit of natural log-odds."""
MEAN = 1000.0

_CLOSE = 1e-9
"""Newton's method stops where no rating moves by more log-odds."""
_ITERATIONS = 100
_HALVINGS = 40
_AT_ONCE = 4_000_000
"""How many numbers the Hessians hold that are in memory at a time."""


class Ratings(NamedTuple):
    """What `rate` found.

    Attributes:
        ratings: each player's, with its interval; ``n`` counts its games.
        deviance: -2 ln likelihood of the games.
        method: how it was found, with the prior.
    """

    ratings: dict[str, Estimate]
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

    Games are summed to wins by pair of players and, for the bootstrap, by cluster, so that a draw costs as much as
    there are pairs, however many games were played. A game of a player with itself has no bearing on the ratings.

    Args:
        games: ``won`` is 1 if ``one`` won, 0 if ``other``, 0.5 for a draw.
        prior: draws that each player is taken to have had against an average one, besides its games. 0 is plain
            maximum likelihood; more pulls ratings together, and makes them finite where a player won everything.
        bootstrap: resample clusters of games, or draw every game from the fitted model (Engels et al. 2025). Draws
            without finite ratings are left out; with more of them than fit into a tail of the interval there is none.
        times: how many draws; with none there are no intervals.
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
    table = _Pairs.of(pairs, len(names))
    wins = table.wins(won, np.zeros(len(won), dtype=np.intp)).toarray()
    if not prior and (groups := _groups(table, wins[0])) is not None:
        raise ValueError(_apart(names.tolist(), groups))
    theta = _fitted(table, wins, prior)
    if bootstrap == "parametric":
        drawn = _parametric(table, pairs, theta[0], times, seed)
    else:
        drawn = _clustered(table.wins(won, places(games["cluster"].tolist())), times, seed)
    rated = [prior > 0 or _groups(table, each) is None for each in drawn]
    draws = _elo(_fitted(table, drawn[rated], prior))
    unrated = 1 - sum(rated) / len(rated) if rated else 0.0
    played = np.bincount(pairs.ravel(), minlength=len(names))
    clusters = games["cluster"].astype(str).nunique() if bootstrap == "cluster" else len(games)
    found = {}
    for at, (name, value) in enumerate(zip(names.tolist(), _elo(theta)[0].tolist(), strict=True)):
        low, high, method = _interval(draws[:, at], unrated, clusters, bootstrap)
        found[str(name)] = Estimate(value=value, n=int(played[at]), low=low, high=high, interval=method)
    kind = f"maximum likelihood, {prior:g} draws of each with an average player" if prior else "maximum likelihood"
    return Ratings(found, 2 * float(_loss(table, wins, theta, 0.0)[0]), kind)


class _Pairs(NamedTuple):
    """The pairs of players that met.

    Attributes:
        one, other: the two players of each pair, by number.
        of_game: the pair of each game.
        swapped: whether the game's first player is the pair's second.
        players: how many players there are.
    """

    one: Places
    other: Places
    of_game: Places
    swapped: np.ndarray[tuple[int], np.dtype[np.bool_]]
    players: int

    @classmethod
    def of(cls, pairs: Places, players: int) -> _Pairs:
        """Number the pairs of the games' players, in whichever order these play."""
        swapped = pairs[:, 0] > pairs[:, 1]
        met, of_game = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
        return cls(met[:, 0], met[:, 1], of_game.reshape(-1).astype(np.intp), swapped, players)

    def wins(self, won: Floats, rows: Places) -> csr_array[np.float64]:
        """Sum games: a row for each of ``rows``, the wins of each pair's one, then those of its other."""
        won = np.where(self.swapped, 1 - won, won)
        count = len(self.one)
        values = np.concatenate([won, 1 - won])
        columns = np.concatenate([self.of_game, self.of_game + count])
        summed = coo_array(
            (values, (np.concatenate([rows, rows]), columns)), shape=(int(rows.max()) + 1, 2 * count)
        ).tocsr()
        return csr_array(summed)


def _fitted(pairs: _Pairs, wins: Floats, prior: float) -> Floats:
    """Return the ratings of many sets of games, in log-odds with mean 0, by Newton's method on all at once.

    Args:
        pairs: who met whom.
        wins: one row for each set of games, as `_Pairs.wins` makes them; each must have finite ratings.
        prior: draws of each player with an average one.
    """
    theta = np.zeros((len(wins), pairs.players))
    for start in range(0, len(wins), max(1, _AT_ONCE // pairs.players**2)):
        part = slice(start, start + max(1, _AT_ONCE // pairs.players**2))
        theta[part] = _newton(pairs, wins[part], prior)
    found: Floats = theta - theta.mean(axis=1, keepdims=True)
    return found


def _newton(pairs: _Pairs, wins: Floats, prior: float) -> Floats:
    theta = np.zeros((len(wins), pairs.players))
    moving = np.arange(len(wins))
    loss = _loss(pairs, wins, theta, prior)
    for _ in range(_ITERATIONS):
        step = _step(pairs, wins[moving], theta[moving], prior)
        length = np.ones(len(moving))
        for _ in range(_HALVINGS):
            tried = theta[moving] + length[:, None] * step
            reached = _loss(pairs, wins[moving], tried, prior)
            worse = reached > loss[moving] * (1 + 1e-12)
            if not worse.any():
                break
            length[worse] /= 2
        theta[moving], loss[moving] = tried, reached
        moving = moving[np.abs(step).max(axis=1) > _CLOSE]
        if not len(moving):
            break
    return theta


def _loss(pairs: _Pairs, wins: Floats, theta: Floats, prior: float) -> Floats:
    """Return minus the log-likelihood of each set of games, less that of the prior's draws."""
    gap = theta[:, pairs.one] - theta[:, pairs.other]
    one, other = np.split(wins, 2, axis=1)
    value = -(one * log_expit(gap) + other * log_expit(-gap)).sum(axis=1)
    # A draw with an average player is half a win and half a loss against rating 0.
    found: Floats = value - prior / 2 * (log_expit(theta) + log_expit(-theta)).sum(axis=1)
    return found


def _step(pairs: _Pairs, wins: Floats, theta: Floats, prior: float) -> Floats:
    """Return Newton's step for each set of games."""
    at, count = np.arange(pairs.players), len(pairs.one)
    chance = expit(theta[:, pairs.one] - theta[:, pairs.other])
    games = (wins[:, :count] + wins[:, count:]) * (pairs.one != pairs.other)
    slope = wins[:, count:] * chance - wins[:, :count] * (1 - chance)
    bend = games * chance * (1 - chance)
    hessian = np.zeros((len(wins), pairs.players, pairs.players))
    hessian[:, pairs.one, pairs.other] = hessian[:, pairs.other, pairs.one] = -bend
    half = expit(theta)
    hessian[:, at, at] = prior * half * (1 - half) - hessian.sum(axis=2)
    if not prior:
        # Only differences of ratings have a likelihood: this keeps their mean, and makes the matrix regular.
        hessian += np.maximum(games.sum(axis=1), 1)[:, None, None] / pairs.players**2
    signed = np.zeros((count, pairs.players))
    signed[np.arange(count), pairs.one] += 1
    signed[np.arange(count), pairs.other] -= 1
    gradient = slope @ signed + prior * (half - 1 / 2)
    found: Floats = -np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
    return found


def _elo(theta: Floats) -> Floats:
    return np.asarray(theta * SCALE + MEAN)


def _clustered(by_cluster: csr_array[np.float64], times: int, seed: int) -> Floats:
    """Return the wins of data sets in which whole clusters were drawn with replacement."""
    clusters = by_cluster.shape[0]
    drawn = np.random.default_rng(seed).integers(0, clusters, (times, clusters))
    often = np.zeros((times, clusters))
    np.add.at(often, (np.arange(times)[:, None], drawn), 1)
    return np.asarray(often @ by_cluster, dtype=np.float64)


def _parametric(pairs: _Pairs, games: Places, theta: Floats, times: int, seed: int) -> Floats:
    """Return the wins of data sets in which every game was drawn from the fitted model."""
    rng, chance = np.random.default_rng(seed), expit(theta[games[:, 0]] - theta[games[:, 1]])
    row = np.zeros(len(games), dtype=np.intp)
    drawn = np.zeros((times, 2 * len(pairs.one)))
    for each in drawn:
        each[:] = pairs.wins((rng.random(len(games)) < chance).astype(float), row).toarray()[0]
    return drawn


_MOST_UNRATED = 0.025
"""With more draws than this without finite ratings, a bound of the interval is not finite either."""


def _interval(draws: Floats, unrated: float, clusters: int, bootstrap: str) -> tuple[float | None, float | None, str]:
    if clusters == 1:
        return None, None, "none: one cluster" if bootstrap == "cluster" else "none: one game"
    if not len(draws) or unrated > _MOST_UNRATED:
        return None, None, f"none: {unrated:.0%} of the draws have no finite ratings" if unrated else "none: no draws"
    low, high, method = percentiles(draws, clusters)
    return low, high, method if bootstrap == "cluster" else f"parametric bootstrap, {clusters} games"


def _groups(pairs: _Pairs, wins: Floats) -> tuple[bool, Places] | None:
    """Find players that cannot be compared: whether they never met, and the group of each; None if all can."""
    one, other = np.split(wins > 0, 2)
    won = np.concatenate([pairs.one[one], pairs.other[other]])
    lost = np.concatenate([pairs.other[one], pairs.one[other]])
    graph = coo_array((np.ones(len(won)), (won, lost)), shape=(pairs.players, pairs.players))
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
