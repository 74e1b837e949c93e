"""One run of a protocol on one question: its seats, its transcript, and what happens at the same time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Literal, TypeVar

from oversight.core.best_of_n import preferred
from oversight.core.branches import Thread, current_thread, inside
from oversight.core.chat import CallRecord
from oversight.core.episode_limits import EpisodeLimits, EpisodeUsage
from oversight.core.message import PROTOCOL, Branch, Kind, Message
from oversight.core.model_client import Cast
from oversight.core.question import Question
from oversight.core.seat import Seat
from oversight.core.seating import check_name, check_parts
from oversight.core.side import Assignment, Side, check_side, stance_of
from oversight.core.verb_log import VerbLog
from oversight.errors import ProtocolError
from oversight.prompting.markup import Trusted, escape, tag
from oversight.prompting.templates import Templates
from oversight.util.aio import all_of
from oversight.util.digest import draw

__all__ = ["Episode"]

T = TypeVar("T")


class Episode:
    """What a protocol is handed: the question, and seats to put models in.

    Attributes:
        question: the question, its answers in the order presented. There is no gold answer in here.
        options: the protocol's options.
        assignment: the answer each arguing seat must defend, by place.
        dry_run: whether it is only tried out, with models that call nothing. What else the protocol does, as using
            tools, happens all the same unless it asks this.
        usage: what it took so far, held to its limits.
        verbs: the verbs that seats were told to do, and what was done wrong with them.
    """

    def __init__(
        self,
        question: Question,
        *,
        templates: Templates,
        cast: Cast,
        options: object = None,
        assignment: Assignment = (),
        seed: int = 0,
        repeat: int = 0,
        limits: EpisodeLimits | None = None,
        dry_run: bool = False,
    ) -> None:
        self.question = question
        self.options = options
        self.assignment = assignment
        self.dry_run = dry_run
        self.usage = EpisodeUsage(limits or EpisodeLimits())
        self._sides: list[Side] = []
        self.reads_assigned = False
        self._templates = templates
        self._cast = cast
        self._seed = seed
        self._repeat = repeat
        self._seats: set[str] = set()
        self._root = Thread(self)
        self.verbs = VerbLog(lambda: self._thread.task, self.usage.wait_if_over)

    @property
    def assigned(self) -> int:
        """The place of the one answer that must be argued for; every answer gets an episode of its own.

        Raises:
            ProtocolError: nothing was assigned, because the protocol's own `assignments` left it out.
        """
        self.reads_assigned = True
        if not self.assignment or self.assignment[0] is None:
            raise ProtocolError("this episode has no assigned answer")
        return self.assignment[0]

    @property
    def calls(self) -> list[CallRecord]:
        """A record of every model call so far; a copy, because records are the framework's to add."""
        return list(self.usage.calls)

    @property
    def sides(self) -> list[Side]:
        """What each arguing seat was told to argue; a copy."""
        return list(self._sides)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The transcript so far, as the current branch sees it; outside any gather, all of it."""
        return (*self._thread.before, *self._thread.own)

    @property
    def branch(self) -> Branch:
        """Where in the episode's gathers the caller is."""
        return self._thread.path

    def rng(self, purpose: str) -> random.Random:
        """A generator that depends on the seed, the repeat, the question and ``purpose`` alone."""
        return draw(self._seed, self._repeat, self.question.id, purpose)

    def seat(
        self,
        name: str,
        role: str | None = None,
        *,
        brief: str | None = None,
        argues: int | None = None,
        against: int | Literal["others"] | None = None,
        open: bool = False,
        sees_material: bool = False,
        sees_solutions: bool = True,
        question: Question | str | None = None,
        place: int | None = None,
        **values: Any,
    ) -> Seat:
        """Open a seat.

        Its brief is the template ``brief`` (by default the one called like the seat), followed by the
        question and, for a seat that argues, its side: the framework adds both, so a template cannot
        forget them.

        Args:
            name: unique in the episode; lower-case letters, digits and ``_.-``.
            role: what the experiment binds to a model; by default the seat's name.
            brief: the template of its instructions.
            argues: the place of the answer it must defend.
            against: its opponent's answer, or ``others`` when the opponent may defend anything but ``argues``;
                with ``argues`` None this seat may defend anything but ``against``.
            open: it chooses what to argue for.
            sees_material: whether it reads the question's material.
            sees_solutions: whether it reads the answers' worked solutions.
            question: another question than the episode's, for a seat that works on a part; plain text stands
                for a question without answers.
            place: which of the role's models it takes; by default the next in turn.
            values: fill in the brief's template.

        Raises:
            ProtocolError: the name is taken or malformed, the role has no model, or there is no such template.
        """
        check_name(name, self._seats, reserved=brief != "preference")
        turn = self._next_of(role or name) if place is None else place
        client = self._cast.client(role or name, turn, name, self._repeat, self.usage)
        self._seats.add(name)
        subject = self.question if question is None else question
        check_side(name, subject, argues, against)
        side = Side(
            seat=name,
            argues=argues,
            against=against if isinstance(against, int) else None,
            open=open or against == "others",
        )
        if (argues, against, open) != (None, None, False):
            self._sides.append(side)
        self._brief(name, brief, subject, stance_of(side, subject, chooses=open), values, sees_solutions)
        if sees_material and self.question.material is not None:
            self._tell(name, Kind.MATERIAL, self.question.material)
        asked = subject if isinstance(subject, Question) else None
        return Seat(self, name, client, asked, partial(preferred, self))

    def assign(self, seat: Seat, *, argues: int, against: int | Literal["others"] | None = None) -> None:
        """Tell a seat what it must argue once that is known, as where it chose the answer itself.

        Args:
            seat: opened without a side.
            argues: the place of the answer it must defend.
            against: see `seat`.

        Raises:
            ProtocolError: there is no such answer, or the seat has a side already.
        """
        if any(side.seat == seat.name for side in self._sides):
            raise ProtocolError(f"seat '{seat.name}' has a side already")
        check_side(seat.name, self.question, argues, against)
        other = against if isinstance(against, int) else None
        side = Side(seat=seat.name, argues=argues, against=other, open=against == "others")
        self._sides.append(side)
        self._tell(seat.name, Kind.REQUEST, str(stance_of(side, self.question, chooses=False)))

    def own_task(self) -> None:
        """Take the running task for the episode's own: outside any gather, its verbs run there and in no other."""
        self._root.task = asyncio.current_task()

    def gather(self, *parts: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, list[T]]:
        """Let several things happen at the same time, each blind to the others, and return their results.

        In the transcript the parts follow each other in the order given, whichever ended first. When one
        fails the others still end, because they are paid for; then the first failure is raised.

        Raises:
            ProtocolError: a part is no coroutine, or was given twice.
        """
        return self.verbs.call("episode.gather()", partial(self._gather, parts), parts)

    async def _gather(self, parts: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
        check_parts(parts)
        here = self._thread
        number, here.gathers = here.gathers, here.gathers + 1
        before = self.messages
        threads = [
            Thread(self, (*here.path, number, place), before, seated=Counter(here.seated))
            for place in range(len(parts))
        ]
        tasks = [asyncio.create_task(inside(thread, part)) for thread, part in zip(threads, parts, strict=True)]
        seated = Counter(here.seated)
        self.usage.tasks.update(tasks)
        try:
            return await all_of(*tasks)
        finally:
            self.usage.tasks.difference_update(task for task in tasks if task.done())
            for thread in threads:
                here.own.extend(thread.own)
                here.seated += thread.seated - seated

    def side_of(self, seat: str) -> Side:
        """What a seat was told to argue.

        Raises:
            ProtocolError: nothing.
        """
        found = next((side for side in self._sides if side.seat == seat), None)
        if found is None or (found.argues is None and found.against is None):
            raise ProtocolError(f"seat '{seat}' argues for nothing, so no version of what it says is the best")
        return found

    def add(self, *messages: Message) -> None:
        """Append to the transcript; seats do this for a protocol.

        Raises:
            ProtocolError: something is no `Message`.
        """
        for each in messages:
            if not isinstance(each, Message):
                raise self.verbs.refuse(f"episode.add() takes messages, not {type(each).__name__}: use seat.speak()")
        self._thread.own.extend(messages)
        self.usage.count_messages(len(messages))

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Fill in one of the protocol's templates; ``question``, ``labels`` and ``options`` are always there."""
        always = {"question": self.question, "labels": self.question.labels, "options": self.options}
        return self._templates.render(template, {**always, **values})

    def _next_of(self, role: str) -> int:
        """Which of a role's models the next seat takes: by order of opening and of branches, not of answering."""
        thread = self._thread
        number = thread.seated[role] + sum(thread.path[1::2])
        thread.seated[role] += 1
        return number

    @property
    def _thread(self) -> Thread:
        thread = current_thread.get()
        return thread if thread is not None and thread.episode is self else self._root

    def _brief(
        self,
        name: str,
        template: str | None,
        subject: Question | str,
        stance: Trusted | None,
        values: Mapping[str, Any],
        sees_solutions: bool,
    ) -> None:
        words = self.render(template or name, {**values, "seat": name})
        block = (
            subject.block(solutions=sees_solutions)
            if isinstance(subject, Question)
            else tag("question", f"\n{escape(subject)}\n")
        )
        self._tell(name, Kind.BRIEF, "\n\n".join(part for part in (words, block, stance) if part))

    def _tell(self, seat: str, kind: Kind, text: str) -> None:
        self.add(Message(author=PROTOCOL, audience=(seat,), kind=kind, text=text, branch=self.branch))
