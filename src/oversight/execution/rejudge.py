"""Another judge, or other words for it, on transcripts that are stored already: no other seat is asked again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from oversight.calls.gate import CallGate
from oversight.core.best_of_n import preferred
from oversight.core.bounded_run import run_bounded
from oversight.core.elicitation import without_instruction
from oversight.core.episode import Episode
from oversight.core.episode_limits import EpisodeLimits, EpisodeUsage
from oversight.core.judge_view import judge_view
from oversight.core.outcome import Judgement
from oversight.core.seat import Seat
from oversight.core.verdict import Verdict
from oversight.errors import ProtocolError, UsageError
from oversight.execution.execute import RunSettings, gate_settings, prepared
from oversight.execution.judge_prompt import JudgePrompt, judge_values
from oversight.execution.scheduler import RunStats, run_jobs
from oversight.execution.worker import Bundle, ModelPool, guarded
from oversight.experiment.bind import bind
from oversight.experiment.yaml_document import YamlDocument
from oversight.models.base import ChatModel
from oversight.models.binding import Binding
from oversight.models.client import Client, ModelCast
from oversight.plugins import nearest
from oversight.prompting.templates import Templates
from oversight.store import Store, StoreWriter, Transcript, as_json, open_store
from oversight.util.aio import run_sync
from oversight.util.digest import digest
from oversight.util.interrupts import stopped_by_signals

__all__ = ["RejudgeResult", "rejudge"]

_TO_JUDGE = """
SELECT
    outcomes.episode_id, outcomes.attempt, any_value(outcomes.arm) AS arm,
    any_value(beliefs.idx) IS NOT NULL AS fit,
    count(judgements.judgement_id) AS tries,
    coalesce(bool_or(judgements.status = 'judged'), false) AS judged
FROM outcomes
JOIN beliefs ON beliefs.episode_id = outcomes.episode_id AND beliefs.attempt = outcomes.attempt AND beliefs.final
LEFT JOIN judgements ON judgements.episode_id = outcomes.episode_id AND judgements.attempt = outcomes.attempt
    AND judgements.kind = 'model' AND judgements.settings::VARCHAR = ?
WHERE outcomes.run_id = ? AND outcomes.status = 'judged'
GROUP BY outcomes.episode_id, outcomes.attempt
ORDER BY outcomes.episode_id
"""


class _Job(NamedTuple):
    """A transcript to judge, in which words if not the stored ones, and how often this judge has failed on it so."""

    episode_id: str
    attempt: int
    tries: int
    prompt: JudgePrompt | None


JudgementsDriven: TypeAlias = RunStats[_Job, Judgement]


class RejudgeResult(NamedTuple):
    """What a re-judging did.

    Attributes:
        judge: the judge's name.
        already: judgements that were there before.
        unfit: transcripts that no single judge had decided, so that there is nothing to put to another one.
        driven: what became of the other judgements.
        settings: under which the judgements are stored, for each prompt in order.
    """

    judge: str
    already: int
    unfit: int
    driven: JudgementsDriven
    settings: tuple[dict[str, Any], ...]


def rejudge(
    run_id: str, judge: Mapping[str, Any], settings: RunSettings, *, prompts: Sequence[JudgePrompt] = ()
) -> RejudgeResult:
    """Put every judged transcript of a run to another judge, and store its verdicts beside the first ones.

    The judge reads what the first judge's seat read, its public questions included; what the first judge wrote
    privately it does not see. It is asked for its verdict in the stored words, or in those of each prompt in turn:
    these are separate judgements of the same speeches, told apart by ``prompt`` in their settings.

    Args:
        run_id: the run.
        judge: the judge's ``model`` and its settings, as an experiment file has them.
        settings: where and how; episodes are judged in this process, whatever the engine.
        prompts: other words for the judge; none for the stored ones.

    Raises:
        UsageError: there is no such run, nothing of it was judged, or the model or a prompt cannot be used.
        StoreError: the store cannot be opened or written.
    """
    store = open_store(settings.store)
    binding = bind(dict(judge), _seed(store, run_id), YamlDocument(Path("--judge"), {}))
    rungs = {as_json(held := _settings(binding, prompt)): (held, prompt) for prompt in prompts or (None,)}
    rows = [
        {**row, "prompt": prompt}
        for held, (_, prompt) in rungs.items()
        for row in store.arrow(_TO_JUDGE, [held, run_id]).to_pylist()
    ]
    if not rows:
        raise UsageError(f"no transcript of run '{run_id}' has a verdict, so there is none to put to another judge")
    _check(prompts, store, [row for row in rows if row["fit"]])
    jobs = [
        _Job(row["episode_id"], row["attempt"], row["tries"], row["prompt"])
        for row in rows
        if row["fit"] and not row["judged"]
    ]
    driven: JudgementsDriven = RunStats()
    if jobs:
        if settings.replay is None:
            binding.check()
        gate = gate_settings(f"{run_id} judged by {binding.key}", {binding.key: binding}, settings)
        bundle = Bundle({}, {binding.key: (binding, prepared(binding))}, gate)
        with StoreWriter.open(settings.store) as writer, closing(_Judging(store, binding, bundle)) as judging:
            driven = run_sync(_drive(jobs, judging, writer, settings))
    return RejudgeResult(
        binding.name,
        already=sum(row["judged"] for row in rows),
        unfit=len({row["episode_id"] for row in rows if not row["fit"]}),
        driven=driven,
        settings=tuple(held for held, _ in rungs.values()),
    )


def _settings(binding: Binding, prompt: JudgePrompt | None) -> dict[str, Any]:
    """The settings of judgements: who judged, and in which words if not the stored ones."""
    return {**binding.identity, **({"prompt": prompt.settings} if prompt else {})}


def _check(prompts: Sequence[JudgePrompt], store: Store, rows: Sequence[Mapping[str, Any]]) -> None:
    """Render every prompt for one transcript of each arm, so that a slip in a template costs no call."""
    for row in {row["arm"]: row for row in rows}.values() if prompts else ():
        transcript = store.transcript(row["episode_id"], row["attempt"])
        seat, asked, messages = judge_view(transcript.messages)
        for prompt in prompts:
            prompt.check(transcript, seat, messages, asked)


async def _drive(jobs: list[_Job], judging: _Judging, writer: StoreWriter, settings: RunSettings) -> JudgementsDriven:
    stop = asyncio.Event()

    def record(batch: list[tuple[_Job, Judgement]]) -> None:
        writer.judge([judgement for _, judgement in batch])

    with stopped_by_signals(stop):
        return await run_jobs(jobs, judging.judge, record, concurrency=settings.concurrency, stop=stop)


class _Judging:
    """The judge at work."""

    def __init__(self, store: Store, binding: Binding, bundle: Bundle) -> None:
        self._store = store
        self._binding = binding
        self._gate = CallGate(bundle.gate) if bundle.gate is not None else None
        self._models = ModelPool(bundle, self._gate)

    def close(self) -> None:
        """Close the call cache."""
        if self._gate is not None:
            self._gate.close()

    async def judge(self, job: _Job) -> Judgement:
        """Judge one transcript; what goes wrong is in the judgement, not raised."""
        transcript = await asyncio.to_thread(self._store.transcript, job.episode_id, job.attempt)
        started_at, started = datetime.now(UTC), time.perf_counter()
        usage = EpisodeUsage(EpisodeLimits())
        words = [job.prompt.settings] if job.prompt else []
        base = digest([job.episode_id, job.attempt, self._binding.key, *words])
        model = self._models.get(self._binding.key, base, job.tries, transcript.spec.seed)
        verdict, failure, detail = await guarded(run_bounded(usage, _verdict(transcript, model, usage, job.prompt)))
        return Judgement(
            judgement_id=digest([base, job.tries]),
            episode_id=job.episode_id,
            attempt=job.attempt,
            judge=self._binding.name,
            settings=_settings(self._binding, job.prompt),
            judged_at=started_at,
            status="judged" if verdict else "failed",
            belief=verdict.belief if verdict else None,
            failure=failure,
            detail=detail,
            seconds=time.perf_counter() - started,
            calls=tuple(usage.calls),
        )


async def _verdict(
    transcript: Transcript, model: ChatModel, usage: EpisodeUsage, prompt: JudgePrompt | None
) -> Verdict:
    """The verdict of ``model`` in the seat of the judge who decided."""
    seat, asked, messages = judge_view(transcript.messages)
    spec = transcript.spec
    words = None if asked is None else without_instruction(asked.text, spec.question.labels)
    if prompt is not None:
        values = judge_values(transcript, seat, messages, asked)
        words = prompt.request(values, words)
        messages = prompt.briefed(messages, values, spec.question)
    if words is None:
        raise ProtocolError("the judge was not asked for its verdict: there is no request to put to another")
    episode = Episode(spec.question, templates=Templates({}), cast=ModelCast({}), seed=spec.seed, repeat=spec.repeat)
    episode.add(*messages)
    client = Client(model, seat, "judge", spec.repeat, usage)
    judge = Seat(episode, seat, client, spec.question, partial(preferred, episode))
    return await judge.decide_on(words, asked.turn if asked else None)


def _seed(store: Store, run_id: str) -> int:
    """The seed of a run, which decides what models that are made here learn."""
    seeds = {row["run_id"]: row["seed"] for row in store.arrow("SELECT run_id, seed FROM runs").to_pylist()}
    if run_id not in seeds:
        raise UsageError(f"there is no run '{run_id}' in the store{nearest(run_id, seeds)}")
    return int(seeds[run_id])
