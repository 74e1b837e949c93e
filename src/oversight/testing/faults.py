"""What goes wrong with requests to a loopback server: faults in turn, or a share of all at random."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

__all__ = ["FAULTS", "Chaos", "Fault", "Reply"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_HANGS_S = 600.0
"""Longer than any client waits, but finite: a server that runs for days must not keep every thread."""


class Reply(NamedTuple):
    """What the served model says.

    Attributes:
        text: the reply's content.
        finish_reason: OpenAI's word for why it ended.
        first_token: probabilities of first tokens, sent as log probabilities to a request that asks for them.
        refusal: the text of OpenAI's ``refusal`` field; the content is null then.
        cached_tokens: how many prompt tokens count as cached.
    """

    text: str
    finish_reason: str = "stop"
    first_token: Mapping[str, float] | None = None
    refusal: str | None = None
    cached_tokens: int = 0


class Fault(NamedTuple):
    """What goes wrong with one request; each class method is a well-known way.

    Attributes:
        status: the HTTP status.
        body: the exact response body; None: the responder's usual one.
        headers: response headers to add.
        reply: replaces what the responder would say.
        delay_s: seconds to wait before answering.
        pace_s: seconds between one byte of the body and the next.
        cut: send half of the body, then drop the connection.
    """

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    reply: Reply | None = None
    delay_s: float = 0.0
    pace_s: float = 0.0
    cut: bool = False

    @classmethod
    def error(
        cls, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Fault:
        """An OpenAI error object under any status; 200 is one that hides its failure."""
        error = {"message": message, "type": "error", "param": None, "code": code}
        return cls(status, json.dumps({"error": error}), headers)

    @classmethod
    def rate_limited(cls, retry_after: str | float | None = None) -> Fault:
        """429; ``retry_after`` is seconds or an HTTP date."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls.error(429, "Rate limit reached", code="rate_limit_exceeded", headers=headers)

    @classmethod
    def unauthorized(cls, key: str = "sk-wrong") -> Fault:
        """401 that repeats the key, as OpenAI's does."""
        return cls.error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")

    @classmethod
    def context_length(cls) -> Fault:
        """400 for a prompt that is too long."""
        message = "This model's maximum context length is 8192 tokens. However, your messages are 9000 tokens."
        return cls.error(400, message, code="context_length_exceeded")

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """The usual reply, late."""
        return cls(delay_s=seconds)

    @classmethod
    def hang(cls) -> Fault:
        """No reply until the server closes."""
        return cls(delay_s=math.inf)

    @classmethod
    def trickle(cls, seconds: float = 0.05) -> Fault:
        """The usual reply, a byte at a time."""
        return cls(pace_s=seconds)

    @classmethod
    def reset(cls) -> Fault:
        """The connection drops in the middle of the body."""
        return cls(cut=True)

    @classmethod
    def not_json(cls) -> Fault:
        """200 with a body that does not parse."""
        return cls(body='{"id": "chatcmpl-1", "choices": [')

    @classmethod
    def no_choices(cls) -> Fault:
        """200 with an empty list of choices."""
        return cls(body='{"id": "chatcmpl-1", "object": "chat.completion", "choices": []}')

    @classmethod
    def blank(cls) -> Fault:
        """A finished reply of nothing."""
        return cls(reply=Reply(""))

    @classmethod
    def truncated(cls, text: str = "The passage clearly") -> Fault:
        """A reply that met the token limit."""
        return cls(reply=Reply(text, "length", first_token={text.split(maxsplit=1)[0]: 0.9} if text else None))

    @classmethod
    def refusal(cls) -> Fault:
        """A reply in the refusal field."""
        return cls(reply=Reply("", refusal="I cannot help with that."))

    @classmethod
    def content_filter(cls) -> Fault:
        """A reply that the provider's filter stopped."""
        return cls(reply=Reply("", "content_filter"))


FAULTS: Mapping[str, Callable[[random.Random], Fault]] = MappingProxyType(
    {
        "slow": lambda rng: Fault.slow(rng.uniform(0.1, 1.0)),
        "rate_limited": lambda rng: Fault.rate_limited(round(rng.uniform(0.1, 0.5), 2)),
        "server_error": lambda rng: Fault.error(500, "The server had an error"),
        "reset": lambda rng: Fault.reset(),
        "hang": lambda rng: Fault(delay_s=_HANGS_S, cut=True),
        "not_json": lambda rng: Fault.not_json(),
        "hidden_error": lambda rng: Fault.error(200, "Upstream failure"),
        "blank": lambda rng: Fault.blank(),
        "truncated": lambda rng: Fault.truncated(),
        "refusal": lambda rng: Fault.refusal(),
    }
)
"""The faults that `Chaos` draws from, by name."""


class Chaos(NamedTuple):
    """Faults at random in a share of all requests, and odd shapes in a share of the replies to the others.

    A draw depends on the seed, the request's body and how often that body came before, and not on what else
    is asked meanwhile: the same requests meet the same faults and shapes in any order.

    Attributes:
        share: of the requests that something goes wrong with.
        seed: another one draws other faults and shapes.
        kinds: names in `FAULTS`, each as likely as the others.
        latency_s: every reply comes after half to one and a half times as many seconds.
        shapes: the share of replies that are written in the manner of some real server.
        shape_names: names in `oversight.testing.shapes.SHAPES`; of those that fit a reply each is as likely as the
            others. Without any, all of them.
    """

    share: float = 0.0
    seed: int = 0
    kinds: tuple[str, ...] = tuple(FAULTS)
    latency_s: float = 0.0
    shapes: float = 0.0
    shape_names: tuple[str, ...] = ()

    def draw(self, digest: str, before: int) -> tuple[str | None, Fault]:
        """What happens to a request: the fault's name, None if there is none, and the fault."""
        rng = random.Random(f"{self.seed} {digest} {before}")
        latency = self.latency_s * rng.uniform(0.5, 1.5)
        if rng.random() >= self.share:
            return None, Fault(delay_s=latency)
        kind = rng.choice(self.kinds)
        fault = FAULTS[kind](rng)
        return kind, fault._replace(delay_s=fault.delay_s + latency)
