"""From the probabilities of a reply's first token to those of the choices."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

__all__ = ["first_token_probs"]

# The last two are tokenizers' marks for a space, which some servers leak.
_DECORATION = string.whitespace + string.punctuation + "\u201c\u201d\u2018\u2019\u2581\u0120"


def first_token_probs(choice: Any, choices: Sequence[str]) -> dict[str, float] | None:
    """Probability mass of each of ``choices`` as the first token of an OpenAI-shaped response choice.

    Variants of one choice (``" A"``, ``"(A"``, ``"A."``) are summed; case counts. Nothing is scaled, so the
    sum is the probability that the model answers with a choice at all.

    Returns:
        None where the response has no alternatives to its first token, or where that token opens a chain of
        thought and so says nothing about the answer.
    """
    tokens: Any = getattr(getattr(choice, "logprobs", None), "content", None) or [None]
    top = getattr(tokens[0], "top_logprobs", None)
    if not top or getattr(choice.message, "reasoning_content", None) or tokens[0].token.startswith("<think"):
        return None
    mass = dict.fromkeys(choices, 0.0)
    bare = {_bare(name): name for name in choices}
    for token, logprob in {entry.token: entry.logprob for entry in top}.items():
        if (name := bare.get(_bare(token))) is not None:
            mass[name] += math.exp(logprob)
    return {name: min(1.0, p) for name, p in mass.items()}


def _bare(token: str) -> str:
    return token.strip(_DECORATION) or token.strip()
