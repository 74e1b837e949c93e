"""Two runs, or two arms, beside each other: which settings differ, and which questions changed sides."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import isnan
from typing import Any, Literal, NamedTuple

import pandas as pd

from oversight.stats.compare import Test, mcnemar, paired_difference
from oversight.stats.estimate import Estimate, mean_share

__all__ = [
    "CHANGES",
    "ArmComparison",
    "Change",
    "SettingDifference",
    "changed_settings",
    "compared",
    "flattened",
    "matched",
    "p_text",
]

Change = Literal["same", "lost", "gained", "partly"]
CHANGES: tuple[Change, ...] = ("same", "lost", "gained", "partly")
"""``lost``: right on one side, wrong on the other; ``gained``: the reverse; ``partly``: a share of its verdicts did."""

_ENTRY_KEYS = ("as", "task", "models")


class SettingDifference(NamedTuple):
    """A setting that two runs do not share; None where a run does not set it."""

    key: str
    one: str | None
    other: str | None

    @property
    def change(self) -> str:
        """What the other run did to it."""
        return "added" if self.one is None else "removed" if self.other is None else "changed"


class ArmComparison(NamedTuple):
    """Two arms on the questions that both have verdicts on that count.

    Attributes:
        one, other: the share of right verdicts, each question counting once.
        difference: the other's less the one's, and ``test`` of "there is none"; paired by question.
        sign: McNemar's exact test, where both arms have one verdict for each question.
    """

    one: Estimate
    other: Estimate
    difference: Estimate
    test: Test
    sign: Test | None


def flattened(value: object, above: str = "") -> dict[str, str]:
    """Every setting of a resolved experiment by its dotted key, as JSON; protocols go by their labels."""
    parts = dict(_parts(value, above))
    if not parts:
        return {above: json.dumps(value, ensure_ascii=False)} if above else {}
    found: dict[str, str] = {}
    for key, part in parts.items():
        found |= flattened(part, key)
    return found


def changed_settings(one: Mapping[str, str], other: Mapping[str, str]) -> list[SettingDifference]:
    """The settings that differ, in the order of the first run; what only the other sets comes last."""
    keys = dict.fromkeys((*one, *other))
    return [SettingDifference(key, one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)]


def matched(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """The questions on which two arms both have verdicts that count, in the order of the first.

    Each arm has a row for each ``question`` with its ``cluster``, its ``place``, and how many verdicts count
    (``n``) and are ``right``. So does what comes back, with ``n_other`` and ``right_other``, how the question stands
    in each (``before``, ``after``: right, wrong or mixed), and its `Change`.
    """
    held = [arm[arm["n"] > 0] for arm in (one, other)]
    both = held[0].merge(held[1][["question", "n", "right"]], on="question", suffixes=("", "_other"))
    both = both.sort_values("place", kind="stable").reset_index(drop=True)
    shares = [_shares(both, ""), _shares(both, "_other")]
    both["before"], both["after"] = ([_standing(share) for share in side] for side in shares)
    both["change"] = [_change(before, after) for before, after in zip(*shares, strict=True)]
    return both


def compared(both: pd.DataFrame) -> ArmComparison | None:
    """How two arms compare on `matched` questions; None without any."""
    shares = [_shares(both, ""), _shares(both, "_other")]
    tables = [
        pd.DataFrame({"question": both["question"], "cluster": both["cluster"], "counts": True, "correct": share})
        for share in shares
    ]
    found = paired_difference(tables[1], tables[0])
    sides = [mean_share(share, both["cluster"].tolist()) for share in shares]
    if found is None or sides[0] is None or sides[1] is None:
        return None
    once = bool((both["n"] == 1).all() and (both["n_other"] == 1).all())
    return ArmComparison(sides[0], sides[1], *found, mcnemar(*tables) if once else None)


def p_text(test: Test) -> str:
    """The p of a test as papers write it; a dash where there is none."""
    if isnan(test.p):
        return "-"
    return "p < 0.001" if test.p < 0.001 else f"p = {test.p:.3f}"  # noqa: PLR2004


def _shares(both: pd.DataFrame, side: str) -> list[float]:
    """Of each question's verdicts, the share that is right."""
    right, n = (both[f"{name}{side}"].tolist() for name in ("right", "n"))
    return [float(r) / float(of) for r, of in zip(right, n, strict=True)]


def _standing(share: float) -> str:
    return "right" if share == 1 else "wrong" if share == 0 else "mixed"


def _change(before: float, after: float) -> Change:
    if {before, after} == {0, 1}:
        return "lost" if before else "gained"
    return "same" if before == after else "partly"


def _parts(value: object, above: str) -> Iterator[tuple[str, object]]:
    """What a value is made of, by key; nothing for a plain value, which then is a setting."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            name = f"{above}.{key}" if above else str(key)
            yield from _arms(part, name) if name == "protocols" and isinstance(part, list) else [(name, part)]
    elif isinstance(value, list) and any(isinstance(part, Mapping | list) for part in value):
        for place, part in enumerate(value):
            yield f"{above}[{place}]", part


def _arms(entries: list[Any], above: str) -> Iterator[tuple[str, object]]:
    """Protocols by label: a place in a list would shift when one is put in front."""
    seen: dict[str, int] = {}
    for entry in entries:
        if isinstance(entry, Mapping):
            name = next((str(key) for key in entry if key not in _ENTRY_KEYS), "?")
            rest = {key: part for key, part in entry.items() if key not in (name, "as")}
            label, options = str(entry.get("as", name)), entry.get(name) or {}
            part: object = {
                **({} if label == name else {"protocol": name}),
                **(options if isinstance(options, Mapping) else {"options": options}),
                **rest,
            }
        else:
            label, part = str(entry), {}
        seen[label] = seen.get(label, 0) + 1
        yield f"{above}.{label}" + (f" ({seen[label]})" if seen[label] > 1 else ""), part
