"""Judge accuracy, with what it rests on (rule 8): plain functions on the store's ``tally``."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple, TypedDict, Unpack

import numpy as np
import pandas as pd
from pydantic import ValidationError

from oversight.errors import UsageError
from oversight.experiment.file import COLUMNS, ReportSettings
from oversight.plugins import nearest
from oversight.reports.differences import adjusted, difference, levels
from oversight.reports.failure_bounds import failure_fields, failure_notes
from oversight.reports.references import References, arms_of, check_names
from oversight.reports.report_row import HonestPart, ReportRow, Unit
from oversight.reports.same_names import protocol_labels
from oversight.stats.calibration import ece
from oversight.stats.crossed import crossed_proportion
from oversight.stats.intervals import Interval, proportion
from oversight.stats.verdict_columns import only_choices
from oversight.store import ArmRow, Store

__all__ = ["COLUMNS", "HonestPart", "ReportChoices", "ReportRow", "Unit", "report", "report_settings"]

_CONSTANT = ("arm", "task", "protocol", "options", "judge", "strong")


class ReportChoices(TypedDict, total=False):
    """Settings of `oversight.experiment.file.ReportSettings` in place of an experiment's; None leaves one to it."""

    by: Sequence[str] | None
    unit: Unit | None
    over: Sequence[str] | None
    baseline: str | None
    ceiling: str | None
    margin: float | None


class _Run(NamedTuple):
    """What the rows of one run are made of."""

    run: str
    experiment: dict[str, Any]
    asked: ReportSettings
    tally: pd.DataFrame
    truncated: pd.DataFrame
    references: References


def report(
    store: Store, runs: Sequence[str] = (), *, detail: bool = False, **asked: Unpack[ReportChoices]
) -> list[ReportRow]:
    """Return the rows of a report on some runs, by default all; each run as its experiment asks unless told otherwise.

    Args:
        store: holds them.
        runs: by id.
        detail: split the rows further by the columns the experiment names for that; a run whose experiment names
            none has no rows then.
        **asked: what is to be reported otherwise than the experiments say; see `ReportChoices`.

    Raises:
        UsageError: there is no such run, column or arm, or the store has no run.
    """
    found: list[ReportRow] = []
    chosen = _chosen(store, runs)
    arms = arms_of(store, list(chosen))
    check_names(arms, baseline=asked.get("baseline"), ceiling=asked.get("ceiling"))
    for run, experiment in chosen.items():
        settings = report_settings(experiment, **asked)
        if detail and not settings.detail:
            continue
        by = [*settings.by, *(settings.detail if detail else ())]
        found += _rows(store, run, experiment, settings.model_copy(update={"by": tuple(by)}), arms.get(run, []))
    return found


def report_settings(experiment: dict[str, Any], **asked: Unpack[ReportChoices]) -> ReportSettings:
    """Return how a run is to be reported: as asked, else as its experiment says.

    Raises:
        UsageError: there is no such column or factor, the margin is none, or two settings exclude each other.
    """
    given = {name: value for name, value in asked.items() if value is not None}
    try:
        return ReportSettings.model_validate({**(experiment.get("report") or {}), **given})
    except ValidationError as error:
        first = error.errors()[0]
        where, said = first["loc"], first["msg"].removeprefix("Value error, ")
        raise UsageError(f"--{where[0]}: {said}" if where else f"--{said}") from None


def _chosen(store: Store, runs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The experiments of some runs, by run."""
    known = store.sql("SELECT run_id, experiment FROM runs ORDER BY created_at")
    for run in runs:
        if run not in set(known["run_id"]):
            raise UsageError(f"there is no run '{run}' in the store{nearest(run, known['run_id'])}")
    if known.empty:
        raise UsageError("the store has no run yet: start one with 'oversight run EXPERIMENT.yaml'")
    rows = known.itertuples(index=False)
    return {str(run): json.loads(experiment) for run, experiment in rows if not runs or run in runs}


def _rows(
    store: Store,
    run: str,
    experiment: dict[str, Any],
    asked: ReportSettings,
    arms: list[ArmRow],
) -> list[ReportRow]:
    labels = protocol_labels(arms)
    tally = _tally(store, run, labels)
    about = _Run(run, experiment, asked, tally, _truncated(store, run), References(tally, arms, asked))
    rows = []
    for key, part in tally.groupby(list(asked.by), sort=False, dropna=False):
        group = dict(zip(asked.by, (str(value) for value in key), strict=True))
        row = _row(about, group, part)
        if asked.unit == "episode":
            found = difference(about.references.beside(part), asked)
            row = row.model_copy(update={**found, "notes": (*row.notes, *found.get("notes", ()))})
        rows.append(
            row.model_copy(
                update={
                    "published": _published(experiment, row),
                    "notes": (*row.notes, *_same_names(part, labels)),
                    **_imported(experiment, row),
                }
            )
        )
    return adjusted(failure_notes(rows, tally, asked))


def _same_names(part: pd.DataFrame, labels: dict[int, str]) -> tuple[str, ...]:
    known = [labels[arm] for arm in dict.fromkeys(part["arm_no"]) if arm in labels]
    return (f"the run has several protocols of one name; here it is {' and '.join(known)}",) if known else ()


def _tally(store: Store, run: str, labels: dict[int, str]) -> pd.DataFrame:
    """Every planned episode of a run with its scores; ``honest`` is ``none`` where no seat argues the right answer."""
    found = store.sql(
        """
        SELECT
            * EXCLUDE (options, honest), question_key AS question, options::VARCHAR AS options,
            coalesce(honest, 'none') AS honest
        FROM tally WHERE run_id = ? ORDER BY arm_no, honest, seed, judge, episode_id
        """,
        [run],
    )
    return found.assign(protocol=[labels.get(at, name) for at, name in found[["arm_no", "protocol"]].to_numpy()])


def _truncated(store: Store, run: str) -> pd.DataFrame:
    """How many texts of each planned episode of a run were kept although they were cut off, by side."""
    return store.sql(
        """
        SELECT episode_id, side, count(*) AS texts FROM truncated_texts WHERE run_id = ?
        GROUP BY ALL ORDER BY side, episode_id
        """,
        [run],
    )


def _row(about: _Run, group: dict[str, str], part: pd.DataFrame) -> ReportRow:
    judged, scored, unit = part[part["status"] == "judged"], part[part["counts"]], about.asked.unit
    units = _units(scored, unit)
    read, cached = _total(part["prompt_tokens"]), _total(part["cached_tokens"])
    own = about.truncated[about.truncated["episode_id"].isin(part["episode_id"])]
    sure = len(scored) and not only_choices(scored)
    return ReportRow(
        run=about.run,
        **{name: _joined(part[name]) for name in _CONSTANT},
        group=group,
        unit=unit,
        n_asked=len(part),
        n=len(units),
        n_correct=int(units["correct"].sum()) if len(units) else 0,
        n_failed=int((part["status"] == "failed").sum()),
        n_pending=int((part["status"] == "pending").sum()),
        n_abstained=int((judged["abstained"].astype(bool) & ~judged["void"].astype(bool)).sum()),
        n_void=int(judged["void"].sum()),
        n_ties=int(scored["tie"].sum()) if len(scored) else 0,
        accuracy=float(units["correct"].mean()) if len(units) else None,
        **_interval(units, about.asked),
        over=about.asked.crossed,
        **(failure_fields(part) if unit == "episode" else {}),
        brier=_mean(scored["brier"]) if sure else None,
        log_score=_mean(scored["log_score"]) if sure else None,
        ece=ece(scored) if sure else None,
        label_mass=None if judged["label_mass"].isna().all() else float(judged["label_mass"].median()),
        truncated={str(side): int(texts) for side, texts in own.groupby("side")["texts"].sum().items()},
        calls=int(part["calls"].sum()),
        prompt_tokens=read,
        completion_tokens=_total(part["completion_tokens"]),
        cached_share=cached / read if read and cached is not None else None,
        cost_usd=None if part["cost_usd"].isna().any() else float(part["cost_usd"].sum()),
    )


def _interval(units: pd.DataFrame, asked: ReportSettings) -> dict[str, Any]:
    """The fields of a row on how sure its accuracy is."""
    if units.empty:
        return {}
    right = units["correct"].to_numpy(bool)
    if not asked.crossed:
        return _fields(proportion(right, units["cluster"].tolist()))
    try:
        return _fields(crossed_proportion(right.astype(np.float64), levels(units, asked.crossed)))
    except ValueError as error:  # one level of a factor says nothing of others
        return {"notes": (f"no interval: {error}",)}


def _units(scored: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """Episodes, or whole clusters: right if every episode of one cluster with the same honest seat is."""
    if unit == "episode" or scored.empty:
        return scored
    whole = ["cluster", "honest", "seed", "repeat", "arm"]
    return scored.groupby(whole, dropna=False)[["correct"]].all().reset_index()


def _imported(experiment: dict[str, Any], row: ReportRow) -> dict[str, Any]:
    """Where imported transcripts are from; what they took is unknown unless their calls came along."""
    about = experiment.get("import")
    if about is None:
        return {}
    kept = f"{about['read'] - about['left_out']} of {about['read']} transcripts"
    which = f": {about['filter']}" if about["filter"] else ", without a filter" if about["everything"] else ""
    unjudged = about.get("unjudged", 0)
    apart = f"; {unjudged} that have no verdict are not in the table" if unjudged else ""
    return {
        "imported": f"{about['source']}, {kept}{which}{apart}",
        **({} if row.calls else dict.fromkeys(("prompt_tokens", "completion_tokens", "cost_usd"))),
    }


def _published(experiment: dict[str, Any], row: ReportRow) -> float | None:
    """The paper's number for a row that is one arm, or one arm's episodes with one honest seat.

    It counts what the experiment's own report counts; beside anything else it would mislead.
    """
    asked = ReportSettings.model_validate(experiment.get("report") or {})
    if row.unit != asked.unit or not set(row.group) <= {"arm", "honest"} or "arm" not in row.group:
        return None
    for number in experiment.get("published") or ():
        if number["arm"] == row.group["arm"] and number.get("honest") == row.group.get("honest"):
            return float(number["accuracy"])
    return None


def _fields(found: Interval | None) -> dict[str, Any]:
    return {"low": found and found.low, "high": found and found.high, "interval": found and found.method}


def _total(column: pd.Series[Any]) -> int | None:
    """The sum of counts; None if one of them is unknown."""
    # Added up in Python, where no sum is too large.
    return None if column.isna().any() else sum(int(count) for count in column)


def _mean(column: pd.Series[float]) -> float | None:
    return float(np.mean(column)) if len(column) else None


def _joined(column: pd.Series[Any]) -> str | None:
    values: list[Hashable] = list(dict.fromkeys(column.dropna()))
    return ", ".join(str(value) for value in values) if values else None
