"""One row of a report: judge accuracy, with what it rests on (rule 8)."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["HonestPart", "ReportRow", "Unit"]

Unit = Literal["episode", "cluster"]


class HonestPart(BaseModel):
    """The episodes of a row in which one seat argues the right answer.

    Attributes:
        honest: the seat; ``none`` where no seat does.
        n_asked, n_failed, accuracy, failures_wrong, failures_right: as in `ReportRow`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    honest: str
    n_asked: int
    n_failed: int
    accuracy: float | None
    failures_wrong: float | None
    failures_right: float | None


class ReportRow(BaseModel):
    """One row of a report.

    Attributes:
        run, arm, task, protocol, options, judge, strong: what the row is about; several values are joined.
        group: the values of the columns the rows are told apart by.
        unit: what ``n`` and ``accuracy`` count: episodes, or clusters that are right only as a whole.
        n_asked: episodes planned; ``n_failed``, ``n_pending``: those without a verdict.
        n_abstained: judgements that abstained; ``n_void``: contests in which no side argued the right answer.
            Neither is part of ``n``.
        n_ties: verdicts, part of ``n``, in which the right answer shared the highest probability; they are not right.
        n: units that ``accuracy`` is a share of; ``n_correct`` of them are right.
        accuracy: share in which the right answer alone got the highest probability; ties are not right.
        low, high, interval: its 95 % interval, and the method; None where one cluster leaves nothing to go by.
        over: what the intervals generalise over besides questions; else they hold for the judges, models, seeds and
            repeats that there are.
        failures_wrong, failures_right: accuracy if every failed episode had been judged wrong, and right: the truth
            lies between them however failures came about. None without failures, and for clusters as units.
        by_honest: where episodes failed, these and ``accuracy`` by the seat that argues the right answer.
        brier, log_score, ece: None where verdicts are only choices, which say nothing of how sure the judge was.
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
        difference_p, difference_p_holm: two-sided, of "there is no difference"; adjusted for ``differences``, those
            that the same table holds, where these are more than two (Holm 1979).
        margin, equivalence_p, noninferiority_p: of "the accuracies differ by ``margin`` or more", and of "this one is
            lower by ``margin`` or more", where a margin was asked for.
        no_difference: why there is no difference.
        notes: what else a reader must know of this row.
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
    n_ties: int
    accuracy: float | None
    low: float | None = None
    high: float | None = None
    interval: str | None = None
    over: tuple[str, ...] = ()
    failures_wrong: float | None = None
    failures_right: float | None = None
    by_honest: tuple[HonestPart, ...] = ()
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
    difference_p: float | None = None
    difference_p_holm: float | None = None
    differences: int = 0
    margin: float | None = None
    equivalence_p: float | None = None
    noninferiority_p: float | None = None
    no_difference: str | None = None
    notes: tuple[str, ...] = ()
    published: float | None = None
    imported: str | None = None
