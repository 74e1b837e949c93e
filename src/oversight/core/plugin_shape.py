"""Whether a plugin class is what its kind asks for, found when it is loaded and not in the middle of a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from oversight.errors import UsageError
from oversight.util.describe import describe_error

if TYPE_CHECKING:
    from oversight.core.protocol import Protocol

__all__ = ["make_plugin", "needed_roles", "wrong_with"]

T = TypeVar("T")

_LONGEST_NAME = 80
_LISTED = 3


def wrong_with(cls: type, kind: type) -> str | None:
    """Say in one line what a subclass of ``kind`` lacks or has of the wrong type; None if nothing."""
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        return f"it does not define {', '.join(missing[:_LISTED])}"
    if "name" in kind.__annotations__ and (wrong := _wrong_name(getattr(cls, "name", None))):
        return wrong
    for attribute in ("Options", "Settings"):
        expected, given = getattr(kind, attribute, None), getattr(cls, attribute, None)
        base = expected if attribute == "Settings" and isinstance(expected, type) else BaseModel
        if expected is not None and not (isinstance(given, type) and issubclass(given, base)):
            return f"{attribute} is not a pydantic model: write 'class {attribute}({kind.__name__}.{attribute}):'"
    if hasattr(kind, "roles") and (wrong := _wrong_roles(getattr(cls, "roles", None))):
        return wrong
    if inspect.isasyncgenfunction(getattr(cls, "run", None)):
        return "run yields: write 'return' where it says 'yield'"
    return None


def make_plugin(cls: Callable[[Any], T], options: object) -> T:
    """Make a plugin with its options.

    Raises:
        UsageError: its constructor takes something else, or raises.
    """
    try:
        return cls(options)
    except Exception as error:
        name = getattr(cls, "__name__", cls)
        raise UsageError(f"class '{name}' cannot be made with its options: {describe_error(error)}") from error


def needed_roles(protocol: Protocol) -> tuple[str, ...]:
    """Ask a protocol, which is asked here first, for the roles that its options need, and see that all else works.

    Raises:
        UsageError: it answers with something else than some of its roles, or raises.
    """
    who = f"protocol '{protocol.name}'"
    try:
        needed: object = protocol.needs()
        bool(protocol.baseline), bool(protocol.ceiling)
    except Exception as error:
        raise UsageError(f"{who}: needs, baseline or ceiling failed: {describe_error(error)}") from error
    if not isinstance(needed, tuple | list) or not all(isinstance(role, str) for role in needed):
        raise UsageError(f"{who}: needs returned {type(needed).__name__}, not a tuple of roles: return self.roles")
    if other := [role for role in needed if role not in protocol.roles]:
        raise UsageError(f"{who}: needs returned '{other[0]:.40}', which is none of its roles {tuple(protocol.roles)}")
    return tuple(needed)


def _wrong_name(name: object) -> str | None:
    if name is None:
        return "it has no name: write 'name = \"…\"' in its body"
    if not isinstance(name, str):
        return f"its name is {type(name).__name__}, not a text: write 'name = \"…\"'"
    if not name or name != name.strip() or not name.isprintable():
        return "its name is empty, or has white space around it or characters that cannot be printed"
    if len(name) > _LONGEST_NAME:
        return f"its name has {len(name)} characters, and {_LONGEST_NAME} are the most that reports show"
    return None


def _wrong_roles(roles: object) -> str | None:
    if isinstance(roles, str):
        return f"roles is the text {roles!r:.40}: write roles = ({roles!r:.40},), with a comma"
    if not isinstance(roles, tuple | list) or not all(isinstance(role, str) and role for role in roles):
        return 'roles is not a tuple of names: write roles = ("judge", "strong")'
    if len(set(roles)) < len(roles):
        return f"roles names one role twice: {', '.join(roles)}"
    return None
