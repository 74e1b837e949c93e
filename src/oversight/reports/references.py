"""What the arms of a run are compared with: a baseline and a ceiling that are alike in all but the protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import pandas as pd

from oversight.errors import UsageError
from oversight.experiment.file import ReportSettings
from oversight.plugins import nearest
from oversight.store import ArmRow, Store

__all__ = ["MatchedVerdicts", "References", "arms_of", "check_names"]


_Key: TypeAlias = tuple[int, str | None, int]
"""An arm's place, who judged, and the seed."""


class MatchedVerdicts(NamedTuple):
    """Verdicts beside those that they are compared with; all frames share the column ``context``.

    Attributes:
        own: the verdicts that count, those without a baseline or ceiling included.
        baseline, ceiling: the verdicts of these, once for each context in which ``own`` has any.
        names: the arms that are the baseline.
        missing: why there is no baseline; None where there is, or where the verdicts are the baseline's own.
    """

    own: pd.DataFrame
    baseline: pd.DataFrame
    ceiling: pd.DataFrame
    names: tuple[str, ...]
    missing: str | None


def arms_of(store: Store, runs: Sequence[str] = ()) -> dict[str, list[ArmRow]]:
    """Return the arms of some runs, by default of all, run by run in their experiments' order."""
    query = """
        SELECT run_id, arm_no, arm, entry, protocol, origin, version, baseline, ceiling, models
        FROM arms WHERE len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], run_id)
        ORDER BY run_id, arm_no
    """
    found: dict[str, list[ArmRow]] = {}
    for row in store.arrow(query, [list(runs), list(runs)]).to_pylist():
        run = row.pop("run_id")
        found.setdefault(run, []).append(ArmRow(**{**row, "models": json.loads(row["models"])}))
    return found


def check_names(arms: Mapping[str, Sequence[ArmRow]], **asked: str | None) -> None:
    """See whether some arm has the name that each keyword asks for.

    Raises:
        UsageError: none has; the message names the nearest.
    """
    known = {name for own in arms.values() for arm in own for name in arm.names}
    for kind, name in asked.items():
        if name is not None and name not in known:
            raise UsageError(f"--{kind} {name}: no arm is called so{nearest(name, known)}")


class References:
    """Finds the baseline and the ceiling of a run's verdicts.

    Arms are alike in all but the protocol if the same judge decided at the same seed, and if every role that both
    arms bind is bound to models with the same settings. Questions are the same if their contents are; who pairs by
    question within a ``context`` compares nothing else. Where several baselines are alike, the first one counts.

    The judge may be another one where judges are a sample that is generalised over (``over``), as people are who each
    see a question once; and for a ceiling that was named, which may be a stronger model by itself.
    """

    def __init__(self, table: pd.DataFrame, arms: Iterable[ArmRow], asked: ReportSettings) -> None:
        """Prepare to look verdicts up.

        Args:
            table: all verdicts of the run, with ``arm_no``, ``judge``, ``seed`` and ``counts``.
            arms: the run's.
            asked: names the baseline and the ceiling, unless the protocols say which arms these are.
        """
        self._arms = {arm.arm_no: arm for arm in arms}
        self._baselines = self._named("baseline", asked.baseline)
        self._ceilings = self._named("ceiling", asked.ceiling)
        self._over = asked.crossed
        any_judge = "judge" in asked.crossed
        self._any_judge = (any_judge, any_judge or asked.ceiling is not None)
        places = {*self._baselines, *self._ceilings}
        self._roles = {role for place in places for role in self._arms[place].models}
        held = table[table["counts"] & table["arm_no"].isin(places)]
        self._empty = held.iloc[:0].assign(context="")
        self._rows = dict(_split(held))

    def beside(self, part: pd.DataFrame) -> MatchedVerdicts:
        """Put verdicts beside those of their baseline and ceiling."""
        own = part[part["counts"]]
        arms = set(own["arm_no"])
        contexts = pd.Series("", index=own.index, dtype=object)
        baseline: dict[str, list[_Key]] = {}
        ceiling: dict[str, list[_Key]] = {}
        for (place, judge, seed), rows in _split(own):
            models, questions = self._models(place), set(rows["question"])
            context = json.dumps([judge, seed, models])
            contexts[rows.index] = context
            for found, candidates, any_judge in (
                (baseline, self._baselines, self._any_judge[0]),
                (ceiling, self._ceilings, self._any_judge[1]),
            ):
                alike = [place for place in candidates if self._arms[place].alike(models)]
                keys = self._keys(alike, questions, seed, judge)
                if not keys and any_judge:
                    keys = self._keys(alike if "judge" in self._over else candidates, questions, seed)
                found.setdefault(context, []).extend(key for key in keys if key not in found.get(context, []))
        own = own.assign(context=contexts)
        most = self._empty if arms & set(self._ceilings) else self._verdicts(ceiling)
        missing = self._missing(arms, baseline)
        if missing is not None or arms & set(self._baselines):
            return MatchedVerdicts(own, self._empty, most, (), missing)
        names = dict.fromkeys(self._arms[place].arm for keys in baseline.values() for place, _, _ in keys)
        return MatchedVerdicts(own, self._verdicts(baseline), most, tuple(names), None)

    def _verdicts(self, found: Mapping[str, Sequence[_Key]]) -> pd.DataFrame:
        parts = [self._rows[key].assign(context=context) for context, keys in found.items() for key in keys]
        return pd.concat(parts) if parts else self._empty

    def _missing(self, arms: set[int], found: Mapping[str, Sequence[_Key]]) -> str | None:
        if not self._baselines:
            return "the run has no baseline arm"
        if not arms:
            return "no verdict counts"
        if arms & set(self._baselines):
            return None if arms <= set(self._baselines) else "the row pools the baseline with other arms"
        return None if any(found.values()) else "no baseline has its judge, models, seed and questions"

    def _named(self, kind: str, name: str | None) -> list[int]:
        if name is None:
            return [place for place, arm in self._arms.items() if getattr(arm, kind)]
        return [place for place, arm in self._arms.items() if name in arm.names]

    def _models(self, place: int) -> dict[str, list[str]]:
        """What an arm binds to the roles that a baseline or ceiling may bind as well."""
        arm = self._arms.get(place)
        return {role: list(bound) for role, bound in sorted(arm.models.items()) if role in self._roles} if arm else {}

    def _keys(self, candidates: Iterable[int], questions: set[str], seed: int, *judge: str | None) -> list[_Key]:
        """Where the first candidate has verdicts on any of the questions, at a seed; of one judge, or of all."""
        for place in candidates:
            keys = [key for key in self._rows if key[0] == place and key[2] == seed and (not judge or key[1] in judge)]
            if keys := [key for key in keys if self._rows[key]["question"].isin(questions).any()]:
                return keys
        return []


def _split(table: pd.DataFrame) -> Iterator[tuple[_Key, pd.DataFrame]]:
    """The verdicts of each arm, judge and seed."""
    for key, rows in table.groupby(["arm_no", "judge", "seed"], sort=False, dropna=False):
        place, judge, seed = key
        yield (int(str(place)), judge if isinstance(judge, str) else None, int(str(seed))), rows
