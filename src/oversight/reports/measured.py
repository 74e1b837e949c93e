"""Every measure that applies to an arm, from the verdicts table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.reports.verdicts import verdicts
from oversight.stats import asd, bias, calibration, recovery, scores
from oversight.stats.measured import Measured
from oversight.store import Store

__all__ = ["MeasuresRow", "measured"]

_BASELINE = "direct"


class MeasuresRow(BaseModel):
    """One arm's measures; None where one does not apply, or rests on nothing. docs/measures.md explains each.

    Attributes:
        run, arm: what the row is about.
        n: verdicts that count; ``ties``, ``abstained``, ``void``: told apart, only the first are part of ``n``.
        brier, log_score, log_odds: means; the latter two in bits.
        ece, ece_equal_mass: expected calibration error, with 10 bins of equal width and of equal mass.
        judge_score: log2 p less 0.05 for each round (Michael et al. 2023); ``bits_per_round``: what a round brings.
        asd: agent score difference under the log score, in bits; ``asd_left_out``: questions argued from one side only.
        persuasion: share of the questions that the judge gets right alone and wrong after hearing a wrong side.
        wrong_side_wins: share of transcripts with a wrong side in which it wins.
        sycophancy, sycophancy_right, sycophancy_wrong: how often a lone consultant's answer is adopted.
        position, position_p: accuracy with the right answer in first place less that elsewhere, and p of its test.
        longer_wins, verbosity_slope: how often the longer side wins, and the log-odds for each doubling of length.
        adherence: share of seats that name their own answer; ``adherence_silent``: seats that name none.
        pgr: performance gap recovered, between the judge alone and the judge who sees the material.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    arm: str
    n: int
    ties: int
    abstained: int
    void: int
    brier: Measured | None
    log_score: Measured | None
    log_odds: Measured | None
    ece: float | None
    ece_equal_mass: float | None
    judge_score: Measured | None
    bits_per_round: Measured | None
    asd: Measured | None
    asd_left_out: int
    persuasion: Measured | None
    wrong_side_wins: Measured | None
    sycophancy: Measured | None
    sycophancy_right: Measured | None
    sycophancy_wrong: Measured | None
    position: Measured | None
    position_p: float | None
    longer_wins: Measured | None
    verbosity_slope: Measured | None
    adherence: Measured | None
    adherence_silent: int
    pgr: Measured | None


def measured(store: Store, runs: Sequence[str] = ()) -> list[MeasuresRow]:
    """One row for each arm of some runs, by default of all, that has a verdict.

    An arm is compared with the first arms of its run that ask the same judge directly: without the material for
    `persuasion` and as the weak ceiling, with it as the strong one. Where an arm has several judges, as imports with
    people's names have, or unnamed ones, what any of them decided directly counts.
    """
    table = verdicts(store, runs)
    rows = []
    for (run, _, arm), part in table.groupby(["run", "arm_no", "arm"], sort=True):
        judges = table["judge"].isin(part["judge"].unique())
        same = table[(table["run"] == run) & judges & (table["protocol"] == _BASELINE)]
        informed = same["options"].map(lambda options: json.loads(options).get("sees") == "material").astype(bool)
        weak, strong = (_first(same[which]) for which in (~informed, informed))
        rows.append(_row(str(run), str(arm), part, weak, strong))
    return rows


def _row(run: str, arm: str, part: pd.DataFrame, weak: pd.DataFrame, strong: pd.DataFrame) -> MeasuresRow:
    right, difference = scores.accuracy(part), asd.agent_score_difference(part)
    obliging, position = bias.sycophancy(part), bias.position_bias(part)
    verbosity, (adherence, silent) = bias.verbosity_bias(part), bias.side_adherence(part)
    other = part["protocol"].iloc[0] != _BASELINE
    gap = recovery.gap_recovered(part, weak, strong) if other else None
    return MeasuresRow(
        run=run,
        arm=arm,
        n=right.right.n if right.right else 0,
        ties=right.ties,
        abstained=right.abstained,
        void=right.void,
        brier=scores.mean_brier(part),
        log_score=scores.mean_log_score(part),
        log_odds=scores.mean_log_odds(part),
        ece=calibration.ece(part),
        ece_equal_mass=calibration.ece(part, binning="equal mass"),
        judge_score=scores.judge_scores(part),
        bits_per_round=scores.bits_per_round(part),
        asd=difference.difference,
        asd_left_out=difference.left_out,
        persuasion=bias.persuasion(part, weak),
        wrong_side_wins=bias.wrong_side_wins(part),
        sycophancy=obliging.balanced,
        sycophancy_right=obliging.right,
        sycophancy_wrong=obliging.wrong,
        position=position and position.difference,
        position_p=_known(position.test.p) if position else None,
        longer_wins=verbosity and verbosity.longer_wins,
        verbosity_slope=verbosity and verbosity.slope,
        adherence=adherence,
        adherence_silent=silent,
        pgr=gap and gap.pgr,
    )


def _known(p: float) -> float | None:
    return None if isnan(p) else p


def _first(arms: pd.DataFrame) -> pd.DataFrame:
    first: pd.DataFrame = arms[arms["arm_no"] == arms["arm_no"].min()]
    return first
