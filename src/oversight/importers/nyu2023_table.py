"""Table 1 of Michael et al. (2023) from a store: the measures that are this paper's own, from the store's rows alone.

``python -m oversight.cli.michael2023_table PATH`` prints it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev
from typing import Any, NamedTuple

from oversight.importers.nyu2023_speech import SPANS
from oversight.store import Store

__all__ = ["PUBLISHED", "RoomMeasures", "TableRow", "chi_square", "platform_text", "played", "table"]

TURN_COST = 0.05
"""What a judge's score lost, in bits, each time the judge went on."""

_BINS = 10

_EPISODES = """
SELECT
    results.episode_id, results.arm, results.honest, results.correct, results.tie, results.p_gold,
    list_position(episodes.answer_order, questions.gold) AS place,
    (SELECT list({'idx': idx, 'probs': probs} ORDER BY idx) FROM beliefs
        WHERE beliefs.episode_id = results.episode_id AND beliefs.attempt = results.attempt) AS beliefs,
    (SELECT list({'idx': idx, 'author': author, 'turn': turn, 'text': text} ORDER BY idx) FROM messages
        WHERE messages.episode_id = results.episode_id AND messages.attempt = results.attempt
            AND kind = 'speech' AND author <> 'judge') AS speeches,
    (SELECT list({'message': message, 'kind': kind, 'data': data::VARCHAR} ORDER BY message, idx) FROM annotations
        WHERE annotations.episode_id = results.episode_id AND annotations.attempt = results.attempt
            AND kind IN ('quote', 'room', ?)) AS notes
FROM results
JOIN episodes ON episodes.episode_id = results.episode_id AND episodes.attempt = results.attempt
JOIN questions ON questions.question_key = results.question_key
WHERE results.run_id = ?
ORDER BY results.arm_no, results.episode_id
"""


@dataclass
class _Speech:
    """One speech: its own words and its quotes in characters, and which of the story's tokens it quotes."""

    turn: int
    own: int
    quotes: int = 0
    tokens: dict[int, str] = field(default_factory=dict)


class RoomMeasures(NamedTuple):
    """What the paper measures of one room.

    Attributes:
        rounds: rounds of speeches.
        characters: of all speeches, quotes included.
        quoted: characters of what each speech quotes that no earlier round had quoted. Two debaters who quote the
            same in one round both count.
        quotes: characters of all quotes.
        bits: what the judge learnt, log2 of the right answer's final probability over its prior one.
        score: the judge's, log2 of the right answer's final probability less 0.05 for each time it went on.
    """

    arm: str
    honest: str | None
    correct: bool
    tie: bool
    p_gold: float
    rounds: int
    characters: int
    quoted: int
    quotes: int
    bits: float
    score: float


class TableRow(NamedTuple):
    """One row of the table; each attribute is a column.

    Attributes:
        rounds, rounds_sd: mean and population standard deviation.
        quotes, characters, bits: per round, as ratios of sums over the arm.
        redundant: share of the quotes' characters that an earlier round had quoted already.
        score: mean judge score in bits.
        ece: in 10 bins of max(p, 1 - p), ties counting half, p being the right answer's probability. Judges name
            round numbers, which lie on the bins' edges, so that the last bit of 1 - p decides the bin of many:
            it is computed exactly as the paper does, and `oversight report` gives it from the larger probability.
    """

    arm: str
    n: int
    correct: int
    accuracy: float
    rounds: float
    rounds_sd: float
    quotes: float
    characters: float
    redundant: float
    bits: float
    score: float
    ece: float


PUBLISHED: dict[str, dict[str, float]] = {
    "human debate": {"accuracy": 0.84, "rounds": 2.7, "bits": 0.09, "score": -0.89, "ece": 0.11},
    "human consultancy": {"accuracy": 0.74, "rounds": 4.0, "bits": 0.01, "score": -1.24, "ece": 0.17},
    "AI debate": {"accuracy": 0.78, "rounds": 3.8, "bits": 0.00, "score": -1.20, "ece": 0.16},
    "AI consultancy": {"accuracy": 0.80, "rounds": 4.2, "bits": 0.01, "score": -1.16, "ece": 0.17},
}
PUBLISHED["human debate"] |= {"quotes": 362, "characters": 1319, "redundant": 0.03, "rounds_sd": 1.1}
PUBLISHED["human consultancy"] |= {"quotes": 402, "characters": 1004, "redundant": 0.02, "rounds_sd": 2.4}
PUBLISHED["AI debate"] |= {"quotes": 127, "characters": 1188, "redundant": 0.35, "rounds_sd": 2.6}
PUBLISHED["AI consultancy"] |= {"quotes": 169, "characters": 926, "redundant": 0.26, "rounds_sd": 3.8}


def table(rooms: Sequence[RoomMeasures]) -> list[TableRow]:
    """The paper's table, one row for each arm."""
    return [_row(arm, [room for room in rooms if room.arm == arm]) for arm in dict.fromkeys(r.arm for r in rooms)]


def _row(arm: str, rooms: Sequence[RoomMeasures]) -> TableRow:
    rounds = sum(room.rounds for room in rooms)
    return TableRow(
        arm=arm,
        n=len(rooms),
        correct=sum(room.correct for room in rooms),
        accuracy=fmean(room.correct for room in rooms),
        rounds=rounds / len(rooms),
        rounds_sd=pstdev(room.rounds for room in rooms),
        quotes=sum(room.quoted for room in rooms) / rounds,
        characters=sum(room.characters for room in rooms) / rounds,
        redundant=1 - sum(room.quoted for room in rooms) / max(1, sum(room.quotes for room in rooms)),
        bits=sum(room.bits for room in rooms) / rounds,
        score=fmean(room.score for room in rooms),
        ece=_calibration_error(rooms),
    )


def _calibration_error(rooms: Sequence[RoomMeasures]) -> float:
    gaps = [0.0] * _BINS
    for room in rooms:
        confidence = max(room.p_gold, 1 - room.p_gold)
        right = 0.5 if room.tie else float(room.correct)
        gaps[min(int(confidence * _BINS), _BINS - 1)] += right - confidence
    return sum(map(abs, gaps)) / len(rooms)


def chi_square(rows: Sequence[TableRow], one: str, other: str, *, corrected: bool) -> float:
    """The p value of the chi-square test on right and wrong in two arms, with or without Yates's correction.

    It takes rooms for independent, which those on one story are not: the paper's test, not a recommended one.
    """
    from scipy.stats import chi2_contingency

    counts = {row.arm: (row.correct, row.n - row.correct) for row in rows}
    return float(chi2_contingency([counts[one], counts[other]], correction=corrected).pvalue)


def played(store: Store, run: str) -> list[RoomMeasures]:
    """What the paper measures of each judged room of an import."""
    return [_played(row) for row in store.arrow(_EPISODES, [SPANS, run]).to_pylist()]


def _played(row: dict[str, Any]) -> RoomMeasures:
    notes = [(note["message"], note["kind"], json.loads(note["data"])) for note in row["notes"]]
    (room,) = (data for _, kind, data in notes if kind == "room")
    speeches = [_speech(speech, notes) for speech in row["speeches"] or ()]
    prior = row["beliefs"][0]["probs"][row["place"] - 1]
    return RoomMeasures(
        **{name: row[name] for name in ("arm", "honest", "correct", "tie", "p_gold")},
        rounds=len({speech.turn for speech in speeches}),
        characters=sum(speech.own + speech.quotes for speech in speeches),
        quoted=_quoted(speeches),
        quotes=sum(speech.quotes for speech in speeches),
        bits=math.log2(row["p_gold"] / prior),
        score=math.log2(row["p_gold"]) - TURN_COST * room["continues"],
    )


def _speech(speech: dict[str, Any], notes: Sequence[tuple[int, str, dict[str, Any]]]) -> _Speech:
    about = [(kind, data) for message, kind, data in notes if message == speech["idx"]]
    own = len(speech["text"]) - sum(data["end"] - data["start"] for kind, data in about if kind == "quote")
    found = _Speech(speech["turn"], own)
    for kind, data in about:
        for quote in data["quotes"] if kind == SPANS else ():
            found.quotes += len(platform_text(quote["tokens"]))
            found.tokens.update(enumerate(quote["tokens"], start=quote["span"][0]))
    return found


def _quoted(speeches: Sequence[_Speech]) -> int:
    """The characters that speeches quote and no earlier round had quoted."""
    characters, known = 0, set[int]()
    for turn in sorted({speech.turn for speech in speeches}):
        those = [speech for speech in speeches if speech.turn == turn]
        characters += sum(len(platform_text(run)) for speech in those for run in _runs(speech.tokens, known))
        known.update(*(speech.tokens for speech in those))
    return characters


def _runs(tokens: dict[int, str], known: set[int]) -> Iterator[list[str]]:
    """The passages that the new ones of these tokens make up."""
    run: list[str] = []
    last: int | None = None
    for place in sorted(tokens.keys() - known):
        if last is not None and place > last + 1:
            yield run
            run = []
        run.append(tokens[place])
        last = place
    if run:
        yield run


_SHOWN = {"`": "'", "``": '"', "''": '"', "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "--": "-"}
_NONE_BEFORE = {*".,!?;:%-+)]}°", "n't", "'s", "'re", "'ve", "'ll", "na", "'m", "'d"}
_NONE_AFTER = {*"$£€#-([{"}
_MARKS = {"'": "'", "`": "'", '"': '"', "``": '"', "''": '"'}
_OPENS = {"'", "`", '"', "``"}
_CLOSES = {"'", '"', "''"}


def platform_text(tokens: Sequence[str]) -> str:
    """Tokens as the study's platform showed them, whose characters its limits and the paper's table count.

    It sets tokens a little wider than `oversight.tasks.nyu2023.readable` does.
    """
    lone = sum(_MARKS.get(word) == "'" for word in tokens) == 1
    inside = {"'": False, '"': False}
    text, glued = "", True
    for word in tokens:
        shown, mark = _SHOWN.get(word, word.replace("\\/", "/")), _MARKS.get(word)
        before = glued or shown in _NONE_BEFORE
        after = shown in _NONE_AFTER
        if lone and word == "'":
            before, after = True, False
        elif mark:
            before |= inside[mark] and word in _CLOSES
            after |= not inside[mark] and word in _OPENS
            inside[mark] = not inside[mark]
        text += shown if before else " " + shown
        glued = after
    return text
