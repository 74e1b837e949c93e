"""A person at work: a queue of transcripts, one sitting at a time, every belief on disk before the page goes on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.outcome import Held, Judgement, Mode, is_person
from oversight.errors import UsageError
from oversight.judging.queue import About, Queue, find_next, place_key
from oversight.judging.step_labelling import Labelled, Solved, as_annotations, is_done, solution_of
from oversight.judging.transcript_view import Hearing, hearing
from oversight.store import Entry, Ledger, Sitting, Store, deliver
from oversight.store.stored_episode import Transcript
from oversight.util.digest import digest

__all__ = ["Answered", "Desk", "Session", "new_person"]

_FIRST = ("amber", "calm", "eager", "gentle", "hazel", "keen", "lunar", "mellow", "nimble", "quiet")
_SECOND = ("badger", "crane", "egret", "gecko", "heron", "kestrel", "lynx", "marten", "otter", "wren")
LONGEST_EXPLANATION = 10_000


def new_person() -> str:
    """An anonymous id that nobody has yet, in all likelihood."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.randbelow(9000) + 1000}"


class Session(BaseModel):
    """What a person, or whoever invited them, has chosen.

    Attributes:
        judge: the person's anonymous id.
        about: whole transcripts, or the steps of solutions.
        stepped: ask for a belief after each turn, rather than once at the end.
        feedback: tell the right answer after each verdict.
        arms: only transcripts of these; by default of all.
        again: go on with transcripts of questions that the person has seen.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    judge: str
    run_id: str
    about: About = "verdict"
    stepped: bool = True
    feedback: bool = False
    arms: tuple[str, ...] = ()
    again: bool = False

    @property
    def mode(self) -> Mode:
        """How this session judges."""
        return "steps" if self.about == "steps" else "stepped" if self.stepped else "at the end"


class Answered(NamedTuple):
    """What is told after a verdict, if the session is set so.

    Attributes:
        label, answer: the right answer's letter and text.
        mistake: the number of the first wrong step, counted from 1; 0: none is wrong; None: not known, or not asked.
    """

    label: str
    answer: str
    mistake: int | None = None


class Desk:
    """What the Judge page does, without the page. Nothing that it returns before a verdict tells the right answer.

    Raises:
        UsageError: the session's id is none that a person can have.
    """

    def __init__(self, store: Store, session: Session) -> None:
        if not is_person(session.judge):
            raise UsageError(
                f"'{session.judge}' cannot be an anonymous id: use 3 to 40 lower-case letters, digits and hyphens, "
                "beginning with a letter, and not your name"
            )
        self.session = session
        self._store = store
        self._ledger = Ledger(store.directory)
        self._read: dict[str, Transcript] = {}  # transcripts do not change

    def sit(self) -> tuple[Sitting | None, Queue]:
        """The sitting to go on with, or a new one on the next place; None when there is none.

        The queue that comes with it is what is left besides.
        """
        session, mine = self.session, self._ledger.of_judge(self.session.judge)
        done = [sitting for sitting, finished in mine if finished]
        queue = find_next(
            self._store,
            session.run_id,
            session.judge,
            session.about,
            arms=session.arms,
            again=session.again and session.about == "verdict",
            questions=[sitting.question_key for sitting, _ in mine],
            done=[place_key(each.episode_id, each.attempt, each.solution) for each in done if self._is_about(each)],
        )
        for sitting, finished in mine:
            if not finished and self._is_about(sitting) and sitting.run_id == session.run_id:
                # The question of a transcript is not asked again anyway; a solution is in the queue until it is done.
                return sitting, queue._replace(left=max(queue.left - (sitting.about == "steps"), 0))
        if queue.next is None:
            return None, queue
        episode_id, attempt, question_key, solution = queue.next
        sitting = Sitting(
            sitting_id=digest(["human", session.judge, session.about, episode_id, attempt, solution]),
            judge=session.judge,
            run_id=session.run_id,
            episode_id=episode_id,
            attempt=attempt,
            question_key=question_key,
            about=session.about,
            solution=solution,
            settings={"feedback": session.feedback, "mode": session.mode} | ({"again": True} if session.again else {}),
        )
        self._ledger.open(sitting)
        return sitting, queue._replace(left=max(queue.left - 1, 0))

    def done(self) -> int:
        """How many of the run's transcripts, or solutions, this person has judged."""
        mine = self._ledger.of_judge(self.session.judge)
        return sum(done and self._is_about(each) and each.run_id == self.session.run_id for each, done in mine)

    def hearing(self, sitting: Sitting) -> Hearing:
        """What the person is to be shown, in as many parts as there are beliefs to give."""
        found = hearing(self._transcript(sitting))
        return found if sitting.settings["mode"] == "stepped" else found.at_the_end()

    def solution(self, sitting: Sitting) -> Solved:
        """What the person is to label."""
        assert sitting.solution is not None
        return solution_of(self._transcript(sitting), sitting.solution)

    def entries(self, sitting: Sitting) -> list[Entry]:
        """What the person has said so far."""
        return self._ledger.entries(sitting.sitting_id)

    def show(self, sitting: Sitting, part: int) -> None:
        """Start the part's clock; call it once for each browser session that shows it."""
        self._ledger.show(sitting.sitting_id, part)

    def believe(self, sitting: Sitting, part: int, probs: Sequence[float] | None, explanation: str = "") -> bool:
        """Keep a belief; None: cannot tell. False if the person gave one already, in another window."""
        held = None if probs is None else _belief(probs).probs
        data = {"probs": held, "explanation": explanation.strip()[:LONGEST_EXPLANATION]}
        return self._ledger.enter(sitting.sitting_id, part, data)

    def label(self, sitting: Sitting, step: int, said: Labelled) -> bool:
        """Keep what was said of a step. False if it was labelled already, in another window."""
        return self._ledger.enter(sitting.sitting_id, step, said.model_dump())

    def finish(self, sitting: Sitting) -> Judgement | None:
        """Keep the judgement as soon as everything is said; None before. The same again changes nothing."""
        entries = self.entries(sitting)
        if sitting.about == "steps":
            solution, said = self.solution(sitting), [Labelled(**entry.data) for entry in entries]
            if not is_done(solution, said):
                return None
            made = _judgement(sitting, entries).model_copy(update={"labels": as_annotations(solution, said)})
        else:
            if len(entries) < len(self.hearing(sitting).parts):
                return None
            made = _judgement(sitting, entries).model_copy(
                update={
                    "belief": _belief(entries[-1].data["probs"]),
                    "beliefs": tuple(
                        Held(part=each.part, probs=each.data["probs"], seconds=each.seconds, resumed=each.resumed)
                        for each in entries
                    ),
                    "explanation": entries[-1].data["explanation"] or None,
                }
            )
        judgement = Judgement.model_validate(made.model_dump())
        self._ledger.save(judgement)
        return judgement

    def deliver(self) -> int:
        """Bring what is saved into the database; return how many judgements wait for it.

        Raises:
            StoreError: the database cannot take them; they are safe all the same.
        """
        return deliver(self._store.directory)

    def answered(self, sitting: Sitting) -> Answered | None:
        """The right answer, once the verdict is saved and if the session tells it."""
        finished = {each.sitting_id for each, done in self._ledger.of_judge(sitting.judge) if done}
        if not sitting.settings["feedback"] or sitting.sitting_id not in finished:
            return None
        transcript = self._transcript(sitting)
        question, mistake = transcript.question, None
        if sitting.solution is not None and sitting.solution < len(transcript.mistakes):
            first = transcript.mistakes[sitting.solution]
            mistake = 0 if first is None else first + 1
        return Answered(question.labels[transcript.gold], question.answers[transcript.gold].text, mistake)

    def _is_about(self, sitting: Sitting) -> bool:
        return sitting.about == self.session.about

    def _transcript(self, sitting: Sitting) -> Transcript:
        if sitting.sitting_id not in self._read:
            self._read[sitting.sitting_id] = self._store.transcript(sitting.episode_id, sitting.attempt)
        return self._read[sitting.sitting_id]


def _judgement(sitting: Sitting, entries: Sequence[Entry]) -> Judgement:
    return Judgement.model_construct(
        judgement_id=sitting.sitting_id,
        episode_id=sitting.episode_id,
        attempt=sitting.attempt,
        kind="human",
        judge=sitting.judge,
        settings=sitting.settings,
        judged_at=entries[-1].entered_at,
        status="judged",
        seconds=sum(entry.seconds for entry in entries),
        mode=sitting.settings["mode"],
    )


def _belief(probs: Sequence[float] | None) -> Belief:
    if probs is None:
        return Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    return Belief.from_weights(list(probs), BeliefSource.STATED)
