"""A key written into an experiment is refused, and repeated nowhere (rule 9)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from cli.running import here

from experiment.files import experiment, write
from oversight.errors import UsageError
from oversight.models.litellm_model import LiteLLMModel

# Nothing about its shape gives it away: what protects it is where it stands.
PLANTED = "correct-horse-battery-staple"
SHAPED = "sk-proj-0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize("value", [PLANTED, SHAPED])
@pytest.mark.parametrize(
    "entry",
    [
        {"model": "openai/gpt-5", "api_key": "{}"},
        {"model": "openai/gpt-5", "params": {"api_key": "{}"}},
        {"model": "openai/gpt-5", "extra_headers": {"Authorization": "Bearer {}"}},
        {"model": "openai/gpt-5", "extra_body": {"deep": [{"secret": "{}"}]}},
        {"model": "openai/gpt-5", "api_base": "https://user:{}@example.org/v1"},
        {"model": "embedded/pixel-judge", "api_key": "{}"},
    ],
)
def test_a_key_in_a_model_s_entry_is_refused_and_never_repeated(
    tmp_path: Path, entry: dict[str, Any], value: str
) -> None:
    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {key: filled(inner) for key, inner in part.items()}
        if isinstance(part, list):
            return [filled(inner) for inner in part]
        return part.replace("{}", value)

    models = {"judge": filled(entry), "strong": "embedded/pixel-debater"}
    store = tmp_path / "store"
    for path in (
        experiment(tmp_path / "all", models=models),
        experiment(tmp_path / "one", protocols=[{"debate": {}, "models": models}]),
        experiment(tmp_path / "grid", grid={"models.judge": [models["judge"]]}),
    ):
        ran = here("run", path, "--engine", "local", "--store", store)
        ran.complaint()
        assert value not in ran.out + ran.err
    assert not store.exists()


def test_a_key_given_by_set_is_refused_and_never_repeated(tmp_path: Path) -> None:
    path, store = write(tmp_path), tmp_path / "store"
    entry = f"models.judge={{model: openai/gpt-5, api_key: {PLANTED}}}"
    for settings in ([entry], ["models.judge=openai/gpt-5", f"models.judge.api_key={PLANTED}"]):
        given = [word for setting in settings for word in ("--set", setting)]
        ran = here("run", path, "--engine", "local", "--store", store, *given)
        assert "environment" in ran.complaint()
        assert PLANTED not in ran.err
    assert not store.exists()


def test_a_variable_that_is_not_set_stops_the_run_before_anything_is_written(tmp_path: Path) -> None:
    judge = {"model": "openai/gpt-5", "api_key_env": "NOBODY_SET_THIS_ONE"}
    path = experiment(tmp_path, models={"judge": judge}, protocols=["direct"])
    said = here("run", path, "--engine", "local", "--store", tmp_path / "store").complaint()
    assert "NOBODY_SET_THIS_ONE" in said
    assert not (tmp_path / "store").exists()


def test_a_providers_usual_key_is_missed_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    path = experiment(tmp_path, models={"judge": "openai/gpt-5"}, protocols=["direct"])
    said = here("run", path, "--engine", "local", "--store", tmp_path / "store").complaint()
    assert said.startswith("model openai/gpt-5: OPENAI_API_KEY is not set: export OPENAI_API_KEY=")
    assert not (tmp_path / "store").exists()
    # A server of one's own needs none, and whoever set something else of the provider's may have another way in.
    LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5", api_base="http://127.0.0.1:1/v1"))
    LiteLLMModel.check(LiteLLMModel.Settings(model="nobody/knows"))
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "")
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5"))
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "not-a-secret")
    LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5"))
