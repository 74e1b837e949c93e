"""Fine-tuning a chat model on a provider's side, so that nothing that dies pays for a second job.

What is known of a tuning is kept in a small file beside its rows. A process that starts again with the same rows
and settings goes on from there: it polls the same job, or looks for the one that may have been made just before
it would have been put on record.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from oversight.errors import CallFailed, FailureClass, RunStopped, StopReason, UsageError
from oversight.models.chat_rows import problems_in
from oversight.models.litellm.provider_jobs import PROVIDER, ProviderJob, TuningApi, TuningSettings, check
from oversight.util.secrets import redact

__all__ = ["TuningSettings", "check", "fine_tune"]

_SUFFIX = ".tuning.json"
_ENDED = frozenset({"succeeded", "failed", "cancelled", "gone"})
_LONGEST_MESSAGE = 300
_DIGITS = 12


async def fine_tune(rows: Path, settings: TuningSettings, *, watch: Callable[[str], None] | None = None) -> str:
    """Tune a model on a file of chat rows, or go on with what an earlier start began.

    The state is kept beside ``NAME.jsonl`` in ``NAME.tuning.json``. Where that is finished, nothing is sent. One
    process at a time may tune on the same rows.

    Args:
        rows: as `oversight.models.chat_rows.write_rows` writes them.
        settings: the model, and how to tune it.
        watch: told in one line of each thing that happens.

    Returns:
        The tuned model's name as LiteLLM calls it, ``openai/ft:…``.

    Raises:
        UsageError: the rows break the provider's rules, or there is no key; nothing was sent.
        RunStopped: the provider refuses (the key, the account, the model, the request), or does not answer. The
            next start goes on from there.
        CallFailed: the job came to nothing, and the next start makes another: ``INVALID_REQUEST`` where the
            provider refuses the rows, otherwise ``SERVER_ERROR`` (failed, cancelled or gone). Or ``TIMEOUT``: it
            takes longer than ``longest_s``, and the next start goes on waiting for the same job.
    """
    check(settings)
    try:
        content = rows.read_bytes()
    except OSError as error:
        raise UsageError(f"{rows}: cannot be read: {error.strerror or error}") from None
    if wrong := await asyncio.to_thread(problems_in, content):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UsageError(f"{rows}: {_line(wrong[0])}{more}")
    tuning = _Tuning(rows, content, settings, watch or (lambda line: None))
    try:
        async with TuningApi(settings) as api:
            job = await tuning.ended(api)
    except CallFailed as failed:
        stopped = tuning.stopped(failed)
    else:
        return tuning.result(job)
    raise stopped


class _Record(BaseModel):
    """What is known of one tuning.

    Attributes:
        rows: the SHA-256 of the file of rows.
        settings: what else determines the result.
        file, job: the provider's names for the uploaded rows and for the job.
        model: the tuned model's name at the provider, once there is one.
        failure: why there will be none; the next start makes a new job.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: str
    settings: dict[str, Any]
    file: str | None = None
    job: str | None = None
    model: str | None = None
    failure: str | None = None


class _Tuning:
    """One tuning under way, and its record."""

    def __init__(self, rows: Path, content: bytes, settings: TuningSettings, watch: Callable[[str], None]) -> None:
        self._settings = settings
        self._content = content
        self._name = rows.stem
        self._kept = rows.with_suffix(_SUFFIX)
        self._watch = watch
        fresh = _Record(rows=hashlib.sha256(content).hexdigest(), settings=settings.identity())
        self._record = _read(self._kept, fresh)

    async def ended(self, api: TuningApi) -> ProviderJob:
        """The job when it has ended or has been waited for long enough; made first, if there is none.

        Raises:
            CallFailed: a request came to nothing.
        """
        if self._record.job and self._record.model:
            return ProviderJob(self._record.job, "succeeded", self._record.model)
        file, job = self._record.file, self._record.job
        if not file:
            file = await api.upload(f"{self._name}-{self._record.rows[:_DIGITS]}.jsonl", self._content)
            self._keep(file=file)
            self._watch(_line(f"uploaded {self._name} as {file}"))
        if not job:
            job = (await api.find_or_make(file)).name
            self._keep(job=job)
        return await self._waited_for(api, job)

    async def _waited_for(self, api: TuningApi, name: str) -> ProviderJob:
        """The job when it has ended, or as it is after ``longest_s``."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.longest_s
        told = ""
        while True:
            job = await api.look(name)
            if job.status != told:
                told = job.status
                self._watch(_line(f"fine-tuning job {name}: {told}"))
            left = until - loop.time()
            if (job.status in _ENDED and (job.model or job.status != "succeeded")) or left <= 0:
                return job
            await asyncio.sleep(min(self._settings.poll_s, left))

    def result(self, job: ProviderJob) -> str:
        """The tuned model's name.

        Raises:
            CallFailed: the job came to nothing, or has not ended.
        """
        if job.model and job.status == "succeeded":
            self._keep(model=job.model)
            return f"{PROVIDER}/{job.model}"
        if job.status not in _ENDED - {"succeeded"}:
            message = f"is still {job.status} after {self._settings.longest_s:g} s; start again to go on waiting"
            raise CallFailed(FailureClass.TIMEOUT, _line(f"fine-tuning job {job.name} {message}"))
        ends = {"gone": "is not known to the provider", "cancelled": "was cancelled", "failed": "failed"}
        reason = f": {job.reason or job.code}" if job.reason or job.code else ""
        message = _line(f"fine-tuning job {job.name} {ends[job.status]}{reason}")
        self._keep(failure=message)
        refused = job.status == "failed" and job.code.startswith("invalid")
        raise CallFailed(FailureClass.INVALID_REQUEST if refused else FailureClass.SERVER_ERROR, message)

    def stopped(self, failure: CallFailed) -> RunStopped:
        """What to raise where a request came to nothing."""
        rejected = not failure.failure.transient and failure.failure is not FailureClass.AUTHENTICATION
        if rejected and self._record.file and not self._record.job:
            self._keep(file=None)  # perhaps the file is gone there, and then no start would get any further
        reason = StopReason.UNREACHABLE if failure.failure.transient else StopReason.REFUSED
        return RunStopped(reason, f"fine-tuning {self._settings.model}: {failure.message}")

    def _keep(self, **news: str | None) -> None:
        """Put on record what is new; it is on disk when this returns."""
        self._record = self._record.model_copy(update=news)
        _write(self._kept, self._record)


def _line(message: str) -> str:
    """``message`` as one line that can be shown."""
    return " ".join(redact(message).split())[:_LONGEST_MESSAGE]


def _read(path: Path, fresh: _Record) -> _Record:
    """The record of the same tuning, or ``fresh`` where there is none to go on with.

    Raises:
        UsageError: the file is no record; to start again might pay a second time.
    """
    try:
        known = _Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return fresh
    except (OSError, ValidationError):
        raise UsageError(f"{path}: is no record of a fine-tuning: delete it to start a new job") from None
    same = (known.rows, known.settings) == (fresh.rows, fresh.settings)
    return known if same and not known.failure else fresh


def _write(path: Path, record: _Record) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(record.model_dump_json(indent=2, exclude_none=True) + "\n")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
