"""Arrays that took a while to make, kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from oversight.util.digest import digest

__all__ = ["remembered"]

Arrays = dict[str, NDArray[np.float32]]

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)


def remembered(name: str, key: Mapping[str, Any], fields: Iterable[str], make: Callable[[], Arrays]) -> Arrays:
    """What ``make`` returns, made only once per ``key`` on this machine.

    The cache is a convenience and never a reason to fail: a damaged file is made again and replaced, and a
    folder that cannot be written is left alone. Processes that make the same thing at once each write a
    file of their own and rename it, so a reader sees a whole file or none.

    Args:
        name: how the file's name begins.
        key: everything that determines the arrays; JSON-serialisable.
        fields: the names the arrays must have.
        make: makes them.
    """
    path = Path(platformdirs.user_cache_dir("oversight")) / f"{name}-{digest(key)}.npz"
    with contextlib.suppress(*_UNREADABLE), np.load(path, allow_pickle=False) as file:
        return {field: file[field] for field in fields}
    arrays = make()
    with contextlib.suppress(OSError):
        _write(path, arrays)
    return arrays


def _write(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
