"""What can be known of another process on this machine."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from pathlib import Path

__all__ = ["is_suspended", "peer_pid"]

_CREDENTIALS = struct.Struct("3i")


def is_suspended(pid: int) -> bool:
    """Return whether a process is stopped by a signal or a debugger; False where the system does not say."""
    with suppress(OSError, IndexError):
        # The name, which may hold anything, stands in brackets before the state.
        stat = Path("/proc", str(pid), "stat").read_text(errors="replace")
        return stat.rpartition(")")[2].split()[0] in {"T", "t"}
    return False


def peer_pid(client: socket.socket) -> int | None:
    """Return which process listens at the other end of a connected Unix socket; None where the system does not say."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    with suppress(OSError):
        pid, _, _ = _CREDENTIALS.unpack(client.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size))
        return int(pid) or None
    return None
