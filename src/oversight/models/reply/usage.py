"""What a server says a reply took, as far as that can be true."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, NamedTuple

from oversight.core.chat import ChatReply

__all__ = ["Usage", "checked_usage", "read_usage", "valid_count"]

_MOST_TOKENS = 2**53
"""Beyond it JSON's numbers are no longer exact; no reply comes near."""

_CACHED = ("prompt_cache_hit_tokens", "cache_read_input_tokens")
"""Where servers that have no ``prompt_tokens_details`` say how much of the prompt they had cached."""


class Usage(NamedTuple):
    """Counts of tokens; None where one is missing or cannot be true.

    Attributes:
        reasoning: whether some of the reply's tokens were a thought.
        why: what is wrong with the counts, empty if nothing is.
    """

    prompt: int | None
    completion: int | None
    cached: int | None
    reasoning: bool = False
    why: str = ""


def read_usage(usage: Any, *, spoke: bool) -> Usage:
    """Read a response's ``usage`` object.

    Args:
        usage: the object, as decoded JSON.
        spoke: whether there is any text, which takes tokens.
    """
    if not isinstance(usage, Mapping):
        return Usage(None, None, None, why="the server did not say it")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, Mapping) else None
    for name in _CACHED:
        cached = usage.get(name) if cached is None else cached
    made = usage.get("completion_tokens_details")
    thought = valid_count(made.get("reasoning_tokens")) if isinstance(made, Mapping) else None
    given = {
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "cached_tokens": 0 if cached is None else cached,
    }
    # No prompt and no speech has no tokens; libraries write 0 where a server said nothing.
    given |= {"prompt_tokens": given["prompt_tokens"] or None}
    if spoke:
        given |= {"completion_tokens": given["completion_tokens"] or None}
    prompt, completion, cached = (valid_count(count) for count in given.values())
    wrong = [f"{name} {count!r:.40}" for name, count in given.items() if valid_count(count) is None]
    if cached is not None and prompt is not None and cached > prompt:
        wrong, cached = [*wrong, f"cached_tokens {cached} of {prompt}"], None
    return Usage(prompt, completion, cached, bool(thought), ", ".join(wrong))


def valid_count(count: Any) -> int | None:
    """Return a whole number of tokens, or None where ``count`` can be none."""
    # NumPy's numbers are of these kinds too.
    if isinstance(count, bool) or not isinstance(count, Real):
        return None
    if isinstance(count, Integral):
        whole = int(count)
    elif float(count).is_integer():
        whole = int(float(count))
    else:
        return None
    return whole if 0 <= whole <= _MOST_TOKENS else None


def checked_usage(reply: ChatReply) -> tuple[Usage, float | None]:
    """Return the counts and the price of a reply that is kept already, as far as they can be true."""
    given = (reply.prompt_tokens, reply.completion_tokens, reply.cached_tokens)
    prompt, completion, cached = (None if count is None else valid_count(count) for count in given)
    if cached is not None and prompt is not None and cached > prompt:
        cached = None
    kept = (prompt, completion, cached)
    wrong = any(count is not None and found is None for count, found in zip(given, kept, strict=True))
    why = "{!r:.25} + {!r:.25} tokens, {!r:.25} cached".format(*given) if wrong else ""
    cost = None if wrong or reply.cost_usd is None else float(reply.cost_usd)
    return Usage(*kept, why=why), cost if cost is not None and 0 <= cost < math.inf else None
