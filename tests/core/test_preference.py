"""The best of several versions, and a draft that is criticised before it is said: options of any speaking seat."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staging import QUESTION

from oversight import Episode, ProtocolError, Seat
from oversight.core.chat import ChatReply, ChatRequest
from oversight.core.message import PREFERENCE, Kind
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.client import ModelCast
from oversight.prompting.markup import find
from oversight.prompting.templates import Templates

TEMPLATES = Templates({"speaker": "You speak.", "other": "You listen.", "argue": "Argue."})


class Speaker(ChatModel):
    """Says which sample it is."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(ModelSettings(model="speaker", **settings))
        self.asked: list[ChatRequest] = []

    async def chat(self, request: ChatRequest) -> ChatReply:
        self.asked.append(request)
        return ChatReply(text=f"version {request.sample}")


class Taste(ChatModel):
    """Gives answer A what a table gives to the version that it hears last."""

    def __init__(self, for_a: Mapping[int, float | None]) -> None:
        super().__init__(ModelSettings(model="taste", belief="stated"))
        self._for_a = for_a
        self.heard: list[str] = []

    async def chat(self, request: ChatRequest) -> ChatReply:
        told = "\n".join(message.content for message in request.messages)
        self.heard.append(told)
        version = int(find("message", told)[-1].content.split()[-1])
        p = self._for_a[version]
        stated = (
            '{"A": 0.5, "B": 0.5, "abstain": true}' if p is None else f'{{"A": {p}, "B": {1 - p}, "abstain": false}}'
        )
        return ChatReply(text=stated)


def stage(taste: Sequence[float | None], side: Mapping[str, int | None], **options: Any) -> tuple[Episode, Seat, Taste]:
    """A speaker with a side, and a judge who finds each version as told."""
    judge = Taste(dict(enumerate(taste)))
    cast = {"strong": [Speaker(best_of=len(taste), **options)], "judge": [judge]}
    episode = Episode(QUESTION, templates=TEMPLATES, cast=ModelCast(cast))
    return episode, episode.seat("speaker", role="strong", **side), judge


def said(taste: Sequence[float | None], side: Mapping[str, int | None]) -> str:
    _, seat, _ = stage(taste, side)
    return asyncio.run(seat.speak("argue")).text


shares = st.lists(st.integers(0, 100).map(lambda percent: percent / 100), min_size=2, max_size=6)


@settings(deadline=None, max_examples=40)
@given(taste=shares)
def test_the_version_said_is_the_best_for_the_speaker_s_own_side_and_never_the_worst(taste: list[float]) -> None:
    """A published study took the worst wherever sides were swapped."""
    assert said(taste, {"argues": 0}) == f"version {taste.index(max(taste))}"
    assert said(taste, {"argues": 1}) == f"version {taste.index(min(taste))}"
    assert said(taste, {"argues": 1, "against": 0}) == f"version {taste.index(min(taste))}"
    assert said(taste, {"argues": None, "against": 0}) == f"version {taste.index(min(taste))}"
    assert said(taste, {"argues": None, "against": 1}) == f"version {taste.index(max(taste))}"


def test_an_abstention_counts_as_an_even_share() -> None:
    assert said([0.4, None, 0.3], {"argues": 0}) == "version 1"
    assert said([0.6, None, 0.3], {"argues": 0}) == "version 0"


def test_a_speaker_without_a_side_has_no_best_version() -> None:
    _, seat, _ = stage([0.1, 0.2], {})
    with pytest.raises(ProtocolError, match="argues for nothing"):
        asyncio.run(seat.speak("argue"))


def test_what_was_not_said_is_forgotten_by_its_speaker_too() -> None:
    episode, seat, judge = stage([0.1, 0.9], {"argues": 0})

    async def perform() -> list[str]:
        return [(await seat.speak("argue", turn=turn)).text for turn in range(2)]

    assert asyncio.run(perform()) == ["version 1", "version 1"]
    speaker = episode._cast.models["strong"][0]
    assert isinstance(speaker, Speaker)
    remembered = [message.content for message in speaker.asked[-1].messages if message.role == "assistant"]
    assert remembered == ["version 1"]
    # Who chooses the second time has heard the first speech, and not what was not said.
    assert [message.content.strip() for message in find("message", judge.heard[-1])] == ["version 1", "version 1"]
    versions = [m for m in episode.messages if m.kind is Kind.DISCLOSURE]
    assert all(m.audience and PREFERENCE in m.audience[0] for m in versions)
    assert len(versions) == 2 * 2


def test_whoever_chooses_hears_only_the_public_words_and_one_version() -> None:
    episode, seat, judge = stage([0.5, 0.6, 0.7], {"argues": 0})
    asyncio.run(seat.speak("argue"))
    heard = [[element.content.strip() for element in find("message", told)] for told in judge.heard]
    assert sorted(heard) == [["version 0"], ["version 1"], ["version 2"]]
    assert not any("Argue." in told for told in judge.heard)
    assert [m.text for m in episode.messages if m.kind is Kind.SPEECH] == ["version 2"]


def test_a_draft_is_criticised_and_written_anew_before_it_is_said() -> None:
    model = Speaker(refine=2)
    episode = Episode(QUESTION, templates=TEMPLATES, cast=ModelCast({"strong": [model]}))
    seat = episode.seat("speaker", role="strong", argues=0)
    asyncio.run(seat.speak("argue", word_limit=30))
    own = [message.kind for message in episode.messages if message.author == "speaker"]
    assert own == [Kind.DRAFT, Kind.THOUGHT, Kind.DRAFT, Kind.THOUGHT, Kind.SPEECH]
    asked = [request.messages[-1].content for request in model.asked]
    assert [("Criticise" in words, "anew" in words) for words in asked] == [
        (False, False), (True, False), (False, True), (True, False), (False, True)
    ]  # fmt: skip
    assert "At most 30 words" in asked[-1]


def test_the_first_draft_is_the_best_of_several_and_the_rest_follows_it() -> None:
    episode, seat, judge = stage([0.2, 0.8], {"argues": 0}, refine=1)
    asyncio.run(seat.speak("argue"))
    drafts = [m.text for m in episode.messages if m.kind is Kind.DRAFT]
    assert drafts == ["version 1"]
    assert len(judge.heard) == 2
