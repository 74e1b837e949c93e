"""Trying plugins that do not ship with the package in a process of their own, before this one imports them."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from oversight.core.episode_limits import EpisodeLimits
from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.experiment.dry_run import DryRun, Trial, dry_run, stand_ins, try_once
from oversight.experiment.dry_run_child import ChildReply, Import, Try
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ModelSettings
from oversight.models.binding import Binding
from oversight.plugins import Pluggable, Plugin

__all__ = ["DryRunProcess"]

_SECONDS = 30.0
"""How long an import, or one episode of a dry run, may take."""

_VARIABLE = "OVERSIGHT_DRY_RUN_SECONDS"
_GRACE_S = 15.0
"""How much longer the process is waited for, which ends itself before that, and the start of Python with it."""

_LOOK_S = 0.1
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])\n"
    "from oversight.experiment.dry_run_child import serve; serve(int(sys.argv[2]))"
)


class DryRunProcess:
    """Tries arms, and looks at plugins of others in a process that they may end; a context manager.

    There is one process for all of them, and none where every plugin ships with the package.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Connection | None = None
        self._checked: set[str] = set()
        self._seconds = _seconds()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(0.0)

    def check(self, plugin: Plugin, kind: type[Pluggable], options: Mapping[str, Any] | None = None) -> None:
        """See whether a plugin can be imported, and made with ``options``, without harm to the process.

        Raises:
            UsageError: it cannot be imported, or it ends its process or takes too long meanwhile.
        """
        word = kind.plugin_kind.word
        given = dict(options or {})
        key = json.dumps([plugin.module, plugin.qualname, word, given], sort_keys=True, default=repr)
        if _ships(plugin) or key in self._checked:
            return
        answer = self._ask(
            Import(plugin, kind, given, self._seconds), plugin, f"the import of {word} '{plugin.qualname}'"
        )
        if answer.error is not None:
            raise UsageError(answer.error)
        self._checked.add(key)

    def dry_run(
        self,
        protocol: ProtocolBinding,
        cast: Mapping[str, Sequence[Binding]],
        items: Sequence[Item],
        seed: int,
        limits: EpisodeLimits,
    ) -> DryRun:
        """Run ``protocol`` on each of ``items`` with models that call nothing.

        Raises:
            UsageError: it ended its process, or blocked it for too long.
        """
        models = stand_ins(cast)
        here = _ships(protocol.plugin)
        attempt = partial(self._here if here else self._there, protocol, models, seed, limits)
        return dry_run(items, attempt)

    def _here(
        self, protocol: ProtocolBinding, models: dict[str, ModelSettings], seed: int, limits: EpisodeLimits, item: Item
    ) -> Trial:
        return try_once(protocol, models, item, seed, limits, self._seconds)

    def _there(
        self, protocol: ProtocolBinding, models: dict[str, ModelSettings], seed: int, limits: EpisodeLimits, item: Item
    ) -> Trial:
        plugin = protocol.plugin
        what = f"the dry run of protocol '{plugin.qualname}' on question '{item.question.id}'"
        answer = self._ask(Try(protocol, models, item, seed, limits, self._seconds), plugin, what)
        assert answer.trial is not None
        return answer.trial

    def _ask(self, request: Import | Try, plugin: Plugin, what: str) -> ChildReply:
        """Have the process do something.

        Raises:
            UsageError: it ended, or did not answer in time.
        """
        if self._process is None or self._line is None:
            self._start()
        assert self._process is not None
        assert self._line is not None
        deadline = time.monotonic() + request.seconds + _GRACE_S
        late = False
        try:
            self._line.send_bytes(pickle.dumps(request))
            while not self._line.poll(_LOOK_S):
                late = time.monotonic() > deadline
                if late or (self._process.poll() is not None and not self._line.poll()):
                    raise EOFError
            return ChildReply.model_validate_json(self._line.recv_bytes())
        except (OSError, EOFError, ValueError):
            code = self._end()
        reason = f"did not end within {request.seconds:g} s" if late or code == -signal.SIGALRM else _ending(code)
        where = plugin.path or plugin.module
        raise UsageError(f"{where}: {what} {reason}; nothing was run")

    def _start(self) -> None:
        self._line, other = Pipe()
        with other:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and words of our own
                [sys.executable, "-c", _START, json.dumps(sys.path), str(other.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(other.fileno(),),
                start_new_session=True,
            )

    def _end(self, patience_s: float = 0.5) -> int:
        """End the process, and whatever it started; return how it ended, if it does so by itself."""
        process, line = self._process, self._line
        self._process = self._line = None
        if line is not None:
            line.close()
        if process is None:
            return 0
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()


def _ships(plugin: Plugin) -> bool:
    """Whether a plugin is part of the package."""
    return plugin.source is None and plugin.module.partition(".")[0] == "oversight"


def _ending(code: int) -> str:
    """How a process ended that should not have."""
    if code < 0:
        return f"ended its process by signal {signal.Signals(-code).name}"
    return f"ended its process with exit code {code}"


def _seconds() -> float:
    given = os.environ.get(_VARIABLE)
    try:
        seconds = float(given or _SECONDS)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{_VARIABLE}={given}: give a number of seconds above 0")
    return seconds
