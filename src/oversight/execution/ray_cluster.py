"""The Ray cluster of a run: a private one on this machine, or one that runs already."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oversight.errors import UsageError
from oversight.util.secrets import redact
from oversight.util.short_folders import short_folder

__all__ = ["RayCluster", "probe"]

_PROBE_S = 5.0

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    # Under `uv run`, Ray would otherwise ship the whole project and build another environment.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
_ON_THIS_MACHINE = {
    # By this, and not by an address it is given, Ray decides to listen on loopback alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}

_ELSEWHERE = {
    # `ray start` turns token authentication on for its cluster; a driver must say that it has the token.
    "RAY_AUTH_MODE": "token",
}

_LONGEST_FOLDER = 107 - len("/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1")
"""What the system's limit for a socket's path leaves for Ray's folder."""


class RayCluster:
    """A connection to a cluster; one at a time in a process.

    Args:
        address: of a running cluster, as ``ray start`` prints it; None starts a private one.
        workers: CPUs of the private one; by default as many as the machine has.

    Raises:
        UsageError: no cluster answers at ``address``, or none can be started.
    """

    def __init__(self, address: str | None, workers: int | None) -> None:
        self.address = address
        self._folder: Path | None = None
        self._before = _told_to_ray()
        os.environ.update(_ENVIRONMENT | (_ON_THIS_MACHINE if address is None else _ELSEWHERE) | self._before)
        import ray

        self.ray: Any = ray
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            with _own_signals():
                self._connect(workers)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            self.close()
            reason = redact((str(error).splitlines() or [type(error).__name__])[0])
            if address is None:
                raise UsageError(f"Ray cannot be started: {reason}; --engine local does without") from None
            raise UsageError(f"--address {address}: no Ray cluster answers there: {reason}") from None
        except BaseException:
            self.close()
            raise

    def _connect(self, workers: int | None) -> None:
        self.ray.init(
            address=self.address or "local",
            num_cpus=None if self.address else workers,
            logging_level=logging.ERROR,
            log_to_driver=False,
            include_dashboard=False if self.address is None else None,
            configure_logging=True,
            **({} if self.address else self._private()),
        )

    def _private(self) -> dict[str, str]:
        """What a private cluster is told: its address, and a folder that is short enough for its sockets."""
        told = {"_node_ip_address": "127.0.0.1"}
        usual = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir(), "ray")
        if not usual.is_absolute() or len(os.fsencode(usual)) > _LONGEST_FOLDER:
            self._folder = short_folder("oversight-", _LONGEST_FOLDER)
            told["_temp_dir"] = str(self._folder)
        return told

    @property
    def cpus(self) -> int:
        """How many CPUs the cluster has, in use or not."""
        return int(self.ray.cluster_resources().get("CPU", 0))

    def standing(self) -> str:
        """Return what the cluster has free, in words for a person."""
        where = f"the cluster at {self.address}" if self.address else "this machine's cluster"
        free = int(self.ray.available_resources().get("CPU", 0))
        return f"{where} has {self.cpus} CPUs, of which {free} are free"

    def close(self) -> None:
        """Shut the private cluster down, or leave the one at ``address``; a later Ray is told nothing of it."""
        self.ray.shutdown()
        for name in _told_to_ray():
            del os.environ[name]
        os.environ.update(self._before)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _told_to_ray() -> dict[str, str]:
    """The variables that Ray reads, and those that it sets itself when it is initialised."""
    return {name: value for name, value in os.environ.items() if name.startswith("RAY_") or name == "PYTHONBREAKPOINT"}


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handler of SIGTERM, in whose place Ray puts one that exits with another code.

    Ray must start in this thread all the same: its processes end with the thread that started them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        signal.signal(signal.SIGTERM, before)


def probe(address: str) -> None:
    """Find out in seconds that nothing answers at ``address``; Ray itself keeps trying for minutes.

    Raises:
        UsageError: nothing does, or it is no address.
    """
    if address.startswith("ray://"):
        raise UsageError(f"--address {address}: run on a node of the cluster, where the store is, and write HOST:PORT")
    host, _, port = address.rpartition(":")
    if not (host and port.isdigit()):
        raise UsageError(f"--address {address}: write it as HOST:PORT, as 'ray start' prints it")
    try:
        socket.create_connection((host, int(port)), timeout=_PROBE_S).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--address {address}: no Ray cluster answers there: {reason}") from None
