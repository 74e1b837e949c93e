"""Every exception the framework raises, in one place.

All of them survive pickling, because Ray carries them between processes: each is built from
positional arguments only, and those are its ``args``.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "CallFailed",
    "FailureClass",
    "LimitReached",
    "OversightError",
    "ProtocolError",
    "RunStopped",
    "StopReason",
    "StoreError",
    "UsageError",
]


class FailureClass(StrEnum):
    """Why a model call, or a whole episode, came to nothing. Stored with the episode (rule 6)."""

    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    BLANK = "blank"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    CONTENT_FILTER = "content_filter"
    CONTEXT_LENGTH = "context_length"
    AUTHENTICATION = "authentication"
    INVALID_REQUEST = "invalid_request"
    UNKNOWN_MODEL = "unknown_model"
    UNRECORDED = "unrecorded"
    UNPARSABLE = "unparsable"
    LOW_MASS = "low_mass"
    """Next to none of the first token's probability lies on the answers' labels."""
    PLUGIN = "plugin"
    LIMIT = "limit"
    """The episode took more than its limits allow."""

    @property
    def transient(self) -> bool:
        """Whether the same call may well succeed when it is made again."""
        return self in _TRANSIENT


_TRANSIENT = frozenset(
    {
        FailureClass.RATE_LIMITED,
        FailureClass.SERVER_ERROR,
        FailureClass.TIMEOUT,
        FailureClass.CONNECTION,
        FailureClass.MALFORMED,
        FailureClass.BLANK,
    }
)


class OversightError(Exception):
    """The root of every error the framework raises on purpose."""


class UsageError(OversightError):
    """Something the user wrote cannot be used: one line that says where, what and the fix (exit code 2)."""


class YamlError(UsageError):
    """A YAML text cannot be read as plain data.

    Args:
        line: where, from 1.
        where: the keys and list places that lead there.
        message: what is wrong.
    """

    def __init__(self, line: int, where: tuple[str | int, ...], message: str) -> None:
        super().__init__(line, where, message)
        self.line = line
        self.where = where
        self.message = message

    def __str__(self) -> str:
        return ": ".join([*([".".join(map(str, self.where))] if self.where else []), self.message])


class ProtocolError(OversightError):
    """A protocol plugin broke the framework's contract (a seat used twice at once, an unknown template)."""


class LimitReached(OversightError):
    """An episode took all that its limits allow: it fails with class ``limit``, whatever its protocol does next."""


class StoreError(OversightError):
    """The store cannot be opened, read or written."""


class StopReason(StrEnum):
    """Why no further model call of a run is made."""

    BUDGET = "budget"
    """The next call might pass what the run may cost."""
    UNPRICED = "unpriced"
    """The run is held to a budget, and a call's price is unknown."""
    REFUSED = "refused"
    """A provider refuses the key, the account or the model: every further call would fail alike."""
    UNREACHABLE = "unreachable"
    """A provider has stopped answering."""
    STORE = "store"
    """Completed calls can no longer be kept."""


class RunStopped(OversightError):
    """No further model call is made; episodes that need one are dropped, and their calls so far are kept.

    Args:
        reason: why.
        message: one line for a person.
        lost: how many completed calls could not be kept so far, and so are paid again.
    """

    def __init__(self, reason: StopReason, message: str, lost: int = 0) -> None:
        super().__init__(reason, message, lost)
        self.reason = reason
        self.message = message
        self.lost = lost

    def __str__(self) -> str:
        return self.message


class CallFailed(OversightError):
    """A model call gave nothing usable.

    Args:
        failure: the class it is stored under.
        message: one line for a person; never holds a key or a prompt.
        retry_after: seconds the provider asked to wait, if it did.
        reply: the `oversight.core.chat.ChatReply` that cannot be used, if one came: it was paid for; None otherwise.
    """

    def __init__(
        self,
        failure: FailureClass,
        message: str,
        retry_after: float | None = None,
        reply: object = None,
    ) -> None:
        super().__init__(failure, message, retry_after, reply)
        self.failure = failure
        self.message = message
        self.retry_after = retry_after
        self.reply = reply

    def __str__(self) -> str:
        return f"{self.failure.value}: {self.message}"
