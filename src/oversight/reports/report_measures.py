"""Every measure that applies to a row of a report, from the verdicts table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isnan
from typing import Unpack

import pandas as pd
from pydantic import BaseModel, ConfigDict

from oversight.reports.references import MatchedVerdicts, References, arms_of
from oversight.reports.report import ReportChoices, report_settings
from oversight.reports.same_names import protocol_labels
from oversight.reports.verdicts import verdicts
from oversight.stats import agreement, asd, bias, calibration, recovery, scores
from oversight.stats.cost import PricedArm, matched_cost
from oversight.stats.decomposition import brier_parts
from oversight.stats.estimate import Estimate
from oversight.stats.verdict_columns import counting, only_choices
from oversight.store import Store

__all__ = ["MeasuresRow", "measured"]


class MeasuresRow(BaseModel):
    """The measures of one row of a report; None where one does not apply, or rests on nothing.

    docs/measures.md explains each.

    Attributes:
        run, group: what the row is about, as in `oversight.reports.report_row.ReportRow`.
        n: verdicts that count; ``ties``, ``abstained``, ``void``: told apart, only the first are part of ``n``.
        brier, log_score, log_odds: means; the latter two in bits.
        brier, log_score, log_odds, ece, ece_equal_mass: None where verdicts are only choices.
        ece, ece_equal_mass: expected calibration error, with 10 bins of equal width and of equal mass.
        judge_score: log2 p less 0.05 for each round (Michael et al. 2023); ``bits_per_round``: what a round brings.
        asd: agent score difference under the log score, in bits; ``asd_left_out``: questions argued from one side only.
        persuasion: share of the questions that the judge gets right alone and wrong after hearing a wrong side.
        wrong_side_wins: share of transcripts with a wrong side in which it wins.
        sycophancy, sycophancy_right, sycophancy_wrong: how often a lone consultant's answer is adopted.
        position, position_p: accuracy with the right answer in first place less that elsewhere, and p of its test.
        longer_wins, verbosity_slope: how often the longer side wins, and the log-odds for each doubling of length.
        adherence: share of seats that name their own answer; ``adherence_silent``: seats that name none.
        pgr: performance gap recovered, between the baseline and the ceiling.
        reliability, resolution: parts of the Brier score (Murphy 1973): how far probabilities are from the shares that
            come true, 0 best, and how far they tell right answers from wrong ones, the larger the better.
        balanced_accuracy: the mean over the right answer's places of accuracy there.
        repeats_agree, repeats_alpha: of an arm's repeats and seeds on one question and assignment, the share of pairs
            that are both right or both not, and Krippendorff's alpha.
        matched_cost: accuracy less that of the best mixture of the table's other rows at the same mean cost of an
            episode; ``cost_unit``: dollars, tokens or calls, the first that is known of all rows and not always 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: str
    group: dict[str, str]
    n: int
    ties: int
    abstained: int
    void: int
    brier: Estimate | None
    log_score: Estimate | None
    log_odds: Estimate | None
    ece: float | None
    ece_equal_mass: float | None
    judge_score: Estimate | None
    bits_per_round: Estimate | None
    asd: Estimate | None
    asd_left_out: int
    persuasion: Estimate | None
    wrong_side_wins: Estimate | None
    sycophancy: Estimate | None
    sycophancy_right: Estimate | None
    sycophancy_wrong: Estimate | None
    position: Estimate | None
    position_p: float | None
    longer_wins: Estimate | None
    verbosity_slope: Estimate | None
    adherence: Estimate | None
    adherence_silent: int
    pgr: Estimate | None
    reliability: Estimate | None
    resolution: Estimate | None
    balanced_accuracy: Estimate | None
    repeats_agree: Estimate | None
    repeats_alpha: Estimate | None
    matched_cost: Estimate | None
    cost_unit: str | None


def measured(store: Store, runs: Sequence[str] = (), **asked: Unpack[ReportChoices]) -> list[MeasuresRow]:
    """Return the measures of the rows of a report on some runs, by default all; rows without a verdict are left out.

    What a row is compared with is alike in all but the protocol (`oversight.reports.references`): the baseline for
    `persuasion` and as the weak end of the performance gap, the ceiling as its strong end.

    Args:
        store: holds them.
        runs: by id.
        **asked: settings that take the place of the experiments', as in `oversight.reports.report.report`.
    """
    table, arms = verdicts(store, runs), arms_of(store, runs)
    query = "SELECT run_id, experiment FROM runs"
    experiments = {row["run_id"]: json.loads(row["experiment"]) for row in store.arrow(query).to_pylist()}
    rows = []
    for run, whole in table.groupby("run", sort=True):
        settings = report_settings(experiments[run], **asked)
        labels = protocol_labels(arms.get(str(run), []))
        names = [labels.get(at, name) for at, name in whole[["arm_no", "protocol"]].to_numpy()]
        own = whole.assign(protocol=names).sort_values("arm_no", kind="stable")
        references = References(own, arms.get(str(run), []), settings)
        parts = [
            (tuple(str(value) for value in key), part)
            for key, part in own.groupby(list(settings.by), sort=False, dropna=False)
        ]
        priced = _Priced(own, parts)
        for key, part in parts:
            group = dict(zip(settings.by, key, strict=True))
            rows.append(_row(str(run), group, part, references.beside(part), priced.matched(key)))
    return rows


class _Priced:
    """What the rows of one table cost, in one unit."""

    def __init__(self, table: pd.DataFrame, parts: Sequence[tuple[tuple[str, ...], pd.DataFrame]]) -> None:
        tokens = table["prompt_tokens"] + table["completion_tokens"]
        each = {"dollars": table["cost_usd"], "tokens": tokens, "calls": table["calls"].astype(float)}
        known = [unit for unit, cost in each.items() if cost.notna().all() and cost.any()]
        self.unit = known[0] if known else None
        self._arms = {
            "/".join(key): PricedArm(
                held["correct"].to_numpy(float), each[self.unit][held.index].to_numpy(float), held["cluster"].tolist()
            )
            for key, part in parts
            if self.unit and len(held := counting(part))
        }

    def matched(self, key: tuple[str, ...]) -> tuple[Estimate | None, str | None]:
        name = "/".join(key)
        found = matched_cost(name, self._arms) if len(self._arms) > 1 and name in self._arms else None
        return (found.advantage, self.unit) if found else (None, None)


def _row(
    run: str,
    group: dict[str, str],
    part: pd.DataFrame,
    matched: MatchedVerdicts,
    at_cost: tuple[Estimate | None, str | None],
) -> MeasuresRow:
    right, difference = scores.accuracy(part), asd.agent_score_difference(part)
    obliging, position = bias.sycophancy(part), bias.position_bias(part)
    verbosity, (adherence, silent) = bias.verbosity_bias(part), bias.side_adherence(part)
    gap = recovery.gap_recovered(matched.own, matched.baseline, matched.ceiling)
    sure = not only_choices(part)
    parts = brier_parts(part) if sure and counting(part)["answers"].nunique() == 1 else None
    repeats = agreement.between_runs(part)
    return MeasuresRow(
        run=run,
        group=group,
        n=right.right.n if right.right else 0,
        ties=right.ties,
        abstained=right.abstained,
        void=right.void,
        brier=scores.mean_brier(part) if sure else None,
        log_score=scores.mean_log_score(part) if sure else None,
        log_odds=scores.mean_log_odds(part) if sure else None,
        ece=calibration.ece(part) if sure else None,
        ece_equal_mass=calibration.ece(part, binning="equal mass") if sure else None,
        judge_score=scores.judge_scores(part) if sure else None,
        bits_per_round=scores.bits_per_round(part) if sure else None,
        asd=difference.difference if sure else None,
        asd_left_out=difference.left_out,
        persuasion=bias.persuasion(matched.own, matched.baseline),
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
        reliability=parts and parts.reliability,
        resolution=parts and parts.resolution,
        balanced_accuracy=agreement.balanced_accuracy(part),
        repeats_agree=repeats and repeats.raw,
        repeats_alpha=repeats and repeats.beyond_chance,
        matched_cost=at_cost[0],
        cost_unit=at_cost[1],
    )


def _known(p: float) -> float | None:
    return None if isnan(p) else p
