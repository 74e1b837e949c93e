"""From the log probabilities of a reply's first token to the probabilities of the choices, or why there are none."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from oversight.models.reply.thought import Tag, opens_thought

__all__ = ["MOST_MASS", "ChoiceProbs", "bare_token", "choice_probs", "why_impossible"]

# The last two are tokenizers' marks for a space, which some servers leak.
_DECORATION = string.whitespace + string.punctuation + "\u201c\u201d\u2018\u2019\u2581\u0120"

MOST_MASS = 1.01
"""What probabilities may sum to: a little more than 1, because servers round them."""

_FEWEST = 2
"""Alternatives without which nothing is known of the choices that were not sampled."""


class ChoiceProbs(NamedTuple):
    """The probability of each choice as the first token.

    Attributes:
        probs: not scaled; None where there are none to trust.
        why: why there are none.
        lasting: whether other replies of the same model will have none either.
    """

    probs: dict[str, float] | None
    why: str = ""
    lasting: bool = False


class _Entry(NamedTuple):
    token: str
    logprob: Any
    data: str


def choice_probs(choice: Mapping[str, Any], choices: Sequence[str], tags: Sequence[Tag] = ()) -> ChoiceProbs:
    """Read the probability mass of each of ``choices`` as the first token of an OpenAI-shaped response choice.

    Variants of one choice (``" A"``, ``"(A"``, ``"A."``) are summed, and so are several tokens of one text; an
    exact repeat of an entry counts once. Case counts. The sum is the probability that the model answers with a
    choice at all.

    Args:
        choice: the response's choice, as decoded JSON.
        choices: the labels.
        tags: a model's own tags of thoughts.
    """
    sampled, entries = _first_token(choice.get("logprobs"))
    if len(set(entries)) < min(_FEWEST, len(choices)):
        return ChoiceProbs(None, "they came without alternatives to the first token", lasting=not entries)
    if opens_thought(sampled.token, tags):
        return ChoiceProbs(None, "the reply began with a thought", lasting=True)
    mass = dict.fromkeys(choices, 0.0)
    bare = {bare_token(name): name for name in choices}
    total = 0.0
    for entry in dict.fromkeys([*entries]):
        name = bare.get(bare_token(entry.token))
        if not isinstance(entry.logprob, int | float) or isinstance(entry.logprob, bool) or math.isnan(entry.logprob):
            return ChoiceProbs(None, "one of them is no number")
        if math.isinf(entry.logprob) and (entry.logprob > 0 or name is not None or entry == sampled):
            return ChoiceProbs(None, "one of them is infinite")
        if entry.logprob > math.log(MOST_MASS):
            return ChoiceProbs(None, "a log probability is positive", lasting=True)
        total += math.exp(entry.logprob)
        if name is not None:
            mass[name] += math.exp(entry.logprob)
    why = why_impossible(mass) or ("they sum to more than 1" if total > MOST_MASS else "")
    return ChoiceProbs(None, why) if why else ChoiceProbs({name: min(1.0, p) for name, p in mass.items()})


def why_impossible(probs: Mapping[str, float]) -> str:
    """Say why these cannot be the probabilities of exclusive choices; empty if they can."""
    if any(not math.isfinite(p) for p in probs.values()):
        return "one of them is no number"
    if any(p < 0 for p in probs.values()):
        return "one of them is negative"
    return "they sum to more than 1" if sum(probs.values()) > MOST_MASS else ""


def bare_token(token: str) -> str:
    """Return a token without the spaces and punctuation around it, unless there is nothing else."""
    return token.strip(_DECORATION) or token.strip()


def _first_token(logprobs: Any) -> tuple[_Entry, list[_Entry]]:
    """Return the token that was sampled first, and its alternatives; of the chat API's form or the older one."""
    nothing = _Entry("", None, "")
    if not isinstance(logprobs, Mapping):
        return nothing, []
    content = logprobs.get("content")
    if isinstance(content, Sequence) and content and isinstance(content[0], Mapping):
        top = content[0].get("top_logprobs") or ()
        return _entry(content[0]), [_entry(each) for each in top if isinstance(each, Mapping)]
    tokens, top = logprobs.get("tokens"), logprobs.get("top_logprobs")
    if isinstance(tokens, Sequence) and tokens and isinstance(top, Sequence) and top and isinstance(top[0], Mapping):
        alternatives = [_Entry(str(token), logprob, "") for token, logprob in top[0].items()]
        sampled = next((each for each in alternatives if each.token == str(tokens[0])), nothing)
        return sampled, alternatives
    return nothing, []


def _entry(entry: Mapping[str, Any]) -> _Entry:
    return _Entry(str(entry.get("token", "")), entry.get("logprob"), repr(entry.get("bytes")))
