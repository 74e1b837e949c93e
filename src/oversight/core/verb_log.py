"""What a protocol does with its seats' verbs: called, awaited in the right task, ended. The rest is misuse.

A plugin may catch every exception and return a verdict all the same. What it did wrong is therefore noted here, and
`oversight.core.conduct` fails the episode by it when `run` has returned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple, TypeVar

from oversight.errors import ProtocolError

__all__ = ["Misuse", "VerbLog", "not_awaited"]

T = TypeVar("T")

_TURNS = 3
"""Turns of the event loop that a task takes, at most, to begin a verb that it was made for."""

_NAMED = 3
"""Verbs that one complaint names at most."""


class _Call:
    """One call of a verb, until it has ended."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.coroutine: Coroutine[Any, Any, Any] | None = None
        self.begun = False
        self.passed_on = False
        """Whether it was handed to another call, which is to await it."""


class Misuse(NamedTuple):
    """What a protocol did wrong.

    Attributes:
        refused: the first thing that was refused or cut off.
        forgotten: why verbs did nothing or did not end, where some did not.
    """

    refused: str | None
    forgotten: str | None


class VerbLog:
    """The verbs of one episode.

    Args:
        owner: returns the task in which the current branch of the episode runs; None where it may be any.
        admit: awaited before a verb does anything; it never returns once a limit has ended the episode.
    """

    def __init__(self, owner: Callable[[], asyncio.Task[Any] | None], admit: Callable[[], Awaitable[None]]) -> None:
        self._owner = owner
        self._admit = admit
        self._open: dict[int, _Call] = {}
        self._refused: str | None = None
        self._closed = False

    def call(self, name: str, work: Callable[[], Awaitable[T]], parts: Sequence[object] = ()) -> Coroutine[Any, Any, T]:
        """Note that a verb is called; awaiting what is returned does its work, and awaits ``parts``.

        Raises:
            ProtocolError: `run` has returned already.
        """
        if self._closed:
            raise self.refuse(f"{name} was called when run had returned: nothing of it would be kept")
        passed_on = {id(part) for part in parts}
        for other in self._open.values() if passed_on else ():
            other.passed_on |= id(other.coroutine) in passed_on
        call = _Call(name)
        coroutine = self._perform(call, work)
        call.coroutine = coroutine
        self._open[id(call)] = call
        return coroutine

    def refuse(self, reason: str) -> ProtocolError:
        """Note what no protocol may do, and return the error to raise."""
        self._refused = self._refused or reason
        return ProtocolError(reason)

    async def close(self) -> Misuse:
        """End the log when `run` has returned."""
        for _ in range(_TURNS):
            if any(not call.begun for call in self._open.values()):
                await asyncio.sleep(0)  # a task that was made just before is to begin, and be refused
        return self.end()

    def end(self) -> Misuse:
        """End the log at once, as when the episode is cancelled."""
        self._closed = True
        never = [call.name for call in self._open.values() if not call.begun and not call.passed_on]
        unfinished = dict.fromkeys(call.name for call in self._open.values() if call.begun)
        for call in self._open.values():
            if not call.begun and call.coroutine is not None:
                call.coroutine.close()
        forgotten = not_awaited(*never) if never else None
        if unfinished and not never:
            forgotten = f"{' and '.join(unfinished)} had not ended when run returned"
        return Misuse(self._refused, forgotten)

    async def _perform(self, call: _Call, work: Callable[[], Awaitable[T]]) -> T:
        call.begun = True
        await self._admit()
        try:
            self._check_task(call.name)
            return await work()
        except ProtocolError as error:
            self._refused = self._refused or str(error)
            raise
        except asyncio.CancelledError:
            self._refused = self._refused or (
                f"{call.name} was cancelled before it ended, so that the episode depends on how fast a model answers: "
                "set the model's 'timeout' instead"
            )
            raise
        finally:
            self._open.pop(id(call), None)

    def _check_task(self, name: str) -> None:
        owner, task = self._owner(), asyncio.current_task()
        if owner is not None and task is not owner:
            raise ProtocolError(
                f"{name} ran in a task of its own: for what happens at the same time write 'await episode.gather(…)', "
                "not asyncio.gather, create_task, a TaskGroup or wait_for"
            )


def not_awaited(*names: str) -> str:
    """Say which calls lack their ``await``."""
    distinct = list(dict.fromkeys(names))
    listed = " and ".join(distinct[:_NAMED])
    more = f" and {len(distinct) - _NAMED} more" if len(distinct) > _NAMED else ""
    return f"{listed}{more} {'was' if len(distinct) == 1 else 'were'} not awaited: write 'await' before the call"
