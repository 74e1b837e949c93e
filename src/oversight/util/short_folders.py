"""Folders for Unix sockets, whose whole path may have no more than about a hundred bytes."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

__all__ = ["short_folder"]

_ELSEWHERE = (Path("/", "tmp"), Path("/", "var", "tmp"), Path("/", "dev", "shm"))


def short_folder(prefix: str, longest: int) -> Path:
    """Make a folder that only this user may enter, and whose path has at most ``longest`` bytes.

    It is where temporary files belong, or else, where that is too deep, where there is a shorter way.

    Raises:
        OSError: there is no such place; it says which variable to change.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    bases = [Path(tempfile.gettempdir()).absolute(), *_ELSEWHERE, *([Path(runtime)] if runtime else [])]
    for base in bases:
        with suppress(OSError):
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
            if len(os.fsencode(folder)) <= longest:
                return folder
            folder.rmdir()
    raise OSError(f"the path of {tempfile.gettempdir()} is too long for a socket: set TMPDIR to a shorter one")
