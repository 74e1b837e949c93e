"""What Ray carries between processes arrives as it left: errors, episodes, plugins."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from inspect import isclass

import pytest
from staging import QUESTION, stage

from oversight import Annotation, Belief, BeliefSource, CallFailed, FailureClass, OversightError, Protocol, Verdict
from oversight import errors as all_errors
from oversight.core.chat import ChatReply
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.errors import RunStopped, StopReason, YamlError
from oversight.plugins import Plugin, find_plugin, installed
from oversight.testing import conformance
from oversight.testing.scripted import ScriptedModel

KINDS = [
    kind
    for module in (all_errors, conformance)
    for kind in vars(module).values()
    if isclass(kind)
    and issubclass(kind, OversightError)
    and kind not in (CallFailed, RunStopped, YamlError)
    and kind.__module__ == module.__name__
]
ERRORS = [
    *(kind("what went wrong") for kind in KINDS),
    RunStopped(StopReason.BUDGET, "no more"),
    YamlError(3, ("models", "judge"), "no number"),
    CallFailed(FailureClass.REFUSED, "no"),
    CallFailed(FailureClass.RATE_LIMITED, "slow down", 2.5),
    CallFailed(FailureClass.TRUNCATED, "cut", None, ChatReply("half a", completion_tokens=9)),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_survives_pickling(error: Exception) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), arrived.args, str(arrived), vars(arrived)) == (
        *(type(error), error.args),
        *(str(error), vars(error)),
    )


@pytest.mark.parametrize("kind", [kind for kind in FailureClass if not kind.transient])
def test_a_failure_says_its_class_and_its_message(kind: FailureClass) -> None:
    assert str(CallFailed(kind, "no luck")) == f"{kind.value}: no luck"


SPEC = EpisodeSpec(
    episode_id="e1",
    arm="debate",
    task="t",
    protocol="debate",
    protocol_version="1-f00",
    protocol_key="debate",
    options={"rounds": 3},
    cast={"judge": ("small",), "strong": ("big", "big2")},
    judge="small",
    strong=None,
    question=QUESTION,
    question_key="k",
    answer_order=(1, 0),
    assignment=(0, None),
    seed=7,
    repeat=1,
)


async def outcome() -> EpisodeOutcome:
    """An outcome of a real episode, with quotes, a belief, sides and a failed call."""
    judge = ScriptedModel(["no", '{"A": 0.8, "B": 0.2}'], belief="stated")
    episode = stage(judge=judge, strong=ScriptedModel(["<quote>the old mill</quote>"]))
    expert = episode.seat("expert", role="strong", argues=1, against="others", sees_material=True)
    await expert.speak("argue", turn=0)
    verdict = await episode.seat("judge").decide()
    return EpisodeOutcome(
        episode_id="e1",
        attempt=0,
        status="judged",
        started_at=datetime.now(UTC),
        duration_s=0.5,
        messages=episode.messages,
        calls=tuple(episode.calls),
        sides=tuple(episode.sides),
        verdict=Verdict(belief=verdict.belief, annotations=(Annotation(kind="step", data={"n": [1, None]}),)),
    )


def test_an_episode_to_run_survives_pickling() -> None:
    assert pickle.loads(pickle.dumps(SPEC)) == SPEC


def test_an_episode_to_run_survives_json() -> None:
    assert EpisodeSpec.model_validate_json(SPEC.model_dump_json()) == SPEC


async def test_an_outcome_survives_pickling() -> None:
    ran = await outcome()
    assert pickle.loads(pickle.dumps(ran)) == ran


async def test_an_outcome_survives_json() -> None:
    ran = await outcome()
    assert EpisodeOutcome.model_validate_json(ran.model_dump_json()) == ran


@pytest.mark.parametrize("name", sorted(installed(Protocol)))
def test_a_plugin_survives_pickling(name: str) -> None:
    plugin = find_plugin(Protocol, name)
    arrived = pickle.loads(pickle.dumps(plugin))
    assert (arrived, arrived.load(Protocol)) == (plugin, plugin.load(Protocol))


def test_a_plugin_of_an_importable_class_carries_its_prompts() -> None:
    found = find_plugin(Protocol, "debate")
    assert Plugin.of(found.load(Protocol)) == found


def test_an_abstention_survives_json() -> None:
    held = Belief(probs=None, source=BeliefSource.STATED, status="abstained")
    assert Belief.model_validate_json(held.model_dump_json()) == held
