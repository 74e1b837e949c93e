"""Stored episodes as rows of an export, straight from the store's columns.

A row is what `oversight.store.Transcript` would be as JSON, rearranged; to make one of each episode first, and check
again what was checked when it was stored, would take twice as long.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from pydantic import BaseModel, TypeAdapter

from oversight.belief import Belief
from oversight.models.base import CallRecord
from oversight.quotes import Quote
from oversight.record import EpisodeSpec, Side
from oversight.secrets import redact
from oversight.transcript import Message

__all__ = ["episode_row"]


def _fields(record: type[BaseModel], *without: str) -> tuple[str, ...]:
    return tuple(name for name, field in record.model_fields.items() if name not in without and not field.exclude)


_SPEC = _fields(EpisodeSpec, "episode_id", "attempt")
_MESSAGE = _fields(Message, "belief")
_BELIEF = _fields(Belief)
_QUOTE = _fields(Quote)
_CALL = _fields(CallRecord)
_SIDE = _fields(Side)
_TIME = TypeAdapter(datetime)
_json = json.JSONDecoder(parse_constant=lambda _: None).decode
"""Read stored JSON, which may hold numbers that JSON lacks: those become None."""


def episode_row(run: str, stored: dict[str, Any]) -> dict[str, Any]:
    """Return all that the store knows of an episode of a run but secrets, so that it can be built again.

    ``stored`` is one of `oversight.reports.transcripts.stored_rows`; it is used up.
    """
    order = stored["answer_order"]
    question = stored["question"]
    beliefs = {held["idx"]: held for held in stored["beliefs"]}
    final = next((held for held in stored["beliefs"] if held["final"]), None)
    said = stored["messages"]
    return {
        "run": run,
        "episode": stored["episode_id"],
        "attempt": stored["attempt"],
        "status": stored["status"],
        "failure": stored["failure"],
        "detail": stored["detail"] and redact(stored["detail"]),
        "started_at": _TIME.dump_python(stored["started_at"], mode="json"),
        "duration_s": _number(stored["duration_s"]),
        "made_by_run": stored["run_id"],
        "spec": _spec(stored, _presented(question, order)),
        "gold": order.index(question["gold"]),
        "mistakes": question["mistakes"] or [],
        "verdict": None if final is None else _belief(final),
        "messages": _messages(stored, question["material"]),
        "beliefs": [
            {"message": place, "seat": message["author"], "turn": message["turn"]} | _belief(held)
            for place, message in enumerate(said)
            if (held := beliefs.get(message["idx"])) is not None
        ],
        "annotations": [
            {"kind": note["kind"], "data": _json(note["data"]), "message": note["message"]}
            for note in stored["annotations"]
            if note["verdict"] and final is not None
        ],
        "calls": [_call(call) for call in stored["calls"]],
        "sides": [{name: side[name] for name in _SIDE} for side in stored["sides"]],
    }


def _presented(question: dict[str, Any], order: list[int]) -> dict[str, Any]:
    """A stored question as `oversight.question.Question.presented` has it."""
    return {
        "id": question["id"],
        "prompt": question["prompt"],
        "answers": [question["answers"][place] for place in order],
        "material": question["material"],
        "cluster": question["cluster"],
        "worked": [
            {"answer": order.index(each["answer"]), "steps": each["steps"]} for each in question["worked"] or ()
        ],
    }


def _spec(stored: dict[str, Any], question: dict[str, Any]) -> dict[str, Any]:
    found = {**stored, "question": question, "cast": _json(stored["models"]), "options": _json(stored["options"])}
    return {name: found[name] for name in _SPEC}


def _messages(stored: dict[str, Any], material: str | None) -> list[dict[str, Any]]:
    quotes: dict[int, list[dict[str, Any]]] = {}
    for note in stored["annotations"]:
        if not note["verdict"]:
            quote = _json(note["data"])
            quotes.setdefault(note["message"], []).append({name: quote.get(name) for name in _QUOTE})
    messages = []
    for message in stored["messages"]:
        message["quotes"] = quotes.get(message["idx"], [])
        if message["text"] is None:
            message["text"] = material
        messages.append({name: message[name] for name in _MESSAGE})
    return messages


def _belief(held: dict[str, Any]) -> dict[str, Any]:
    found = {name: held[name] for name in _BELIEF}
    found["mass"] = _number(found["mass"])
    return found


def _call(call: dict[str, Any]) -> dict[str, Any]:
    call["attempt"] = call["call_attempt"]
    call["cost_usd"], call["latency_s"] = _number(call["cost_usd"]), _number(call["latency_s"])
    # What raised a failure should have kept keys out of its words; this leaves the machine.
    call["detail"] = call["detail"] and redact(call["detail"])
    return {name: call[name] for name in _CALL}


def _number(value: float | None) -> float | None:
    """A number that JSON has, or None."""
    return value if value is not None and math.isfinite(value) else None
