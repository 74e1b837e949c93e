"""Things that change hands: is the next swap taken, and does it lead from the last state to the one stated?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from oversight.models.embedded.steps.finding import Finding

__all__ = ["SwapProblem", "check_swaps", "game_of"]

_HOLDS = r"(?:has|gets|got|holds|is holding|is playing|is dancing with|plays|dances with|is with)"
_SWAPS = r"(?:swap|switch|trade|exchange)"
_HELD = re.compile(rf"\b([A-Z][a-z]+) {_HOLDS} (?:an? )?([^,.;:\n]{{1,80}}?)(?=,? and [A-Z][a-z]+ {_HOLDS}|[,.;:\n]|$)")
_SWAP = re.compile(rf"\b([A-Z][a-z]+) and ([A-Z][a-z]+) {_SWAPS}")
_OPTION = re.compile(r"^\(([A-Z])\)\s*(.+?)\.?\s*$", re.MULTILINE)
_ASKED = re.compile(rf"\b([A-Z][a-z]+) {_HOLDS}(?: the)?\s*\n+\s*Options", re.IGNORECASE)
_ANSWER = re.compile(r"\banswer is\s*\(?([A-Z])\b\)?")
_IDLE = frozenset({"a", "an", "the", "ball", "present", "gift", "book", "position", "of"})

State = Mapping[str, int]


class SwapProblem(NamedTuple):
    """What a problem of this family says: who holds what, who swaps with whom in order, and what is asked."""

    things: tuple[frozenset[str], ...]
    """The words of each thing, in the order in which they are named."""
    start: Mapping[str, int]
    swaps: tuple[frozenset[str], ...]
    asked: str | None
    options: Mapping[str, int | None]
    """The thing that each answer letter names."""


class _Move(NamedTuple):
    """What one step states."""

    pair: frozenset[str] | None
    held: tuple[tuple[str, int | None], ...]


@lru_cache(maxsize=64)
def game_of(problem: str) -> SwapProblem | None:
    """Read the start, the swaps and the options from a problem; None where there are none."""
    story = problem.partition("Options:")[0]
    start: dict[str, int] = {}
    things: list[frozenset[str]] = []
    first_swap = _SWAP.search(story)
    if first_swap is None:
        return None
    for who, what in _HELD.findall(story[: first_swap.start()])[:26]:
        start[who] = len(things)
        things.append(_words(what))
    swaps = tuple(frozenset(pair) for pair in _SWAP.findall(story))
    if len(start) < 2 or any(not pair <= start.keys() for pair in swaps):  # noqa: PLR2004
        return None
    asked = _ASKED.search(problem)
    options = {letter: _thing(what, things) for letter, what in _OPTION.findall(problem)}
    who_asked = asked.group(1) if asked and asked.group(1) in start else None
    return SwapProblem(tuple(things), start, swaps, who_asked, options)


def check_swaps(problem: str, before: Sequence[str], step: str) -> Finding:
    """Apply the next swap to the state before the step, and compare."""
    game = game_of(problem)
    if game is None:
        return Finding("neutral", "none", "no swaps in the problem")
    state, done, stated = _replayed(problem, game, before)
    move = _move_of(problem, step)
    found = Finding("neutral", "none", "it states no swap, no state and no answer")
    if move.pair is not None or (move.held and not _closes(step)):
        found, state, done = _checked(game, state, done, stated, move)
        if found.label == "incorrect":
            return found
    elif move.held:
        found = _agrees(game, state, move.held, "end")
        if found.label == "incorrect":
            return found
    said = _ANSWER.search(step)
    return found if said is None else _answer(game, state, done, said.group(1))


def _checked(
    game: SwapProblem, state: dict[str, int], done: int, stated: bool, move: _Move
) -> tuple[Finding, dict[str, int], int]:
    if move.pair is None and not stated:
        return _agrees(game, state, move.held, "start"), state, done
    if done >= len(game.swaps):
        return Finding("incorrect", "swap", "all swaps of the problem are made"), state, done
    due = game.swaps[done]
    if move.pair is not None and move.pair != due:
        return Finding("incorrect", "swap", f"the next swap is {' and '.join(sorted(due))}"), state, done
    after = _swapped(state, due)
    return _agrees(game, after, move.held, "state"), after, done + 1


def _agrees(game: SwapProblem, state: State, held: Sequence[tuple[str, int | None]], kind: str) -> Finding:
    for who, what in held:
        if what is None:
            return Finding("incorrect", kind, f"{who} is given something that no one has")
        if state[who] != what:
            return Finding("incorrect", kind, f"{who} should have {' '.join(sorted(game.things[state[who]]))}")
    partial = "" if len({who for who, _ in held}) == len(game.start) else " (of those named)"
    return Finding(
        "correct", kind if not partial else f"{kind}-part", f"the state follows from the one before{partial}"
    )


def _answer(game: SwapProblem, state: State, done: int, letter: str) -> Finding:
    what = game.options.get(letter)
    if game.asked is None or what is None:
        return Finding("neutral", "none", "no person and option to compare")
    if done < len(game.swaps):
        return Finding("incorrect", "answer", f"{len(game.swaps) - done} swaps are left to make")
    if state[game.asked] != what:
        return Finding("incorrect", "answer", f"{game.asked} does not have what option {letter} names")
    return Finding("correct", "answer", "the option is what the last state says")


def _replayed(problem: str, game: SwapProblem, before: Sequence[str]) -> tuple[dict[str, int], int, bool]:
    """The state as earlier steps left it, how many swaps they made, and whether they stated any state."""
    state, done, stated = dict(game.start), 0, False
    for text in before:
        move = _move_of(problem, text)
        if move.pair is None and (not move.held or _closes(text)):
            continue
        if (move.pair is not None or stated) and done < len(game.swaps):
            state = _swapped(state, game.swaps[done] if move.pair is None else move.pair)
            done += 1
        state.update({who: what for who, what in move.held if what is not None})
        stated = True
    return state, done, stated


def _swapped(state: State, pair: frozenset[str]) -> dict[str, int]:
    one, other = sorted(pair) if len(pair) > 1 else (*pair, *pair)
    return {**state, one: state[other], other: state[one]}


def _closes(text: str) -> bool:
    """Whether a step tells the end rather than a state on the way."""
    return re.match(r"\s*(?:so,?\s+)?at the end\b", text, re.IGNORECASE) is not None


@lru_cache(maxsize=64)
def _reader(names: frozenset[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """How people are named: in full, or by an initial that is theirs alone."""
    initials = [name[0] for name in names]
    known = sorted(names | {letter for letter in initials if initials.count(letter) == 1}, key=len, reverse=True)
    who = rf"(?:{'|'.join(map(re.escape, known))})"
    pair = rf"\b({who})\s*(?:and|&|,|<->)?\s+({who})\b\s*(?={_SWAPS}|:)"
    held = rf"\b({who})\b\s*(?::|(?:now )?{_HOLDS}\b(?: now)?|=|-|(?=[A-Za-z]))\s*(?:the |an? )?([^,.;:()\n]{{0,80}}?)"
    return re.compile(pair), re.compile(rf"{held}(?=[,.;()\n]|\band\b|\bSo\b|$|\s+{who}\s*:)")


@lru_cache(maxsize=1_024)
def _move_of(problem: str, text: str) -> _Move:
    game = game_of(problem)
    if game is None:
        return _Move(None, ())
    pairs, held = _reader(frozenset(game.start))
    full = {name[0]: name for name in game.start} | {name: name for name in game.start}
    pair = pairs.search(text)
    rest = _ANSWER.sub(" ", text[pair.end() :] if pair else text)
    given: list[tuple[str, int | None]] = []
    for who, what in held.findall(rest):
        if _words(what):
            given.append((full[who], _thing(what, game.things)))
    both = frozenset((full[pair.group(1)], full[pair.group(2)])) if pair else None
    return _Move(both, tuple(given))


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9']+", text.lower())) - _IDLE


def _thing(text: str, things: Sequence[frozenset[str]]) -> int | None:
    """Which thing a text names, perhaps by a part of its words; None if none or several."""
    words = _words(text)
    exact = [number for number, thing in enumerate(things) if thing == words]
    part = [number for number, thing in enumerate(things) if words and words <= thing]
    named = exact or part
    return named[0] if len(named) == 1 else None
