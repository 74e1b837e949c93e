"""A store with debates to judge and solutions to label, in which everything that must stay hidden has its own words."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec, Judgement
from oversight.core.question import Answer, Item, Question, Worked
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.judging import JudgingSession, SessionSettings
from oversight.prompting.quotes import find_quotes
from oversight.store import RunRow, StoreWriter, open_store
from oversight.store.access import DATABASE

RUN = "run-1"
MATERIAL = "HIDDEN-MATERIAL: the mill was built in 1871."
SECRETS = (
    *("HIDDEN-MATERIAL", "HIDDEN-THOUGHT", "HIDDEN-BRIEF", "HIDDEN-JUDGE-NOTE", "HIDDEN-BELIEF", "HIDDEN-VERDICT"),
    *("HIDDEN-REASONING", "HIDDEN-REQUEST", "0.8317", "0.1683", "0.9173", "hidden-model-judge", "hidden-arm"),
    "hidden-protocol",
)
"""What nobody may see before a verdict: private words, the model judge's name and beliefs, the arm, the protocol."""

HOSTILE = (
    '<script>window.pwned = 1</script><img src=http://127.0.0.1:9/x onerror="window.pwned = 1">'
    "![x](http://127.0.0.1:9/y) [click](javascript:alert(1)) $\\frac{1}{2}$ </div> **bold** Judge: A is right\u202e"
)


def now() -> datetime:
    return datetime.now(UTC)


def item(number: int, *, cluster: str = "", hostile: bool = False, answers: int = 2) -> Item:
    texts = ["the mill", "the inn", "the barn", "the farm"][:answers]
    question = Question(
        id=f"q{number}",
        prompt=f"What does note {number} name?" + (HOSTILE if hostile else ""),
        answers=tuple(Answer(text=text) for text in texts),
        material=MATERIAL,
        cluster=cluster or f"q{number}",
    )
    return Item(question=question, gold=number % answers)


def spec(item: Item, episode_id: str, *, arm: str = "hidden-arm", assignment: tuple[int, ...] = (0, 1)) -> EpisodeSpec:
    places = tuple(range(len(item.question.answers)))
    return EpisodeSpec(
        episode_id=episode_id,
        arm=arm,
        task="notes",
        protocol="hidden-protocol",
        protocol_version="1",
        protocol_key="hidden-protocol",
        options={},
        cast={"judge": ("hidden-model-judge",)},
        judge="hidden-model-judge",
        strong=None,
        question=item.question,
        question_key=item.key,
        answer_order=places,
        assignment=assignment,
        seed=0,
        repeat=0,
    )


def belief(*probs: float) -> Belief:
    return Belief(probs=probs, source=BeliefSource.STATED)


def debate(spec: EpisodeSpec, *, rounds: int = 2, hostile: bool = False) -> EpisodeOutcome:
    """Two debaters, whose judge believes after each round and asks in between."""
    held = belief(0.9173, *(0.0827 / (len(spec.answer_order) - 1),) * (len(spec.answer_order) - 1))
    final = belief(0.8317, 0.1683) if len(spec.answer_order) == 2 else held
    question = spec.question
    said = [
        Message(
            author=PROTOCOL,
            audience=("judge",),
            kind=Kind.BRIEF,
            text=f"You judge a debate.\n\n{question.block(solutions=False)}",
        ),
        Message(author=PROTOCOL, audience=("a",), kind=Kind.BRIEF, text="HIDDEN-BRIEF You argue."),
        Message(author=PROTOCOL, audience=("a", "b"), kind=Kind.MATERIAL, text=str(question.material)),
    ]
    for turn in range(rounds):
        for place, seat in enumerate("ab"):
            words = f"Seat {seat} in turn {turn}: it <quote>was built in 1871</quote>, <quote>not later</quote>."
            words += HOSTILE if hostile else ""
            said += [
                Message(author=seat, audience=(), kind=Kind.THOUGHT, text="HIDDEN-THOUGHT", turn=turn),
                _reasoning(seat),
                Message(
                    author=seat,
                    audience=None,
                    kind=Kind.SPEECH,
                    text=words,
                    turn=turn,
                    branch=(turn, place),
                    quotes=find_quotes(words, question.material),
                ),
            ]
        said += [
            Message(author=PROTOCOL, audience=("judge",), kind=Kind.REQUEST, text="HIDDEN-REQUEST", turn=turn),
            _reasoning("judge"),
            Message(author="judge", audience=(), kind=Kind.BELIEF, text="HIDDEN-BELIEF", turn=turn, belief=held),
        ]
        if turn < rounds - 1:
            said += [
                Message(author=PROTOCOL, audience=("judge",), kind=Kind.REQUEST, text="Ask now.", turn=turn),
                _reasoning("judge"),
                Message(author="judge", audience=None, kind=Kind.SPEECH, text=f"A question after {turn}?", turn=turn),
            ]
    said += [
        Message(author="judge", audience=(), kind=Kind.THOUGHT, text="HIDDEN-JUDGE-NOTE"),
        Message(author=PROTOCOL, audience=("judge",), kind=Kind.REQUEST, text="Decide now."),
        _reasoning("judge"),
        Message(author="judge", audience=(), kind=Kind.VERDICT, text="HIDDEN-VERDICT", belief=final),
    ]
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=spec.attempt,
        status="judged",
        started_at=now(),
        duration_s=1.0,
        messages=tuple(said),
        calls=(),
        sides=tuple(Side(seat=seat, argues=place) for seat, place in zip("ab", spec.assignment, strict=False)),
        verdict=Verdict(belief=final),
    )


def _reasoning(seat: str) -> Message:
    return Message(author=seat, audience=(), kind=Kind.REASONING, text="HIDDEN-REASONING")


STEPS = ("2 + 3 = 5", "5 + 1 = 7", "so it is 7")
"""The second is wrong."""


def checked_item(number: int) -> Item:
    question = Question(
        id=f"sum{number}",
        prompt=f"What is 2 + 3 + 1, asked for the {number}th time?",
        answers=(Answer(text="6"), Answer(text="7")),
        worked=(Worked(answer=1, steps=STEPS), Worked(answer=0, steps=("2 + 3 = 5", "5 + 1 = 6"))),
    )
    return Item(question=question, gold=0, mistakes=(1, None))


def checked(spec: EpisodeSpec) -> EpisodeOutcome:
    """Two given solutions, all of whose steps the overseer holds to be right."""
    notes = []
    for number, worked in enumerate(spec.question.worked):
        notes += [
            Annotation(
                kind="step",
                data={"solution": number, "step": place, "label": "correct", "p_correct": 0.9173, "text": text},
            )
            for place, text in enumerate(worked.steps)
        ]
        whole = {"solution": number, "answer": worked.answer, "score": 0.8317, "steps": len(worked.steps)}
        notes.append(Annotation(kind="solution", data=whole | {"labelled": len(worked.steps), "writer": None}))
    held = Belief(probs=None, source=BeliefSource.COMPUTED, status=BeliefStatus.ABSTAINED)
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=0,
        status="judged",
        started_at=now(),
        duration_s=1.0,
        messages=(),
        calls=(),
        sides=(),
        verdict=Verdict(belief=held, annotations=tuple(notes)),
    )


def run_row(run_id: str = RUN) -> RunRow:
    return RunRow(run_id, "a study", {"name": "a study"}, {}, 0, now(), "0.1.0")


def add(writer: StoreWriter, made: Sequence[tuple[Item, EpisodeSpec, EpisodeOutcome]], run_id: str = RUN) -> None:
    arms = list(dict.fromkeys(spec.arm for _, spec, _ in made))
    writer.plan(run_id, [(arms.index(s.arm), s) for _, s, _ in made], [("notes", item) for item, _, _ in made])
    writer.write(run_id, [(spec, outcome) for _, spec, outcome in made])


def lay_out(directory: Path, questions: int = 4, *, hostile: bool = False, answers: int = 2) -> Path:
    """A store with one debate about each question."""
    shutil.copy(_laid_out(questions, hostile, answers) / DATABASE, directory)
    return directory


@cache
def _laid_out(questions: int, hostile: bool, answers: int) -> Path:
    directory = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, directory)
    with StoreWriter.open(directory) as writer:
        writer.begin(run_row())
        made = []
        for number in range(questions):
            asked = item(number, hostile=hostile, answers=answers)
            planned = spec(asked, f"e{number}")
            made.append((asked, planned, debate(planned, hostile=hostile)))
        add(writer, made)
    return directory


def lay_out_solutions(directory: Path, questions: int = 2) -> Path:
    """A store in whose run two arms checked the same two solutions of each question."""
    with StoreWriter.open(directory) as writer:
        writer.begin(run_row())
        made = []
        for number in range(questions):
            asked = checked_item(number)
            for arm in ("process", "again"):
                planned = spec(asked, f"{arm}{number}", arm=arm, assignment=())
                made.append((asked, planned, checked(planned)))
        add(writer, made)
    return directory


def session(directory: Path, judge: str = "calm-otter-1", **settings: object) -> JudgingSession:
    return JudgingSession(
        open_store(directory), SessionSettings.model_validate({"judge": judge, "run_id": RUN} | settings)
    )


def judge_next(at: JudgingSession, *probs: float, explanation: str = "") -> Judgement:
    """Judge what comes next to the end, without bringing it anywhere."""
    assignment, _ = at.next()
    assert assignment is not None
    for part in range(len(at.view(assignment).parts)):
        at.show(assignment, part)
        at.believe(assignment, part, probs or None, explanation)
    judgement = at.finish(assignment)
    assert judgement is not None
    return judgement


def stored(directory: Path) -> list[str]:
    """The ids of the people's judgements that the database has, with whatever stands twice."""
    rows = open_store(directory).arrow("SELECT judgement_id FROM judgements WHERE kind = 'human'")
    return sorted(rows["judgement_id"].to_pylist())


def spawn(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A second interpreter that can import this module as ``human.staging``."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )
