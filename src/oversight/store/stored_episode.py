"""A stored episode, put together again exactly as it was written."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel, ConfigDict

from oversight.core.chat import CallRecord
from oversight.core.message import Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Answer, Question, Worked
from oversight.core.side import Side

__all__ = ["KEY", "QUERY", "Transcript", "from_row", "stored_question"]

# Bound to: episode, attempt, attempt. One query, so that a live store cannot change in between. Each child
# table is met by the one row chosen, which lets DuckDB skip all but a few blocks of it: a correlated subquery
# took seconds where this takes milliseconds.
QUERY = """
WITH chosen AS MATERIALIZED (
    SELECT * FROM episodes
    WHERE episode_id = ? AND (attempt = ?::INTEGER OR ?::INTEGER IS NULL)
    ORDER BY status = 'judged' DESC, CASE WHEN status = 'judged' THEN attempt ELSE -attempt END
    LIMIT 1
)
SELECT
    chosen.*,
    (SELECT q FROM questions q SEMI JOIN chosen USING (question_key)) AS question,
    (SELECT list(m ORDER BY m.idx) FROM messages m SEMI JOIN chosen USING (run_id, episode_id, attempt)) AS messages,
    (SELECT list(b) FROM beliefs b SEMI JOIN chosen USING (run_id, episode_id, attempt)) AS beliefs,
    (SELECT list(c ORDER BY c.number, c.call_attempt)
        FROM calls c SEMI JOIN chosen USING (run_id, episode_id, attempt)) AS calls,
    (SELECT list(a ORDER BY a.idx) FROM annotations a SEMI JOIN chosen USING (run_id, episode_id, attempt))
        AS annotations
FROM chosen
"""

KEY = ("run_id", "episode_id", "attempt")
"""The columns that say which attempt at an episode a row belongs to."""


class Transcript(BaseModel):
    """One stored attempt at an episode.

    Attributes:
        run_id: the run that produced it.
        spec: what was asked for.
        outcome: what came of it.
        gold: the gold answer's place in the order presented, from 0.
        mistakes: the place of the first wrong step of each worked solution (see `oversight.core.question.Item`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    spec: EpisodeSpec
    outcome: EpisodeOutcome
    gold: int
    mistakes: tuple[int | None, ...] = ()

    @property
    def question(self) -> Question:
        """The question with its answers in the order presented."""
        return self.spec.question

    @property
    def messages(self) -> tuple[Message, ...]:
        """Every message, as the seats got it."""
        return self.outcome.messages

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        """Every model call, the failed ones too."""
        return self.outcome.calls

    @property
    def sides(self) -> tuple[Side, ...]:
        """What each arguing seat was told to argue."""
        return self.outcome.sides

    @property
    def reasoned(self) -> dict[int, int]:
        """The place of each reasoning among the messages -> that of its author's reply, which follows at once."""
        found: dict[int, int] = {}
        reply: int | None = None
        for place in reversed(range(len(self.messages))):
            message = self.messages[place]
            if message.kind is not Kind.REASONING:
                reply = place
            elif reply is not None and self.messages[reply].author == message.author:
                found[place] = reply
        return found


def from_row(row: dict[str, Any], known: dict[tuple[str, tuple[int, ...]], Question] | None = None) -> Transcript:
    """Put an episode together from the one row that `QUERY` gives; the lists in it are used up.

    ``known`` are questions as presented that were put together before, by key and order.
    """
    stored = row["question"]
    order = tuple(row["answer_order"])
    known = {} if known is None else known
    if (question := known.get((row["question_key"], order))) is None:
        question = known[row["question_key"], order] = stored_question(stored).presented(order)
    # All of it is validated at once, which takes half the time of making each record by itself.
    return Transcript.model_validate(
        {
            "run_id": row["run_id"],
            "spec": {
                "question": question,
                "cast": json.loads(row["models"]),
                "options": json.loads(row["options"]),
                "answer_order": order,
                "assignment": row["assignment"],
                **{name: row[name] for name in _SPEC_COLUMNS},
            },
            "outcome": {
                "messages": _messages(row, question.material),
                "calls": [_call(call) for call in row["calls"] or ()],
                "sides": row["sides"],
                "verdict": _verdict(row),
                **{name: row[name] for name in _OUTCOME_COLUMNS},
            },
            "gold": order.index(stored["gold"]),
            "mistakes": stored["mistakes"] or (),
        }
    )


def stored_question(row: dict[str, Any]) -> Question:
    """Put a question together from its row, with its answers in the order stored."""
    return Question(
        answers=tuple(Answer(**answer) for answer in row["answers"]),
        worked=tuple(Worked(**worked) for worked in row["worked"] or ()),
        **{name: row[name] for name in ("id", "prompt", "material", "cluster")},
    )


_SPEC_COLUMNS = (
    *("episode_id", "attempt", "arm", "task", "protocol", "protocol_version", "protocol_key"),
    *("judge", "strong", "question_key", "seed", "repeat"),
)
_OUTCOME_COLUMNS = ("episode_id", "attempt", "status", "started_at", "duration_s", "failure", "detail")


def _messages(row: dict[str, Any], material: str | None) -> list[dict[str, Any]]:
    beliefs = {held["idx"]: _belief(held) for held in row["beliefs"] or ()}
    quotes: dict[int, list[dict[str, Any]]] = {}
    for note in row["annotations"] or ():
        if not note["verdict"]:
            quotes.setdefault(note["message"], []).append(json.loads(note["data"]))
    messages = []
    for message in row["messages"] or ():
        idx = message.pop("idx")
        if message["text"] is None:
            message["text"] = material
        message["quotes"] = quotes.get(idx, ())
        message["belief"] = beliefs.get(idx)
        messages.append(_without_key(message))
    return messages


def _belief(held: dict[str, Any]) -> dict[str, Any]:
    return {name: held[name] for name in ("probs", "source", "status", "mass")}


def _call(call: dict[str, Any]) -> dict[str, Any]:
    found = _without_key(call)
    found["attempt"] = found.pop("call_attempt")
    return found


def _without_key(record: dict[str, Any]) -> dict[str, Any]:
    """Take off what says which episode a record belongs to."""
    for name in KEY:
        record.pop(name, None)
    return record


def _verdict(row: dict[str, Any]) -> dict[str, Any] | None:
    final = [held for held in row["beliefs"] or () if held["final"]]
    if not final:
        return None
    notes = [
        {"kind": note["kind"], "data": json.loads(note["data"]), "message": note["message"]}
        for note in row["annotations"] or ()
        if note["verdict"]
    ]
    return {"belief": _belief(final[0]), "annotations": notes}
