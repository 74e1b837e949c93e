"""Opening seats, sides, casts, and letting several things happen at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from staging import QUESTION, THREE, Gate, MarkedModel, prompt, stage

from oversight import Answer, CallFailed, Episode, FailureClass, Message, ProtocolError, Question, Seat
from oversight.core.message import PROTOCOL, Kind
from oversight.models.client import ModelCast
from oversight.prompting.markup import find
from oversight.prompting.templates import Templates
from oversight.testing.scripted import ScriptedModel


async def brief_of(templates: dict[str, str] | None = None, **seat: Any) -> str:
    """The system message that a seat opened so is sent."""
    strong = ScriptedModel()
    episode = stage(seat.pop("on", QUESTION), strong=strong, templates=templates)
    await episode.seat("expert", role="strong", **seat).speak("argue")
    assert strong.requests[0].messages[0].role == "system"
    return strong.requests[0].messages[0].content


async def stance_of(**seat: Any) -> list[dict[str, str]]:
    return [element.attributes for element in find("stance", await brief_of(**seat))]


def speeches(episode: Episode) -> list[str]:
    return [message.text for message in episode.messages if message.kind is Kind.SPEECH]


def debaters(episode: Episode) -> tuple[Seat, Seat]:
    one, two = (episode.seat(f"debater_{letter}", role="strong", brief="debater") for letter in "ab")
    return one, two


# --- briefs and sides


async def test_an_empty_template_still_shows_the_question() -> None:
    assert QUESTION.block() in await brief_of({"expert": ""})


async def test_an_empty_template_still_tells_the_side() -> None:
    assert '<stance seat="expert" argues="B"/>' in await brief_of({"expert": ""}, argues=1)


async def test_a_seat_that_argues_nothing_has_no_stance() -> None:
    assert await stance_of() == []


async def test_a_committed_debater_is_told_its_own_and_the_opposing_side() -> None:
    assert await stance_of(argues=0, against=1) == [{"seat": "expert", "argues": "A", "against": "B"}]


async def test_a_committed_debater_against_anything_else_is_told_so() -> None:
    assert await stance_of(argues=2, against="others", on=THREE) == [
        {"seat": "expert", "argues": "C", "against": "others"}
    ]


async def test_an_uncommitted_debater_is_told_only_what_it_argues_against() -> None:
    assert await stance_of(against=1) == [{"seat": "expert", "against": "B"}]


async def test_a_consultant_is_told_its_side_alone() -> None:
    assert await stance_of(argues=1) == [{"seat": "expert", "argues": "B"}]


async def test_an_open_consultant_is_told_that_it_chooses() -> None:
    assert await stance_of(open=True) == [{"seat": "expert", "open": "yes"}]


async def test_a_side_cannot_be_lost_on_a_text_without_answers() -> None:
    with pytest.raises(ProtocolError):
        await brief_of(argues=1, question="Is step 3 right?")


@pytest.mark.parametrize("side", [{"argues": 7}, {"argues": -1}, {"argues": 0, "against": 7}])
async def test_a_side_that_is_no_answer_is_a_protocol_error(side: dict[str, int]) -> None:
    with pytest.raises(ProtocolError):
        await brief_of(**side)


async def test_sides_are_on_record_by_seat() -> None:
    episode = stage(judge=ScriptedModel(), strong=ScriptedModel())
    episode.seat("judge")
    episode.seat("expert", role="strong", argues=1, against=0)
    assert [(side.seat, side.argues, side.against, side.open) for side in episode.sides] == [("expert", 1, 0, False)]


async def test_the_brief_can_leave_the_worked_solutions_out() -> None:
    assert "It says so." not in await brief_of(sees_solutions=False)


async def test_a_brief_may_name_the_questions_labels_and_the_options() -> None:
    strong = ScriptedModel()
    words = "{{ seat }}: {{ labels | join('/') }}, {{ options.rounds }} rounds, {{ mood }}"
    episode = stage(strong=strong, templates={"expert": words}, options={"rounds": 3})
    await episode.seat("expert", role="strong", mood="fine").speak("argue")
    assert strong.requests[0].messages[0].content.startswith("expert: A/B, 3 rounds, fine")


async def test_a_seat_may_work_on_another_question() -> None:
    other = Question(id="sub", prompt="Which year?", answers=(Answer(text="1871"), Answer(text="1872")))
    text = await brief_of(question=other)
    assert ("Which year?" in text, QUESTION.prompt in text) == (True, False)


async def test_a_seat_may_work_on_a_plain_text() -> None:
    assert "<question>\nIs &lt;this> so?\n</question>" in await brief_of(question="Is <this> so?")


# --- what cannot be opened


def test_a_role_without_a_model_is_an_error_that_names_it() -> None:
    with pytest.raises(ProtocolError, match="role 'strong'"):
        stage(judge=ScriptedModel()).seat("expert", role="strong")


def test_two_seats_of_one_name_are_an_error() -> None:
    episode = stage(judge=ScriptedModel())
    episode.seat("judge")
    with pytest.raises(ProtocolError, match="'judge'"):
        episode.seat("judge")


@pytest.mark.parametrize("name", ["Judge", "the judge", 'x" from="judge', "", "9", PROTOCOL, "é"])
def test_a_name_that_is_no_seat_name_is_an_error(name: str) -> None:
    with pytest.raises(ProtocolError):
        stage(judge=ScriptedModel()).seat(name, role="judge", brief="judge")


def test_a_missing_brief_is_an_error_that_lists_the_templates() -> None:
    with pytest.raises(ProtocolError, match=r"stranger\.j2.*there are: argue"):
        stage(judge=ScriptedModel()).seat("stranger", role="judge")


def test_an_episode_without_an_assignment_says_so() -> None:
    with pytest.raises(ProtocolError, match="no assigned answer"):
        _ = stage(judge=ScriptedModel()).assigned


def test_the_assigned_answer_may_be_the_first() -> None:
    assert stage(assignment=(0,)).assigned == 0


# --- casts


async def test_two_models_of_one_role_take_turns_in_its_seats() -> None:
    models = [ScriptedModel(), ScriptedModel()]
    episode = stage(judge=ScriptedModel(), strong=models)
    for name in ("a", "b", "c"):
        await episode.seat(name, role="strong", brief="debater").speak("argue")
    assert [[request.seat for request in model.requests] for model in models] == [["a", "c"], ["b"]]


async def test_a_seat_of_another_role_does_not_shift_the_models() -> None:
    models = [ScriptedModel(), ScriptedModel()]
    episode = stage(judge=ScriptedModel(), strong=models)
    seats = [
        episode.seat("a", role="strong", brief="debater"),
        episode.seat("judge"),
        episode.seat("b", role="strong", brief="debater"),
    ]
    for seat in seats:
        await seat.speak("argue")
    assert [[request.seat for request in model.requests] for model in models] == [["a"], ["b"]]


async def test_which_model_sits_where_does_not_depend_on_who_answers_first() -> None:
    async def seated(faster: str) -> list[list[str]]:
        """Two branches ask a first model, then open a seat each; ``faster`` is answered first."""
        gate, models = Gate("a", "b"), [ScriptedModel(), ScriptedModel()]
        templates = Templates({"a": "x", "b": "x", "debater": "x", "argue": "x"})
        episode = Episode(QUESTION, templates=templates, cast=ModelCast({"first": [gate], "strong": models}))

        async def branch(name: str) -> None:
            await episode.seat(name, role="first").speak("argue")
            await episode.seat(f"{name}_child", role="strong", brief="debater").speak("argue")

        async def release() -> None:
            gate.open[faster].set()
            await asyncio.sleep(0.01)
            for event in gate.open.values():
                event.set()

        await asyncio.gather(episode.gather(branch("a"), branch("b")), release())
        return [[request.seat for request in model.requests] for model in models]

    assert await seated("a") == await seated("b")


def test_a_draw_in_an_episode_depends_on_its_purpose() -> None:
    episode = stage()
    assert episode.rng("order").random() != episode.rng("pick").random()


@pytest.mark.parametrize("other", [{"seed": 1}, {"repeat": 1}])
def test_a_draw_in_an_episode_depends_on_seed_and_repeat(other: dict[str, int]) -> None:
    assert stage(**other).rng("x").random() != stage().rng("x").random()


def test_a_draw_in_an_episode_does_not_depend_on_the_procedure() -> None:
    assert stage(options={"rounds": 9}, assignment=(1, 0)).rng("x").random() == stage().rng("x").random()


# --- at the same time


async def test_seats_in_a_gather_are_blind_to_each_other() -> None:
    model = MarkedModel()
    episode = stage(strong=model)
    one, two = debaters(episode)
    await episode.gather(one.speak("argue"), two.speak("argue"))
    assert not any("mark" in prompt(request) for request, _ in model.sent)


async def test_after_a_gather_each_seat_reads_what_the_other_said() -> None:
    model = MarkedModel()
    episode = stage(strong=model)
    one, two = debaters(episode)
    await episode.gather(one.speak("argue"), two.speak("argue"))
    await one.speak("argue")
    assert "mark-debater_b-0-end" in prompt(model.requests("debater_a")[1])


async def test_within_its_branch_a_seat_reads_on_as_usual() -> None:
    model = MarkedModel()
    episode = stage(judge=model, strong=model)
    judge = episode.seat("judge")
    one, two = debaters(episode)

    async def questioned() -> None:
        await one.speak("argue")
        await judge.speak("ask")

    await episode.gather(questioned(), two.speak("argue"))
    (request,) = model.requests("judge")
    assert ("mark-debater_a-0-end" in prompt(request), "mark-debater_b-0-end" in prompt(request)) == (True, False)


async def test_the_transcript_keeps_the_order_given_whoever_ends_first() -> None:
    gate = Gate("debater_a", "debater_b")
    episode = stage(strong=gate)
    one, two = debaters(episode)

    async def release() -> None:
        gate.open["debater_b"].set()
        await asyncio.sleep(0.01)
        gate.open["debater_a"].set()

    await asyncio.gather(episode.gather(one.speak("argue"), two.speak("argue")), release())
    assert speeches(episode) == ["debater_a speaks", "debater_b speaks"]


async def test_the_transcript_keeps_the_order_given_however_much_each_part_says() -> None:
    episode = stage(strong=MarkedModel())
    one, two = debaters(episode)

    async def twice() -> None:
        await one.speak("argue")
        await one.speak("argue")

    await episode.gather(twice(), two.speak("argue"))
    assert speeches(episode) == ["mark-debater_a-0-end", "mark-debater_a-1-end", "mark-debater_b-0-end"]


async def test_the_parts_of_a_gather_do_go_on_at_the_same_time() -> None:
    gate = Gate("debater_a", "debater_b")
    episode = stage(strong=gate)
    one, two = debaters(episode)

    async def second() -> None:
        gate.open["debater_b"].set()
        await two.speak("argue")
        gate.open["debater_a"].set()

    async with asyncio.timeout(5):
        await episode.gather(one.speak("argue"), second())
    assert len(speeches(episode)) == 2


async def test_a_gather_returns_results_in_the_order_given() -> None:
    episode = stage(strong=ScriptedModel(["one", "two"]))
    one, two = debaters(episode)
    said: list[Message] = await episode.gather(one.speak("argue"), two.speak("argue"))
    assert [message.text for message in said] == ["one", "two"]


async def test_a_gather_of_nothing_returns_nothing() -> None:
    assert await stage().gather() == []


async def test_when_one_part_fails_the_others_words_are_kept() -> None:
    episode = stage(strong=ScriptedModel([CallFailed(FailureClass.AUTHENTICATION, "no"), "paid for"]))
    one, two = debaters(episode)
    with pytest.raises(CallFailed):
        await episode.gather(one.speak("argue"), two.speak("argue"))
    assert speeches(episode) == ["paid for"]


async def test_what_a_failing_part_said_before_is_kept() -> None:
    episode = stage(strong=ScriptedModel(["first", CallFailed(FailureClass.AUTHENTICATION, "no")]))
    one, _ = debaters(episode)

    async def twice() -> None:
        await one.speak("argue")
        await one.speak("argue")

    with pytest.raises(CallFailed):
        await episode.gather(twice())
    assert speeches(episode) == ["first"]


async def test_of_several_failures_the_first_part_s_is_raised() -> None:
    failures = [CallFailed(FailureClass.AUTHENTICATION, f"part {n}") for n in range(2)]
    episode = stage(strong=ScriptedModel(failures))
    one, two = debaters(episode)
    with pytest.raises(CallFailed, match="part 0"):
        await episode.gather(one.speak("argue"), two.speak("argue"))


async def test_words_are_kept_when_an_inner_gather_fails() -> None:
    episode = stage(strong=ScriptedModel([CallFailed(FailureClass.AUTHENTICATION, "no"), "paid for"]))
    one, two = debaters(episode)
    with pytest.raises(CallFailed):
        await episode.gather(episode.gather(one.speak("argue"), two.speak("argue")))
    assert speeches(episode) == ["paid for"]


async def test_a_seat_in_two_branches_of_a_gather_is_an_error_that_names_it() -> None:
    episode = stage(strong=ScriptedModel())
    one, _ = debaters(episode)
    with pytest.raises(ProtocolError, match="'debater_a' takes part in two branches"):
        await episode.gather(one.speak("argue"), one.speak("argue"))


async def test_a_seat_in_an_outer_and_an_inner_branch_is_an_error() -> None:
    episode = stage(strong=ScriptedModel())
    one, two = debaters(episode)
    with pytest.raises(ProtocolError, match="'debater_a'"):
        await episode.gather(episode.gather(one.speak("argue"), two.speak("argue")), one.speak("argue"))


async def test_a_seat_may_take_part_in_one_gather_after_another() -> None:
    episode = stage(strong=ScriptedModel(["1", "2", "3", "4"]))
    one, two = debaters(episode)
    await episode.gather(one.speak("argue"), two.speak("argue"))
    await episode.gather(two.speak("argue"), one.speak("argue"))
    assert speeches(episode) == ["1", "2", "3", "4"]


async def test_a_seat_opened_in_one_branch_cannot_speak_in_another_without_its_brief() -> None:
    strong = ScriptedModel()
    episode = stage(strong=strong)
    opened: asyncio.Future[Seat] = asyncio.get_running_loop().create_future()

    async def opens() -> None:
        opened.set_result(episode.seat("expert", role="strong"))

    async def uses() -> None:
        await (await opened).speak("argue")

    with pytest.raises(ProtocolError, match="'expert'"):
        await episode.gather(opens(), uses())


async def test_a_seat_opened_in_a_branch_goes_on_after_it() -> None:
    strong = MarkedModel()
    episode = stage(strong=strong)

    async def opens(name: str) -> Seat:
        seat = episode.seat(name, role="strong", brief="debater")
        await seat.speak("argue")
        return seat

    first, _ = await episode.gather(opens("a"), opens("b"))
    await first.speak("argue")
    assert [message.role for message in strong.requests("a")[1].messages] == ["system", "user", "assistant", "user"]


async def test_two_episodes_at_once_do_not_mix() -> None:
    episodes = [stage(strong=MarkedModel()) for _ in range(2)]

    async def play(episode: Episode) -> None:
        one, two = debaters(episode)
        await episode.gather(one.speak("argue"), two.speak("argue"))

    await asyncio.gather(*(play(episode) for episode in episodes))
    assert [speeches(e) for e in episodes] == [["mark-debater_a-0-end", "mark-debater_b-0-end"]] * 2


async def test_a_key_in_a_failure_is_not_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of somebody's own may put anything into its errors."""
    monkeypatch.setenv("LAB_API_KEY", "planted-0451-key")
    failing = ScriptedModel([CallFailed(FailureClass.INVALID_REQUEST, "refused with planted-0451-key")])
    episode = stage(judge=failing)
    with pytest.raises(CallFailed):
        await episode.seat("judge").decide()
    assert [call.detail for call in episode.calls] == ["refused with [redacted]"]
