"""A person at work: a queue of transcripts, one assignment at a time, every belief on disk before the page goes on."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from oversight.core.belief import Belief, BeliefSource, BeliefStatus
from oversight.core.outcome import Judgement, Mode, TimedBelief, is_person
from oversight.errors import UsageError
from oversight.judging.queue import About, Queue, find_next, place_key
from oversight.judging.step_labelling import LabelledSolution, PersonLabel, as_annotations, is_done, solution_of
from oversight.judging.transcript_view import TranscriptView, transcript_view
from oversight.store import JudgementInbox, JudgingAssignment, PartEntry, Store, flush_judgements
from oversight.store.stored_episode import Transcript
from oversight.util.digest import digest

__all__ = ["Feedback", "JudgingSession", "SessionSettings", "new_person"]

_FIRST = ("amber", "calm", "eager", "gentle", "hazel", "keen", "lunar", "mellow", "nimble", "quiet")
_SECOND = ("badger", "crane", "egret", "gecko", "heron", "kestrel", "lynx", "marten", "otter", "wren")
LONGEST_EXPLANATION = 10_000


def new_person() -> str:
    """Return a new anonymous id, unused in all likelihood."""
    return f"{secrets.choice(_FIRST)}-{secrets.choice(_SECOND)}-{secrets.randbelow(9000) + 1000}"


class SessionSettings(BaseModel):
    """What a person, or the person who invited them, has chosen.

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


class Feedback(NamedTuple):
    """What is told after a verdict, if the session is set so.

    Attributes:
        label, answer: the right answer's letter and text.
        mistake: the number of the first wrong step, counted from 1; 0: none is wrong; None: not known, or not asked.
    """

    label: str
    answer: str
    mistake: int | None = None


class JudgingSession:
    """What the Judge page does, without the page. Nothing that it returns before a verdict tells the right answer.

    Raises:
        UsageError: the session's id is none that a person can have.
    """

    def __init__(self, store: Store, settings: SessionSettings) -> None:
        if not is_person(settings.judge):
            raise UsageError(
                f"'{settings.judge}' cannot be an anonymous id: use 3 to 40 lower-case letters, digits and hyphens, "
                "beginning with a letter, and not your name"
            )
        self.settings = settings
        self._store = store
        self._inbox = JudgementInbox(store.directory)
        self._read: dict[str, Transcript] = {}  # transcripts do not change

    def next(self) -> tuple[JudgingAssignment | None, Queue]:
        """The assignment to go on with, or a new one on the next place; None when there is none.

        The queue that comes with it is what is left besides.
        """
        settings, mine = self.settings, self._inbox.of_judge(self.settings.judge)
        done = [assignment for assignment, finished in mine if finished]
        queue = find_next(
            self._store,
            settings.run_id,
            settings.judge,
            settings.about,
            arms=settings.arms,
            again=settings.again and settings.about == "verdict",
            questions=[assignment.question_key for assignment, _ in mine],
            done=[place_key(each.episode_id, each.attempt, each.solution) for each in done if self._is_about(each)],
        )
        for assignment, finished in mine:
            if not finished and self._is_about(assignment) and assignment.run_id == settings.run_id:
                # The question of a transcript is not asked again anyway; a solution is in the queue until it is done.
                return assignment, queue._replace(left=max(queue.left - (assignment.about == "steps"), 0))
        if queue.next is None:
            return None, queue
        episode_id, attempt, question_key, solution = queue.next
        assignment = JudgingAssignment(
            sitting_id=digest(["human", settings.judge, settings.about, episode_id, attempt, solution]),
            judge=settings.judge,
            run_id=settings.run_id,
            episode_id=episode_id,
            attempt=attempt,
            question_key=question_key,
            about=settings.about,
            solution=solution,
            settings={"feedback": settings.feedback, "mode": settings.mode}
            | ({"again": True} if settings.again else {}),
        )
        self._inbox.open(assignment)
        return assignment, queue._replace(left=max(queue.left - 1, 0))

    def done(self) -> int:
        """How many of the run's transcripts, or solutions, this person has judged."""
        mine = self._inbox.of_judge(self.settings.judge)
        return sum(done and self._is_about(each) and each.run_id == self.settings.run_id for each, done in mine)

    def view(self, assignment: JudgingAssignment) -> TranscriptView:
        """What the person is to be shown, in as many parts as there are beliefs to give."""
        found = transcript_view(self._transcript(assignment))
        return found if assignment.settings["mode"] == "stepped" else found.at_the_end()

    def solution(self, assignment: JudgingAssignment) -> LabelledSolution:
        """What the person is to label."""
        assert assignment.solution is not None
        return solution_of(self._transcript(assignment), assignment.solution)

    def entries(self, assignment: JudgingAssignment) -> list[PartEntry]:
        """What the person has said so far."""
        return self._inbox.entries(assignment.sitting_id)

    def show(self, assignment: JudgingAssignment, part: int) -> None:
        """Start the part's clock; call it once for each browser session that shows it."""
        self._inbox.show(assignment.sitting_id, part)

    def believe(
        self, assignment: JudgingAssignment, part: int, probs: Sequence[float] | None, explanation: str = ""
    ) -> bool:
        """Keep a belief; None: cannot tell. False if the person gave one already, in another window."""
        held = None if probs is None else _belief(probs).probs
        data = {"probs": held, "explanation": explanation.strip()[:LONGEST_EXPLANATION]}
        return self._inbox.enter(assignment.sitting_id, part, data)

    def label(self, assignment: JudgingAssignment, step: int, said: PersonLabel) -> bool:
        """Keep what was said of a step. False if it was labelled already, in another window."""
        return self._inbox.enter(assignment.sitting_id, step, said.model_dump())

    def finish(self, assignment: JudgingAssignment) -> Judgement | None:
        """Keep the judgement as soon as everything is said; None before. The same again changes nothing."""
        entries = self.entries(assignment)
        if assignment.about == "steps":
            solution, said = self.solution(assignment), [PersonLabel(**entry.data) for entry in entries]
            if not is_done(solution, said):
                return None
            made = _judgement(assignment, entries).model_copy(update={"labels": as_annotations(solution, said)})
        else:
            if len(entries) < len(self.view(assignment).parts):
                return None
            made = _judgement(assignment, entries).model_copy(
                update={
                    "belief": _belief(entries[-1].data["probs"]),
                    "beliefs": tuple(
                        TimedBelief(
                            part=each.part, probs=each.data["probs"], seconds=each.seconds, resumed=each.resumed
                        )
                        for each in entries
                    ),
                    "explanation": entries[-1].data["explanation"] or None,
                }
            )
        judgement = Judgement.model_validate(made.model_dump())
        self._inbox.save(judgement)
        return judgement

    def flush(self) -> int:
        """Bring what is saved into the database; return how many judgements wait for it.

        Raises:
            StoreError: the database cannot take them; they are safe all the same.
        """
        return flush_judgements(self._store.directory)

    def answered(self, assignment: JudgingAssignment) -> Feedback | None:
        """The right answer, once the verdict is saved and if the session tells it."""
        finished = {each.sitting_id for each, done in self._inbox.of_judge(assignment.judge) if done}
        if not assignment.settings["feedback"] or assignment.sitting_id not in finished:
            return None
        transcript = self._transcript(assignment)
        question, mistake = transcript.question, None
        if assignment.solution is not None and assignment.solution < len(transcript.mistakes):
            first = transcript.mistakes[assignment.solution]
            mistake = 0 if first is None else first + 1
        return Feedback(question.labels[transcript.gold], question.answers[transcript.gold].text, mistake)

    def _is_about(self, assignment: JudgingAssignment) -> bool:
        return assignment.about == self.settings.about

    def _transcript(self, assignment: JudgingAssignment) -> Transcript:
        if assignment.sitting_id not in self._read:
            self._read[assignment.sitting_id] = self._store.transcript(assignment.episode_id, assignment.attempt)
        return self._read[assignment.sitting_id]


def _judgement(assignment: JudgingAssignment, entries: Sequence[PartEntry]) -> Judgement:
    return Judgement.model_construct(
        judgement_id=assignment.sitting_id,
        episode_id=assignment.episode_id,
        attempt=assignment.attempt,
        kind="human",
        judge=assignment.judge,
        settings=assignment.settings,
        judged_at=entries[-1].entered_at,
        status="judged",
        seconds=sum(entry.seconds for entry in entries),
        mode=assignment.settings["mode"],
    )


def _belief(probs: Sequence[float] | None) -> Belief:
    if probs is None:
        return Belief(probs=None, source=BeliefSource.STATED, status=BeliefStatus.ABSTAINED)
    return Belief.from_weights(list(probs), BeliefSource.STATED)
