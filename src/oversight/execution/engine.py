"""What the driver asks of an engine: run this episode somewhere."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from oversight.calls.gate import CallGate
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.execution.worker import Bundle, Worker

__all__ = ["Engine", "LocalEngine"]


class Engine(ABC):
    """Runs episodes; a context manager, because workers must be let go."""

    @abstractmethod
    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode; what goes wrong inside it is in the outcome, not raised.

        Raises:
            RunStopped: it needs a call and no further call is made.
        """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the workers go; there may be none."""
        return None


class LocalEngine(Engine):
    """Runs every episode in this process, on the caller's event loop: for debugging and small tests."""

    def __init__(self, bundle: Bundle) -> None:
        self._gate = CallGate(bundle.gate) if bundle.gate is not None else None
        self._worker = Worker(bundle, self._gate)

    async def run(self, spec: EpisodeSpec) -> EpisodeOutcome:
        """Run one episode here."""
        return await self._worker.run(spec)

    def close(self) -> None:
        """Close the call cache."""
        if self._gate is not None:
            self._gate.close()
