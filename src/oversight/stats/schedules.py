"""Who meets whom in a tournament of debaters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["round_robin", "swiss"]

_BYE = None


def round_robin(players: Sequence[str]) -> list[list[tuple[str, str]]]:
    """Rounds in which all players meet once, none twice in one round (the circle method).

    With an odd number one player sits out each round. There are n - 1 rounds for even n, and n for odd n.
    """
    circle: list[str | None] = [*players, *([_BYE] if len(players) % 2 else [])]
    rounds = []
    for turn in range(max(len(circle) - 1, 0)):
        half = len(circle) // 2
        pairs = zip(circle[:half], reversed(circle[half:]), strict=True)
        # Who stays in place would otherwise always come first.
        sided = [pair if turn % 2 else pair[::-1] for pair in pairs]
        rounds.append([(one, other) for one, other in sided if one is not None and other is not None])
        circle = [circle[0], circle[-1], *circle[1:-1]]
    return rounds


def swiss(
    scores: Mapping[str, float], played: Sequence[tuple[str, str]] = (), rested: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """The next round's pairs: players of nearly equal score who have not met (Khan et al. 2024, appendix).

    From the top, each is paired with the nearest below it whom it has not met, going back where that leaves
    one player without an opponent; about log2 n rounds rank n players.

    Args:
        scores: each player's points so far; equal scores keep this order.
        played: pairs that have met.
        rested: who sat out before. With an odd number of players the last of the others sits out.

    Raises:
        ValueError: everybody left has met: the tournament is over.
    """
    ranked = sorted(scores, key=lambda player: -scores[player])
    met = {frozenset(pair) for pair in played}
    resting: Sequence[str | None] = [None]
    if len(ranked) % 2:
        resting = [player for player in reversed(ranked) if player not in set(rested)] or ranked[::-1]
    for rests in resting:
        found = _pairs([player for player in ranked if player != rests], met)
        if found is not None:
            return found
    raise ValueError(f"no round is left in which all of {len(ranked)} players have a new opponent")


def _pairs(ranked: list[str], met: set[frozenset[str]]) -> list[tuple[str, str]] | None:
    if not ranked:
        return []
    top, rest = ranked[0], ranked[1:]
    for place, other in enumerate(rest):
        if frozenset((top, other)) not in met:
            found = _pairs(rest[:place] + rest[place + 1 :], met)
            if found is not None:
                return [(top, other), *found]
    return None
