"""The process in which plugins of others are imported and tried first: what ends it ends no run."""

from __future__ import annotations

import pickle
import signal
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from oversight.core.episode_limits import EpisodeLimits
from oversight.core.protocol import Protocol
from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.experiment.dry_run import Trial, try_once
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.models.base import ModelSettings
from oversight.plugins import Pluggable, Plugin
from oversight.util.describe import describe_error

__all__ = ["ChildReply", "Import", "Try", "serve"]

_GRACE_S = 10.0
"""How much longer than it may take an episode takes, which ends itself, until the process is ended by its timer."""


class Import(NamedTuple):
    """Import a plugin and make it with these options."""

    plugin: Plugin
    kind: type[Pluggable]
    options: dict[str, Any]
    seconds: float


class Try(NamedTuple):
    """Run one episode, see `oversight.experiment.dry_run.try_once`."""

    protocol: ProtocolBinding
    models: dict[str, ModelSettings]
    item: Item
    seed: int
    limits: EpisodeLimits
    seconds: float


class ChildReply(BaseModel):
    """What came of a request: why a plugin cannot be imported, or a trial."""

    model_config = ConfigDict(frozen=True)

    error: str | None = None
    trial: Trial | None = None


def serve(descriptor: int) -> None:
    """Do what is asked for on a socket until its other end is closed."""
    # They are the main process's to give, which imports the plugins as well.
    warnings.simplefilter("ignore")
    with Connection(descriptor) as line:
        while True:
            try:
                asked = pickle.loads(line.recv_bytes())  # noqa: S301 - from the process that started this one
            except EOFError:
                return
            # By default this signal ends the process, even one that never gives Python a chance to look.
            signal.setitimer(signal.ITIMER_REAL, asked.seconds + (_GRACE_S if isinstance(asked, Try) else 0.0))
            answer = _try(asked) if isinstance(asked, Try) else _import(asked)
            signal.setitimer(signal.ITIMER_REAL, 0)
            line.send_bytes(answer.model_dump_json().encode())


def _try(asked: Try) -> ChildReply:
    try:
        return ChildReply(trial=try_once(*asked, twice=True))
    except KeyboardInterrupt as error:
        return ChildReply(trial=Trial(error=describe_error(error), kind="exit"))


def _import(asked: Import) -> ChildReply:
    try:
        found: Any = asked.plugin.load(asked.kind)
    except UsageError as error:
        return ChildReply(error=str(error))
    except KeyboardInterrupt:
        return ChildReply(error=f"{asked.plugin.path or asked.plugin.module}: cannot be imported: KeyboardInterrupt")
    try:
        # What else goes wrong is said by the main process, which knows where in the file the options are.
        with suppress(Exception):
            if issubclass(found, Protocol):
                found(found.Options.model_validate(asked.options)).needs()
    except (SystemExit, KeyboardInterrupt) as error:
        return ChildReply(error=f"{asked.plugin.path or asked.plugin.module}: cannot be used: {describe_error(error)}")
    return ChildReply()
