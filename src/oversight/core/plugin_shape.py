"""Making a plugin with its options, and asking a protocol which roles they need, with errors that name the fix."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from oversight.core.protocol import Protocol
from oversight.errors import UsageError
from oversight.util.describe import describe_error

__all__ = ["make_plugin", "needed_roles"]

T = TypeVar("T")


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
