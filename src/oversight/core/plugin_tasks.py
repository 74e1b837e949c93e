"""Tasks and coroutines that a plugin starts beside its episode, or makes and drops: the episode would go on without."""

from __future__ import annotations

import asyncio
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from oversight.errors import ProtocolError

__all__ = ["PluginTasks", "watching_tasks"]

_NEVER_AWAITED = re.compile(r"coroutine '(.+)' was never awaited")


class PluginTasks:
    """What the code of one class's module, or of its package, leaves behind while it is watched.

    Attributes:
        dropped: the qualified names of coroutines that were dropped without being awaited.
    """

    def __init__(self, cls: type) -> None:
        self.dropped: list[str] = []
        self._modules = [sys.modules[each.__module__] for each in cls.__mro__ if each.__module__ in sys.modules]
        self._prefixes = {
            name for module in self._modules for name in (module.__name__, module.__package__) if name != "oversight"
        } - {"", None, "builtins", "abc"}
        self._tasks: list[asyncio.Task[Any]] = []

    def add(self, task: asyncio.Task[Any]) -> None:
        """Keep a task that was made meanwhile, if it runs a coroutine of the plugin's."""
        frame = getattr(task.get_coro(), "cr_frame", None)
        name = str(frame.f_globals.get("__name__", "")) if frame is not None else ""
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in self._prefixes):
            self._tasks.append(task)

    def drop(self, coroutine: str) -> bool:
        """Keep the name of a dropped coroutine; return whether it is the plugin's, as models drop some too."""
        known = any(hasattr(module, coroutine.partition(".")[0]) for module in self._modules)
        self.dropped += [coroutine] if known else []
        return known

    def end(self) -> list[str]:
        """Cancel the plugin's tasks that have not ended; return the names of their coroutines."""
        stray = [task for task in self._tasks if not task.done()]
        for task in stray:
            task.cancel()
        return [f"{getattr(task.get_coro(), '__qualname__', 'a task')}()" for task in stray]


_watched: ContextVar[PluginTasks | None] = ContextVar("oversight_plugin_tasks", default=None)


@contextmanager
def watching_tasks(cls: type) -> Iterator[PluginTasks]:
    """Watch the tasks and coroutines that the code of ``cls`` makes meanwhile in this context."""
    _listen()
    tasks = PluginTasks(cls)
    token = _watched.set(tasks)
    try:
        yield tasks
    finally:
        _watched.reset(token)


def _listen() -> None:
    """Hear of every task of this loop, and of every dropped coroutine, in the context of the code that is at fault."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop.get_task_factory(), _Factory):
        loop.set_task_factory(_Factory(loop.get_task_factory()))
    if not isinstance(warnings.showwarning, _Listener):
        # By default Python says so once per line, and this is asked for each episode.
        warnings.filterwarnings("always", r"coroutine .* was never awaited", RuntimeWarning)
        warnings.showwarning = _Listener(warnings.showwarning)


class _Factory:
    """Makes tasks as the loop did before, and tells those who watch the context that they are made in."""

    def __init__(self, before: Callable[..., Any] | None) -> None:
        self._before = before

    def __call__(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> Any:
        make = self._before
        task = asyncio.Task(coroutine, loop=loop, **more) if make is None else make(loop, coroutine, **more)
        if (watched := _watched.get()) is not None:
            watched.add(task)
            task.add_done_callback(_take_ours)
        return task


def _take_ours(task: asyncio.Task[Any]) -> None:
    """Take an error of ours, which is told as the episode's failure, so that asyncio does not print it as well."""
    told = not task.cancelled() and isinstance(getattr(task, "_exception", None), ProtocolError)
    if told:
        task.exception()


class _Listener:
    """Stands in for `warnings.showwarning`: keeps a dropped coroutine of a watched plugin, passes on the rest."""

    def __init__(self, before: Callable[..., object]) -> None:
        self._before = before

    def __call__(self, message: Warning | str, category: type[Warning], *rest: Any, **more: Any) -> None:
        watched, found = _watched.get(), _NEVER_AWAITED.fullmatch(str(message))
        if watched is None or found is None or not watched.drop(found[1]):
            self._before(message, category, *rest, **more)
