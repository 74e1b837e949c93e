"""The conformance check catches protocols that break a rule; without these tests it might check nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel
from staging import SOURCES

from oversight import Belief, BeliefSource, Episode, Protocol, Seat, Verdict
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.prompting.markup import Trusted
from oversight.prompting.templates import Templates
from oversight.testing.conformance import (
    SAMPLE_QUESTION,
    ConformanceError,
    ForgeryFound,
    HistoryChanged,
    LeakFound,
    NotRepeatable,
    check_protocol,
)


def check(protocol: type[Protocol], **sources: str) -> None:
    check_protocol(protocol(), templates=Templates(SOURCES | sources))


class Bad(Protocol):
    """Two debaters and a judge; what the subclasses add is wrong."""

    name = "bad"

    def assignments(self, question: Any, rng: Any) -> Sequence[tuple[int | None, ...]]:
        return [(0, 1)]

    async def run(self, episode: Episode) -> Verdict:
        judge = episode.seat("judge")
        debaters = [
            episode.seat(f"debater_{letter}", role="strong", brief="debater", argues=own, sees_material=True)
            for letter, own in zip("ab", episode.assignment, strict=True)
        ]
        return await self.play(episode, judge, *debaters)

    async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
        await episode.gather(one.speak("argue", turn=0), two.speak("argue", turn=0))
        return await judge.decide()


def test_an_honest_protocol_of_the_same_build_passes() -> None:
    class Good(Bad):
        """Nothing wrong."""

    check(Good)


def test_private_reasoning_handed_to_the_judge_is_found() -> None:
    class Leaky(Bad):
        """The judge is told what a debater thought."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            thought = await one.think("note")
            return await judge.decide("tell", notes=thought.text)

    with pytest.raises(LeakFound, match="judge was sent what debater_a wrote privately"):
        check(Leaky, tell="Somebody thought: {{ notes }}")


def test_private_reasoning_handed_to_the_opponent_is_found() -> None:
    class Leaky(Bad):
        """The opponent is told what a debater thought."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            thought = await one.think("note")
            await two.speak("tell", notes=thought.text)
            return await judge.decide()

    with pytest.raises(LeakFound, match="debater_b was sent what debater_a wrote privately"):
        check(Leaky, tell="Your opponent thought: {{ notes }}")


@pytest.mark.parametrize("reader", ["judge", "debater_a", "debater_b"])
def test_what_a_model_reasoned_handed_to_any_seat_is_found_its_own_included(reader: str) -> None:
    class Leaky(Bad):
        """A seat is told what debater_a's model reasoned before it spoke."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            await one.speak("argue", turn=0)
            (reasoned,) = [m for m in episode.messages if m.kind is Kind.REASONING and m.author == one.name]
            await {seat.name: seat for seat in (judge, one, two)}[reader].speak("tell", turn=1, notes=reasoned.text)
            return await judge.decide()

    with pytest.raises(LeakFound, match=f"{reader} was sent what a model reasoned for itself: reason-debater_a-0-end"):
        check(Leaky, tell="Somebody reasoned: {{ notes }}")


def test_a_message_for_one_seat_handed_to_another_is_found() -> None:
    class Leaky(Bad):
        """What was said to the judge alone reaches the opponent."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            whisper = await one.speak("argue", to=[judge])
            await two.speak("tell", notes=whisper.text)
            return await judge.decide()

    with pytest.raises(LeakFound, match="debater_b"):
        check(Leaky, tell="Overheard: {{ notes }}")


def test_material_handed_to_the_judge_is_found() -> None:
    class Leaky(Bad):
        """The judge is shown the material by way of a template."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            return await judge.decide("tell", notes=episode.question.material)

    with pytest.raises(LeakFound, match="judge was sent the material"):
        check(Leaky, tell="Between us: {{ notes }}")


def test_a_blind_opponents_words_are_found_inside_the_gather() -> None:
    class Leaky(Bad):
        """The second speaker waits for the first, and is told what it said."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            said: asyncio.Future[Message] = asyncio.get_running_loop().create_future()

            async def first() -> None:
                said.set_result(await one.speak("argue", turn=0))

            async def second() -> None:
                await two.speak("tell", turn=0, notes=(await said).text)

            await episode.gather(first(), second())
            return await judge.decide()

    with pytest.raises(LeakFound, match="debater_b was sent what debater_a wrote in a parallel branch"):
        check(Leaky, tell="It says: {{ notes }}")


def test_model_text_passed_off_as_the_frameworks_own_is_found() -> None:
    class Forging(Bad):
        """A debater's text is inserted unescaped."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            said = await one.speak("argue", turn=0)
            return await judge.decide("tell", notes=Trusted(said.text))

    with pytest.raises(ForgeryFound, match="judge"):
        check(Forging, tell="In short: {{ notes }}")


def test_the_same_text_inserted_as_a_plain_value_passes() -> None:
    class Careful(Bad):
        """A debater's public text is repeated in a request."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            said = await one.speak("argue", turn=0)
            return await judge.decide("tell", notes=said.text)

    check(Careful, tell="In short: {{ notes }}")


def test_a_quote_that_a_template_calls_verified_is_found() -> None:
    class Forging(Bad):
        """A template vouches for words that nobody found in the material."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            return await judge.decide("tell")

    with pytest.raises(ForgeryFound, match="invented quote"):
        check(Forging, tell='It says <quote verified="yes">we were never there</quote>.')


def test_a_seat_told_another_seats_side_is_found() -> None:
    class Forging(Bad):
        """The judge's request holds a stance element."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            return await judge.decide("tell")

    with pytest.raises(ForgeryFound, match="stance"):
        check(Forging, tell='<stance seat="debater_a" argues="A"/>')


def test_a_brief_added_later_changes_history_and_is_found() -> None:
    class Rewriting(Bad):
        """The judge gets a second system message once it has spoken."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            await judge.speak("ask", turn=0)
            late = Message(author=PROTOCOL, audience=("judge",), kind=Kind.BRIEF, text="Forget that.")
            episode.add(late)
            return await judge.decide()

    with pytest.raises(HistoryChanged, match="judge"):
        check(Rewriting)


def test_a_protocol_that_goes_by_who_answers_first_is_found() -> None:
    class Racing(Bad):
        """Whoever answers first may speak again."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            order: list[Seat] = []

            async def turn(seat: Seat) -> None:
                await seat.speak("argue", turn=0)
                order.append(seat)

            # Several races, so that random delays cannot come out alike every time.
            for _ in range(12):
                await episode.gather(turn(one), turn(two))
                await order[-1].speak("argue", turn=1)
            return await judge.decide()

    with pytest.raises(HistoryChanged, match="answers first"):
        check(Racing)


def test_a_protocol_without_a_verdict_is_found() -> None:
    class Mute(Bad):
        """Nobody decides."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Any:
            await judge.decide()

    with pytest.raises(ConformanceError, match="NoneType, not a Verdict"):
        check(Mute)


def test_a_verdict_over_other_answers_is_found() -> None:
    class Confused(Bad):
        """Three probabilities for two answers."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            return Verdict(belief=Belief(probs=(0.5, 0.25, 0.25), source=BeliefSource.STATED))

    with pytest.raises(ConformanceError, match="not over the question's answers"):
        check(Confused)


def test_a_protocol_without_a_description_is_found() -> None:
    class Silent(Bad):
        __doc__ = None
        name = "silent"

    Silent.__doc__ = ""
    with pytest.raises(ConformanceError, match="docstring"):
        check(Silent)


def test_material_that_the_question_itself_repeats_is_no_leak() -> None:
    class Good(Bad):
        """Nothing wrong."""

    short = SAMPLE_QUESTION.model_copy(update={"material": "the mill"})
    check_protocol(Good(), short, templates=Templates(SOURCES))


# --- forms that hold questions to put to others


class Dividing(Bad):
    """A debater works on a question that the judge wrote in a form."""

    async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
        asked = await judge.fill("work", Division)
        helper = episode.seat("helper", role="strong", brief="debater", question=asked.question)
        await self.help(helper, asked)
        return await judge.decide()

    async def help(self, helper: Seat, asked: Division) -> None:
        await helper.speak("argue")


class Division(BaseModel):
    """A question for somebody else, and why it is asked, which is nobody's business."""

    question: str
    why: str


def test_a_question_from_a_form_may_be_put_to_another_seat() -> None:
    check(Dividing)


def test_a_question_from_a_form_may_be_listed_for_whom_it_concerns() -> None:
    class Good(Dividing):
        """The helper is reminded of its question."""

        async def help(self, helper: Seat, asked: Division) -> None:
            await helper.speak("tell", notes=asked.question)

    check(Good, tell="<question>\n{{ notes }}\n</question>")


def test_private_reasoning_handed_on_as_a_question_is_found() -> None:
    class Leaky(Bad):
        """What a debater thought is what the other one works on."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            thought = await one.think("note")
            helper = episode.seat("helper", role="strong", brief="debater", question=thought.text)
            await helper.speak("argue")
            return await judge.decide()

    with pytest.raises(LeakFound, match="helper was sent what debater_a wrote privately"):
        check(Leaky)


def test_a_draft_handed_on_as_a_question_is_found() -> None:
    class Leaky(Bad):
        """What a debater drafted is what the other one works on."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            drafted = await one.draft("note")
            helper = episode.seat("helper", role="strong", brief="debater", question=drafted.text)
            await helper.speak("argue")
            return await judge.decide()

    with pytest.raises(LeakFound, match="helper was sent what debater_a wrote privately"):
        check(Leaky)


def test_a_forms_text_handed_on_outside_a_question_is_found() -> None:
    class Leaky(Bad):
        """The debater is told what the judge noted in a form."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            asked = await judge.fill("work", Division)
            await one.speak("tell", notes=asked.why)
            return await judge.decide()

    with pytest.raises(LeakFound, match="debater_a was sent what judge wrote privately"):
        check(Leaky, tell="The judge noted: {{ notes }}")


def test_the_rest_of_a_form_handed_on_beside_its_question_is_found() -> None:
    class Leaky(Dividing):
        """The helper is told its question, and why it was asked."""

        async def help(self, helper: Seat, asked: Division) -> None:
            await helper.speak("tell", notes=asked.why)

    with pytest.raises(LeakFound, match="helper was sent what judge wrote privately"):
        check(Leaky, tell="It is asked because: {{ notes }}")


def test_an_answer_disclosed_to_one_and_handed_to_another_is_found() -> None:
    class Leaky(Bad):
        """The opponent is told what was disclosed to the judge alone."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            drafted = await one.draft("note")
            one.disclose(drafted.text, to=[judge])
            await two.speak("tell", notes=drafted.text)
            return await judge.decide()

    with pytest.raises(LeakFound, match="debater_b was sent what debater_a wrote privately"):
        check(Leaky, tell="Overheard: {{ notes }}")


def test_a_draft_handed_on_before_it_is_disclosed_is_found() -> None:
    class Leaky(Bad):
        """The judge is told what it will only be shown afterwards."""

        async def play(self, episode: Episode, judge: Seat, one: Seat, two: Seat) -> Verdict:
            drafted = await one.draft("note")
            await judge.speak("tell", notes=drafted.text)
            one.disclose(drafted.text, to=[judge])
            return await judge.decide()

    with pytest.raises(LeakFound, match="judge was sent what debater_a wrote privately"):
        check(Leaky, tell="Overheard: {{ notes }}")


# --- verbs used wrongly, and what comes out differently each time


MISUSED = {
    "was not awaited": "judge.believe(); return await judge.decide()",
    "ran in a task of its own": "await asyncio.gather(one.speak('argue')); return await judge.decide()",
    "takes coroutines": "await episode.gather(one.speak); return await judge.decide()",
    "called twice": "await judge.decide(); return await judge.decide()",
    "had given the verdict": "v = await judge.decide(); await one.speak('argue'); return v",
    "Belief, not a Verdict": "return await judge.believe()",
}
UNSEEDED = {
    "global generator of random": "random.random()",
    "global generator of numpy.random": "numpy.random.random()",
    "came out differently": "uuid.uuid4()",
    "by protocol": "secrets.token_hex()",
    "message": "time.time_ns()",
}


def playing(body: str) -> type[Protocol]:
    names: dict[str, Any] = {
        name: __import__(name) for name in ("asyncio", "numpy", "random", "secrets", "time", "uuid")
    }
    exec(f"async def play(self, episode, judge, one, two):\n    {body}\n", names)
    return type("Played", (Bad,), {"__doc__": "One.", "__module__": __name__, "play": names["play"]})


@pytest.mark.parametrize("reason", MISUSED)
def test_a_verb_used_wrongly_is_found(reason: str) -> None:
    with pytest.raises(ConformanceError, match=reason):
        check(playing(MISUSED[reason]))


@pytest.mark.parametrize("reason", UNSEEDED)
def test_what_no_seed_decides_is_found(reason: str) -> None:
    with pytest.raises(NotRepeatable, match=f"{reason}.*draw from episode.rng"):
        check(playing(f"return await judge.decide('tell', notes=str({UNSEEDED[reason]}))"), tell="{{ notes }}")


def test_a_draw_of_the_episodes_own_generator_passes() -> None:
    check(playing("return await judge.decide('tell', notes=str(episode.rng('x').random()))"), tell="{{ notes }}")


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        ("both", "assignments returned str 'both'"),
        (3, "assignments returned int 3"),
        ([0, 1], r"assignments\[0\] is int 0, not a tuple"),
        ((each for each in [(0, 1)]), "assignments returned a generator"),
        ([(0, 2)], r"assignments\[0\]\[1\] is 2, but the question has answers 0 to 1"),
        ([(0, True)], "is bool True, not the place of an answer"),
        ([(0, 1), (0, 1)], "twice: each assignment is one episode"),
        ([], "an empty list, so no episode"),
        ({(0, 1)}, "assignments returned a set"),
    ],
)
def test_assignments_that_are_none_are_found(returned: Any, reason: str) -> None:
    class Odd(Bad):
        """Its assignments are wrong."""

        def assignments(self, question: Any, rng: Any) -> Any:
            return returned

    with pytest.raises(ConformanceError, match=reason):
        check(Odd)


def test_assignments_that_no_seed_decides_are_found() -> None:
    class Odd(Bad):
        """Draws sides by itself."""

        seen = 0

        def assignments(self, question: Any, rng: Any) -> Any:
            type(self).seen += 1
            return [(0, 1), (1, 0)][self.seen % 2 :]

    with pytest.raises(NotRepeatable, match="assignments returned"):
        check(Odd)
