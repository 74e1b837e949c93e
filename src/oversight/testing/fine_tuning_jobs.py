"""What a loopback server keeps of fine-tuning: files, jobs, and what becomes of those."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

__all__ = ["ENDS", "JobOutcome", "TunedFile", "TuningJob"]

ENDS = frozenset({"succeeded", "failed", "cancelled"})
"""The statuses that a job does not leave."""

_COURSE = ("validating_files", "queued", "running")


class JobOutcome(NamedTuple):
    """What becomes of a fine-tuning job, once it has been waiting and running; each class method is one way.

    Attributes:
        ends: the status it comes to, or stays in; ``gone`` where the server forgets the job.
        code, message: the job's error.
    """

    ends: str = "succeeded"
    code: str | None = None
    message: str | None = None

    @classmethod
    def failed(
        cls, message: str = "The job failed due to an internal error.", code: str = "server_error"
    ) -> JobOutcome:
        """The job fails."""
        return cls("failed", code, message)

    @classmethod
    def cancelled(cls) -> JobOutcome:
        """The job is cancelled from outside."""
        return cls("cancelled")

    @classmethod
    def stuck(cls, status: str = "running") -> JobOutcome:
        """The job never ends; its status may be an unknown one."""
        return cls(status)

    @classmethod
    def gone(cls) -> JobOutcome:
        """The job vanishes."""
        return cls("gone")


class TunedFile(NamedTuple):
    """An uploaded file."""

    id: str
    filename: str
    content: bytes
    created_at: int

    def to_json(self) -> dict[str, Any]:
        """The ``file`` object."""
        return {
            "object": "file",
            "id": self.id,
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": "fine-tune",
            "status": "processed",
        }


@dataclass
class TuningJob:
    """A fine-tuning job.

    Attributes:
        id: the server's name for it.
        asked: the body of the request that made it.
        file: what it is trained on.
        fate: what becomes of it; change it at any time before it has ended.
        statuses: those it has had, the present one last.
    """

    id: str
    asked: Mapping[str, Any]
    file: TunedFile
    fate: JobOutcome
    created_at: int
    statuses: list[str] = field(default_factory=lambda: [_COURSE[0]])

    @property
    def base(self) -> str:
        """The model that is tuned."""
        return str(self.asked["model"])

    @property
    def model(self) -> str:
        """What the tuned model is called, or will be."""
        root = self.base.split(":")[1] if self.base.startswith("ft:") else self.base
        return f"ft:{root}:loopback:{self.asked.get('suffix') or ''}:{self.id.removeprefix('ftjob-')}"

    def move(self) -> None:
        """Go on to the next status."""
        now = self.statuses[-1]
        if now in ENDS:
            return
        if now == _COURSE[0] and (self.fate.code or "").startswith("invalid"):
            self.statuses.append(self.fate.ends)
            return
        step = _COURSE.index(now) + 1 if now in _COURSE else len(_COURSE)
        then = _COURSE[step] if step < len(_COURSE) and self.fate.ends != now else self.fate.ends
        if then != now:
            self.statuses.append(then)

    def to_json(self) -> dict[str, Any]:
        """The ``fine_tuning.job`` object."""
        now = self.statuses[-1]
        done = now == "succeeded"
        error = {"code": self.fate.code, "message": self.fate.message, "param": "training_file"}
        numbers = {name: "auto" for name in ("n_epochs", "batch_size", "learning_rate_multiplier")}
        return {
            "object": "fine_tuning.job",
            "id": self.id,
            "model": self.base,
            "created_at": self.created_at,
            "finished_at": int(time.time()) if now in ENDS else None,
            "fine_tuned_model": self.model if done else None,
            "organization_id": "org-loopback",
            "result_files": [],
            "status": now,
            "validation_file": None,
            "training_file": self.file.id,
            "hyperparameters": {**numbers, **(self.asked.get("hyperparameters") or {})},
            "trained_tokens": len(self.file.content.split()) if done else None,
            "error": error if now == "failed" else {},
            "user_provided_suffix": self.asked.get("suffix"),
            "seed": self.asked.get("seed") or 0,
            "estimated_finish": None,
            "integrations": [],
        }
