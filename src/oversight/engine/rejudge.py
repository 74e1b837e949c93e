"""Another judge for transcripts that are stored already: nobody else is asked anything again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from oversight.aio import run_sync
from oversight.caller import Caller
from oversight.calls.gate import CallGate
from oversight.digest import digest
from oversight.engine.drive import Driven, drive
from oversight.engine.planned import RunSettings, gate_settings, prepared, stopped_by_signals
from oversight.engine.worker import Bundle, ModelPool, guarded
from oversight.episode import Episode
from oversight.errors import ProtocolError, UsageError
from oversight.experiment.plan import bind
from oversight.experiment.source import Source
from oversight.heard import heard_by_judge
from oversight.models.base import CallRecord, ChatModel
from oversight.models.binding import Binding
from oversight.prompting.elicitation import without_instruction
from oversight.record import Judgement
from oversight.registry import nearest
from oversight.seat import Seat
from oversight.store import Store, StoreWriter, Transcript, as_json, open_store
from oversight.templates import Templates
from oversight.verdict import Verdict

__all__ = ["Rejudged", "rejudge"]

_TO_JUDGE = """
SELECT
    outcomes.episode_id, outcomes.attempt,
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
    """A transcript to judge, and how often this judge has failed on it."""

    episode_id: str
    attempt: int
    tries: int


JudgementsDriven: TypeAlias = Driven[_Job, Judgement]


class Rejudged(NamedTuple):
    """What a re-judging did.

    Attributes:
        judge: the judge's name.
        already: transcripts that this judge had judged before.
        unfit: those that no single judge had decided, so that there is nothing to put to another one.
        driven: what became of the others.
    """

    judge: str
    already: int
    unfit: int
    driven: JudgementsDriven


def rejudge(run_id: str, judge: Mapping[str, Any], settings: RunSettings) -> Rejudged:
    """Put every judged transcript of a run to another judge, and store its verdicts beside the first ones.

    The judge reads what the first judge's seat read, its public questions included, and is asked for its
    verdict in the same words; what the first judge wrote privately it does not see.

    Args:
        run_id: the run.
        judge: the judge's ``model`` and its settings, as an experiment file has them.
        settings: where and how; episodes are judged in this process, whatever the engine.

    Raises:
        UsageError: there is no such run, nothing of it was judged, or the model cannot be used.
        StoreError: the store cannot be opened or written.
    """
    store = open_store(settings.store)
    binding = bind(dict(judge), _seed(store, run_id), Source(Path("--judge"), {}))
    rows = store.arrow(_TO_JUDGE, [as_json(binding.identity), run_id]).to_pylist()
    if not rows:
        raise UsageError(f"no transcript of run '{run_id}' has a verdict, so there is none to put to another judge")
    open_rows = [row for row in rows if row["fit"] and not row["judged"]]
    driven: JudgementsDriven = Driven()
    if open_rows:
        if settings.replay is None:
            binding.check()
        gate = gate_settings(f"{run_id} judged by {binding.key}", {binding.key: binding}, settings)
        bundle = Bundle({}, {binding.key: (binding, prepared(binding))}, gate)
        jobs = [_Job(row["episode_id"], row["attempt"], row["tries"]) for row in open_rows]
        with StoreWriter.open(settings.store) as writer, closing(_Judging(store, binding, bundle)) as judging:
            driven = run_sync(_drive(jobs, judging, writer, settings))
    return Rejudged(
        binding.name,
        already=sum(row["judged"] for row in rows),
        unfit=sum(not row["fit"] for row in rows),
        driven=driven,
    )


async def _drive(jobs: list[_Job], judging: _Judging, writer: StoreWriter, settings: RunSettings) -> JudgementsDriven:
    stop = asyncio.Event()

    def record(batch: list[tuple[_Job, Judgement]]) -> None:
        writer.judge([judgement for _, judgement in batch])

    with stopped_by_signals(stop):
        return await drive(jobs, judging.judge, record, concurrency=settings.concurrency, stop=stop)


class _Judging:
    """The judge at work."""

    def __init__(self, store: Store, binding: Binding, bundle: Bundle) -> None:
        self._store = store
        self._binding = binding
        self._gate = CallGate(bundle.gate) if bundle.gate is not None else None
        self._models = ModelPool(bundle, self._gate)

    def close(self) -> None:
        """Let go of the journal."""
        if self._gate is not None:
            self._gate.close()

    async def judge(self, job: _Job) -> Judgement:
        """Judge one transcript; what goes wrong is in the judgement, not raised."""
        transcript = await asyncio.to_thread(self._store.transcript, job.episode_id, job.attempt)
        started_at, started = datetime.now(UTC), time.perf_counter()
        calls: list[CallRecord] = []
        base = digest([job.episode_id, job.attempt, self._binding.key])
        model = self._models.get(self._binding.key, base, job.tries, transcript.spec.seed)
        verdict, failure, detail = await guarded(_verdict(transcript, model, calls))
        return Judgement(
            judgement_id=digest([base, job.tries]),
            episode_id=job.episode_id,
            attempt=job.attempt,
            judge=self._binding.name,
            settings=self._binding.identity,
            judged_at=started_at,
            status="judged" if verdict else "failed",
            belief=verdict.belief if verdict else None,
            failure=failure,
            detail=detail,
            seconds=time.perf_counter() - started,
            calls=tuple(calls),
        )


async def _verdict(transcript: Transcript, model: ChatModel, calls: list[CallRecord]) -> Verdict:
    """The verdict of ``model`` in the seat of the judge who decided."""
    seat, asked, messages = heard_by_judge(transcript.messages)
    if asked is None:
        raise ProtocolError("nobody asked this transcript's judge for its verdict: there is nothing to ask another")
    spec = transcript.spec
    episode = Episode(spec.question, templates=Templates({}), cast={}, seed=spec.seed, repeat=spec.repeat)
    episode.add(*messages)
    caller = Caller(model, seat, "judge", spec.repeat, calls)
    judge = Seat(episode, seat, caller, spec.question)
    words = without_instruction(asked.text, spec.question.labels)
    return await judge.decide_on(words, asked.turn)


def _seed(store: Store, run_id: str) -> int:
    """The seed of a run, which decides what models that are made here learn."""
    seeds = {row["run_id"]: row["seed"] for row in store.arrow("SELECT run_id, seed FROM runs").to_pylist()}
    if run_id not in seeds:
        raise UsageError(f"there is no run '{run_id}' in the store{nearest(run_id, seeds)}")
    return int(seeds[run_id])
