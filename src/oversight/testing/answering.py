"""What the loopback server answers when nobody says otherwise: plausible, and without a thought."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from oversight.models.rehearsal import fitting
from oversight.testing.faults import Reply

__all__ = ["Responder", "default_responder"]

_LISTED = re.compile(r"^\s*\(?([A-Z])[).:]", re.MULTILINE)
_CHOICES = re.compile(r"nothing else: ([A-Z](?:, [A-Z])*)\.\s*$")
_SOLUTION = re.compile(r'a line of the form "Answer: [A-Z]"')
_ANSWERS = re.compile(r'<answer label="([A-Z])">')
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
    all that was asked.
    """
    prompt = str(body["messages"][-1]["content"])
    asked = json.dumps(body["messages"])
    drawn = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:8], "big")
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return Reply(json.dumps(_filled(schema, drawn)))
    choices = _CHOICES.search(prompt)
    labels = choices[1].split(", ") if choices else sorted(set(_LISTED.findall(prompt)))
    if choices or (body.get("logprobs") and labels):
        chosen = labels[drawn % len(labels)]
        share = 0.6 + drawn % 1000 / 2500
        others = (1 - share) / max(1, len(labels) - 1)
        return Reply(chosen, first_token={label: share if label == chosen else others for label in labels})
    point, line = _POINTS[drawn % len(_POINTS)], drawn % 10**9
    ends = sorted({label for each in body["messages"] for label in _ANSWERS.findall(str(each["content"]))})
    if _SOLUTION.search(prompt) and ends:
        return Reply(_STEPS.format(point, line, ends[drawn // 7 % len(ends)]))
    return Reply(_SPEECH.format(point, line))


def _filled(schema: Mapping[str, Any], drawn: int) -> Any:
    """A form that fits: its shares are drawn, and with them its words, the first where the share is highest."""
    form = fitting(schema)
    share = drawn % 1000 / 1000
    for name, part in schema.get("properties", {}).items():
        if words := part.get("enum"):
            form[name] = words[int((1 - share) * len(words)) % len(words)]
        elif part.get("type") == "number" and name.startswith("p_"):
            form[name] = share
    return form
