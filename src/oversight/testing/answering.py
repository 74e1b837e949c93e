"""What the loopback server answers unless it is told otherwise: plausible replies that need no model."""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from oversight.core.elicitation import even_statement
from oversight.models.dry_run_model import example_for_schema
from oversight.testing.faults import Reply

__all__ = ["Responder", "chat_completion", "default_responder"]

_LISTED = re.compile(r"^\s*\(?([A-Z])[).:]", re.MULTILINE)
_CHOICES = re.compile(r"nothing else: ([A-Z](?:, [A-Z])*)\.\s*$")
_SOLUTION = re.compile(r'a line of the form "Answer: [A-Z]"')
_ANSWERS = re.compile(r'<answer label="([A-Z])">')
_OBJECT = re.compile(r"\bone JSON object\b")
_QUOTED = re.compile(r'"([A-Z])"')
_SPEECH = "The second paragraph settles it: {} in line {} rules out the other reading."
_POINTS = ("the date given", "the name used", "the order of events", "what is left out", "the figure quoted")
_STEPS = "The question turns on {0}.\nCounting from line {1}, {0} comes up twice.\nSo one answer is left.\nAnswer: {2}"

Responder = Callable[[Mapping[str, Any]], Reply | str]
"""Answers one request body."""


def default_responder(body: Mapping[str, Any]) -> Reply:
    """Answer plausibly: an object that fits, a labelled answer, a solution in steps, or prose.

    The same request gets the same. One whose last message asks for a label and nothing else, as the framework does,
    gets one of them. With ``logprobs`` so does one that lists labels (``A)``, ``(A)`` or ``A.`` at a line's start), and
    both get probabilities. What is said, which label it is, and what a form holds where it leaves a choice, depend on
    all that was asked. Where an object is asked for in words alone, it has the form of the example in them, or states
    a belief about the answers.
    """
    prompt = _text(body["messages"][-1]["content"])
    # The words alone: instructions that had to move into the first user message change no answer.
    asked = "\n\n".join(_text(each["content"]) for each in body["messages"])
    drawn = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8], "big")
    answers = sorted({label for each in body["messages"] for label in _ANSWERS.findall(_text(each["content"]))})
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return Reply(json.dumps(_filled(schema, drawn)))
    choices = _CHOICES.search(prompt)
    labels = choices[1].split(", ") if choices else sorted(set(_LISTED.findall(prompt)))
    if choices or (body.get("logprobs") and labels):
        shares = _shares(labels, drawn)
        return Reply(max(shares, key=shares.__getitem__), first_token=shares)
    wanted = next(filter(None, map(_OBJECT.search, (prompt, _text(body["messages"][0]["content"])))), None)
    if wanted:
        return Reply(json.dumps(_object(wanted.string[wanted.end() :], answers, drawn)))
    point, line = _POINTS[drawn % len(_POINTS)], drawn % 10**9
    if _SOLUTION.search(prompt) and answers:
        return Reply(_STEPS.format(point, line, answers[drawn // 7 % len(answers)]))
    return Reply(_SPEECH.format(point, line))


def chat_completion(body: Mapping[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """Write a reply as a ``chat.completion`` object; ``number`` tells it from others."""
    content = None if reply.refusal else reply.text
    message = {"role": "assistant", "content": content, "refusal": reply.refusal}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    if body.get("logprobs") and reply.first_token:
        ranked = sorted(reply.first_token.items(), key=lambda item: -item[1])
        tokens = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in ranked]
        choice["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens[: body.get("top_logprobs", 0)]}]}
    prompt, completion = sum(len(_text(m["content"]).split()) for m in body["messages"]), len(reply.text.split())
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": {**usage, "prompt_tokens_details": {"cached_tokens": reply.cached_tokens}},
    }


def _text(content: Any) -> str:
    """The text of a message, whose content may be a list of parts."""
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content or ())


def _shares(labels: Sequence[str], drawn: int) -> dict[str, float]:
    """Probabilities of labels; the one that is drawn has more than half."""
    chosen = labels[drawn % len(labels)]
    share = 0.6 + drawn % 1000 / 2500
    others = (1 - share) / max(1, len(labels) - 1)
    return {label: share if label == chosen else others for label in labels}


def _filled(schema: Mapping[str, Any], drawn: int) -> Any:
    """A form that fits: its shares are drawn, and with them its words, the first where the share is highest."""
    properties = schema.get("properties", {})
    if belief := even_statement(schema):
        return belief | _shares([label for label in belief if label != "abstain"], drawn)
    form = example_for_schema(schema)
    share = drawn % 1000 / 1000
    for name, part in properties.items():
        if words := part.get("enum"):
            form[name] = words[int((1 - share) * len(words)) % len(words)]
        elif part.get("type") == "number" and name.startswith("p_"):
            form[name] = share
    return form


def _object(words: str, answers: Sequence[str], drawn: int) -> dict[str, Any]:
    """An object that is asked for in words: like the example in them, else a belief."""
    with suppress(ValueError):
        example, _ = json.JSONDecoder().raw_decode(words[words.index("{") :])
        share = drawn % 1000 / 1000
        return {name: share if name.startswith("p_") else value for name, value in example.items()}
    labels = sorted(set(_QUOTED.findall(words))) or answers or ["A", "B"]
    return {**_shares(labels, drawn), "abstain": False}
