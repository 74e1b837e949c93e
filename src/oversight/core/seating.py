"""What a seat may be called, and what may happen at the same time: checks with their reasons."""

from __future__ import annotations

import inspect
import re
from collections.abc import Collection, Sequence

from oversight.core.message import PREFERENCE, PROTOCOL
from oversight.errors import ProtocolError

__all__ = ["check_name", "check_parts"]

_SEAT_NAME = re.compile(r"[a-z][a-z0-9_.-]*")
_LONGEST_NAME = 100


def check_name(name: object, taken: Collection[str], *, reserved: bool) -> None:
    """See whether a seat can be called ``name``; ``reserved`` is false for a seat that the framework opens.

    Raises:
        ProtocolError: it cannot, for which reason.
    """
    if not isinstance(name, str):
        raise ProtocolError(f"a seat cannot be called {name!r:.60}: its name is a text, not {type(name).__name__}")
    if name in taken:
        reason = "another seat of this episode has that name; number them, as in judge_0 and judge_1"
    elif name == PROTOCOL:
        reason = "that is what the procedure itself is called in the transcript"
    elif reserved and PREFERENCE in name:
        reason = f"'{PREFERENCE}' marks the seats that choose between versions of a speech"
    elif not name:
        reason = "the name is empty"
    elif len(name) > _LONGEST_NAME:
        reason = f"it has {len(name)} characters; at most {_LONGEST_NAME} are kept apart"
    elif not _SEAT_NAME.fullmatch(name):
        reason = "a name begins with a lower-case letter, and goes on with lower-case letters, digits, '_', '.' and '-'"
    else:
        return
    raise ProtocolError(f"a seat cannot be called {name!r:.60}: {reason}")


def check_parts(parts: Sequence[object]) -> None:
    """See whether every part of a gather can be awaited, once; if not, close those that can.

    Raises:
        ProtocolError: one cannot.
    """
    wrong = None
    for number, part in enumerate(parts):
        if not inspect.iscoroutine(part):
            what = f"number {number + 1} is {type(part).__name__}"
            star = ": write a * before it, so that its entries are the parts" if isinstance(part, list | tuple) else ""
            called = ": call it, with (…)" if callable(part) else ""
            wrong = f"episode.gather() takes coroutines, as from a.speak(…), and {what}{star or called}"
    if len({id(part) for part in parts}) < len(parts):
        wrong = wrong or "episode.gather() was given the same coroutine twice: call the verb once for each part"
    if wrong is not None:
        for part in parts:
            if inspect.iscoroutine(part):
                part.close()
        raise ProtocolError(wrong)
