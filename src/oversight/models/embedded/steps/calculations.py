"""Calculations with named parts: does each equality hold, and is the problem copied as it stands?"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from oversight.models.embedded.steps.equations import Chain, broken_link, chains_of
from oversight.models.embedded.steps.exact import Rpn, compile_rpn, shown, tokens_of
from oversight.models.embedded.steps.finding import Finding
from oversight.models.embedded.steps.rewriting import check_rewriting

__all__ = ["check_arithmetic", "expression_of"]

_ANSWER = re.compile(r"\banswer(?: is|:)\s*(-?[\d,.]{0,60}\d)(?![\d/*+])", re.IGNORECASE)
_FORMULA = re.compile(r'written as\s*"?([^"=]{0,400})"?,? where', re.IGNORECASE)


class _Known(NamedTuple):
    """What earlier steps stated: the value of each name, and the expression it stands for."""

    values: dict[str, Fraction]
    meanings: dict[str, Rpn]
    formula: Rpn | None


def expression_of(problem: str) -> Rpn | None:
    """The expression that a problem consists of, as in "(2 + 3) * 4 ="; None for any other problem."""
    bare = re.sub(r"^\s*(?:calculate|compute|evaluate|what is)\b:?", "", problem, flags=re.IGNORECASE)
    rpn = compile_rpn(tokens_of(bare.strip().rstrip("=?. ")))
    return rpn if rpn is not None and len(rpn) > 1 else None


def check_arithmetic(problem: str, before: Sequence[str], step: str) -> Finding:
    """Check a step's own equalities exactly, with the values that earlier steps gave to names."""
    known = _known(before)
    chains = chains_of(step)
    for chain in chains:
        why = _miscopied(chain, known)
        if why:
            return Finding("incorrect", "copy", why)
    checked = 0
    for chain in chains:
        why, count = broken_link(chain, _usable(chain, known))
        checked += count
        if why:
            return Finding("incorrect", "equation", why)
    whole = expression_of(problem)
    rewritten = check_rewriting(whole, before, step) if whole is not None else None
    if rewritten is not None and rewritten.label == "incorrect":
        return rewritten
    if said := _ANSWER.search(step):
        return _conclusion(said.group(1), before, step, checked)
    return _decomposition(problem, step, chains, checked)


def _decomposition(problem: str, step: str, chains: Sequence[Chain], checked: int) -> Finding:
    """What is left to say of a step whose equalities hold: whether it puts the problem in parts as it stands."""
    why = _wrong_formula(problem, step, chains)
    if why:
        # Of the published labels, none counts this as a mistake, so it is said and not called one.
        return Finding("neutral", "formula", why)
    if checked or _FORMULA.search(step):
        kind = "equation" if checked else "formula"
        return Finding(
            "correct", kind, f"its equalities hold ({checked})" if checked else "it puts the problem in parts"
        )
    return Finding("neutral", "none", "no equality to check")


def _known(before: Sequence[str]) -> _Known:
    known = _Known({}, {}, None)
    for text in before:
        for chain in chains_of(text):
            name = chain[0].name
            if name is None:
                continue
            meaning, value = chain[1].rpn, chain[-1].number
            if meaning is not None:
                known.meanings.setdefault(name, meaning)
            if value is not None:
                known.values[name] = value
    return known


def _usable(chain: Chain, known: _Known) -> Mapping[str, Fraction]:
    """Values of names, without the one that the chain itself gives a value to."""
    own = chain[0].name
    return {name: value for name, value in known.values.items() if name != own}


def _miscopied(chain: Chain, known: _Known) -> str:
    """Say that a name is given another expression than the one it stands for, if so."""
    name = chain[0].name
    meaning = known.meanings.get(name) if name is not None else None
    stated = chain[1].rpn
    if meaning is None or stated is None or stated == meaning or chain[1].number is not None:
        return ""
    return f"{name} stood for something else than {chain[1].text}"[:200]


def _wrong_formula(problem: str, step: str, chains: Sequence[Chain]) -> str:
    """Say that a formula with its parts put in is not the problem, term by term, if so."""
    formula, whole = _FORMULA.search(step), expression_of(problem)
    written = compile_rpn(tokens_of(formula.group(1))) if formula else None
    if written is None or whole is None:
        return ""
    parts = {chain[0].name: chain[1].rpn for chain in chains if chain[0].name is not None}
    spelled: list[Fraction | str] = []
    for item in written:
        part = parts.get(item) if isinstance(item, str) else None
        spelled.extend((item,) if part is None else part)
        if len(spelled) > len(whole):
            break
    return "" if tuple(spelled) == whole else "the parts put together are not the problem"


def _conclusion(said: str, before: Sequence[str], step: str, checked: int) -> Finding:
    """Compare an answer with the last value that was stated."""
    tokens = tokens_of(said)
    rpn = compile_rpn(tokens)
    stated = [chain[-1].number for text in (*before, step) for chain in chains_of(text)]
    values = [value for value in stated if value is not None]
    if rpn is None or len(rpn) != 1 or not isinstance(rpn[0], Fraction) or not values:
        return Finding("neutral", "none", "no equality to check")
    if rpn[0] != values[-1]:
        return Finding("incorrect", "answer", f"the value was {shown(values[-1])}, not {shown(rpn[0])}")
    return Finding("correct", "equation", f"its equalities hold ({checked}), and the answer is their value")
