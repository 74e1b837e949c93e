"""Judge accuracy, with what it rests on (rule 8): plain functions on the store's ``results`` and ``outcomes``."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.errors import UsageError
from oversight.experiment.file import COLUMNS, ReportSettings
from oversight.registry import nearest
from oversight.stats.calibration import ece
from oversight.stats.intervals import Interval, mean_difference, proportion
from oversight.store import Store

__all__ = ["COLUMNS", "ReportRow", "report"]

Unit = Literal["episode", "cluster"]

_BASELINE = "direct"
_CONSTANT = ("arm", "task", "protocol", "options", "judge", "strong")


class ReportRow(BaseModel):
    """One row of a report.

    Attributes:
        run, arm, task, protocol, options, judge, strong: what the row is about; several values are joined.
        group: the values of the columns the rows are told apart by.
        unit: what ``n`` and ``accuracy`` count: episodes, or clusters that are right only as a whole.
        n_asked: episodes planned; ``n_failed``, ``n_pending``: those without a verdict.
        n_abstained: judgements that abstained; ``n_void``: contests in which no side argued the right answer.
            Neither is part of ``n``.
        n: units that ``accuracy`` is a share of; ``n_correct`` of them are right.
        accuracy: share in which the right answer alone got the highest probability; ties are not right.
        low, high, interval: its 95 % interval, and the method.
        brier: mean of half the summed squared error, 0 best, 0.25 for an even split of two.
        log_score: mean log2 of the right answer's probability, in bits, clipped at 1e-6; 0 best.
        ece: expected calibration error in 10 equal bins of the highest probability.
        label_mass: median, over verdicts read from token probabilities, of the probability that lay on the answers'
            labels before it was scaled to 1; None without such verdicts.
        truncated: texts that were kept although a token limit cut them off, by the side of the seats that wrote them:
            ``honest``, ``dishonest``, or the role of a seat that argues nothing.
        calls, prompt_tokens, completion_tokens, cost_usd: of every attempt, failed ones included; tokens are None if a
            count is unknown, cost is if a price is. A reply that another episode had asked for already counts at its
            price.
        cached_share: share of the prompt tokens that the provider had cached; None without prompt tokens, and where
            these or the cached ones are unknown.
        baseline, difference, difference_low, difference_high, difference_interval, difference_n: mean
            difference in accuracy to that arm, with its 95 % interval and method, on the ``difference_n``
            questions both judged, paired by question.
        published: the paper's number for this row, where the experiment names one.
        imported: for a run of imported transcripts, their source and which of them it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    arm: str
    task: str
    protocol: str
    options: str
    judge: str | None
    strong: str | None
    group: dict[str, str]
    unit: Unit
    n_asked: int
    n: int
    n_correct: int
    n_failed: int
    n_pending: int
    n_abstained: int
    n_void: int
    accuracy: float | None
    low: float | None
    high: float | None
    interval: str | None
    brier: float | None
    log_score: float | None
    ece: float | None
    label_mass: float | None
    truncated: dict[str, int]
    calls: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_share: float | None
    cost_usd: float | None
    baseline: str | None = None
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None
    difference_interval: str | None = None
    difference_n: int | None = None
    published: float | None = None
    imported: str | None = None


def report(
    store: Store,
    runs: Sequence[str] = (),
    *,
    by: Sequence[str] | None = None,
    unit: Unit | None = None,
    detail: bool = False,
) -> list[ReportRow]:
    """The rows of a report on some runs, by default all; each run as its experiment asks unless told otherwise.

    With ``detail``, the rows are split further by the columns the experiment names for that; a run whose
    experiment names none has none.

    Raises:
        UsageError: there is no such run or column, or the store has no run.
    """
    known = store.sql("SELECT run_id, experiment FROM runs ORDER BY created_at")
    for run in runs:
        if run not in set(known["run_id"]):
            raise UsageError(f"there is no run '{run}' in the store{nearest(run, known['run_id'])}")
    if known.empty:
        raise UsageError("the store has no run yet: start one with 'oversight run EXPERIMENT.yaml'")
    rows: list[ReportRow] = []
    for run_id, experiment in known.itertuples(index=False):
        if not runs or run_id in runs:
            asked = ReportSettings.model_validate(json.loads(experiment).get("report") or {})
            columns = [*(by or asked.by), *(asked.detail if detail else ())]
            if not detail or asked.detail:
                rows += _run_rows(store, str(run_id), json.loads(experiment), columns, unit or asked.unit)
    return rows


def _run_rows(store: Store, run: str, experiment: dict[str, Any], by: list[str], unit: Unit) -> list[ReportRow]:
    for column in by:
        if column not in COLUMNS:
            raise UsageError(f"--by {column}: no such column{nearest(column, COLUMNS)}; columns: {', '.join(COLUMNS)}")
    tally, truncated = _tally(store, run), _truncated(store, run)
    baseline = _baseline(tally)
    rows = []
    for key, part in tally.groupby(by, sort=False, dropna=False):
        group = dict(zip(by, (str(value) for value in key), strict=True))
        row = _row(run, group, part, truncated, unit)
        if unit == "episode" and baseline is not None:
            row = row.model_copy(update=_difference(part, baseline))
        rows.append(row.model_copy(update={"published": _published(experiment, row), **_imported(experiment, row)}))
    return rows


def _tally(store: Store, run: str) -> pd.DataFrame:
    """Every planned episode of a run with its scores; ``honest`` is ``none`` where no seat argues the right answer."""
    return store.sql(
        """
        SELECT * EXCLUDE (options, honest), options::VARCHAR AS options, coalesce(honest, 'none') AS honest
        FROM tally WHERE run_id = ? ORDER BY arm_no, honest, seed, episode_id
        """,
        [run],
    )


def _truncated(store: Store, run: str) -> pd.DataFrame:
    """How many texts of each planned episode of a run were kept although they were cut off, by side."""
    return store.sql(
        """
        SELECT episode_id, side, count(*) AS texts FROM truncated_texts WHERE run_id = ?
        GROUP BY ALL ORDER BY side, episode_id
        """,
        [run],
    )


def _row(run: str, group: dict[str, str], part: pd.DataFrame, truncated: pd.DataFrame, unit: Unit) -> ReportRow:
    judged, scored = part[part["status"] == "judged"], part[part["counts"]]
    units = _units(scored, unit)
    found = proportion(units["correct"].to_numpy(bool), units["cluster"].tolist()) if len(units) else None
    read, cached = _total(part["prompt_tokens"]), _total(part["cached_tokens"])
    own = truncated[truncated["episode_id"].isin(part["episode_id"])]
    return ReportRow(
        run=run,
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
        accuracy=float(units["correct"].mean()) if len(units) else None,
        **_fields(found),
        brier=_mean(scored["brier"]),
        log_score=_mean(scored["log_score"]),
        ece=ece(scored),
        label_mass=None if judged["label_mass"].isna().all() else float(judged["label_mass"].median()),
        truncated={str(side): int(texts) for side, texts in own.groupby("side")["texts"].sum().items()},
        calls=int(part["calls"].sum()),
        prompt_tokens=read,
        completion_tokens=_total(part["completion_tokens"]),
        cached_share=cached / read if read and cached is not None else None,
        cost_usd=None if part["cost_usd"].isna().any() else float(part["cost_usd"].sum()),
    )


def _units(scored: pd.DataFrame, unit: Unit) -> pd.DataFrame:
    """Episodes, or whole clusters: right if every episode of one cluster with the same honest seat is."""
    if unit == "episode" or scored.empty:
        return scored
    whole = ["cluster", "honest", "seed", "repeat", "arm"]
    return scored.groupby(whole, dropna=False)[["correct"]].all().reset_index()


def _baseline(tally: pd.DataFrame) -> pd.DataFrame | None:
    """What counts of the first arm in which the judge decided alone."""
    alone = tally[tally["counts"] & (tally["protocol"] == _BASELINE)]
    return None if alone.empty else alone[alone["arm_no"] == alone["arm_no"].min()]


def _difference(part: pd.DataFrame, baseline: pd.DataFrame) -> dict[str, Any]:
    """Accuracy minus the baseline's, question by question."""
    name = str(baseline["arm"].iloc[0])
    own = part[part["counts"]]
    if own.empty or set(own["arm"]) == {name}:
        return {}
    pair = ["question_key", "cluster"]
    both = pd.merge(_by_question(own, pair), _by_question(baseline, pair), on=pair, suffixes=("", "_alone"))
    if both.empty:
        return {}
    differences = both["correct"] - both["correct_alone"]
    found = mean_difference(differences.tolist(), both["cluster"].tolist())
    return {
        "baseline": name,
        "difference": float(differences.mean()),
        "difference_low": found.low,
        "difference_high": found.high,
        "difference_interval": found.method,
        "difference_n": len(both),
    }


def _by_question(scored: pd.DataFrame, pair: list[str]) -> pd.DataFrame:
    return scored.assign(correct=scored["correct"].astype(float)).groupby(pair)[["correct"]].mean().reset_index()


def _imported(experiment: dict[str, Any], row: ReportRow) -> dict[str, Any]:
    """Where imported transcripts are from; what they took is unknown unless their calls came along."""
    about = experiment.get("import")
    if about is None:
        return {}
    kept = f"{about['read'] - about['left_out']} of {about['read']} transcripts"
    which = f": {about['filter']}" if about["filter"] else ", without a filter" if about["everything"] else ""
    unjudged = about.get("unjudged", 0)
    apart = f"; {unjudged} that nobody judged are not in the table" if unjudged else ""
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
