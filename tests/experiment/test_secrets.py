"""A key written into an experiment is refused, and repeated nowhere (rule 9)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.running import here

from experiment.files import experiment, write
from oversight.errors import UsageError
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.util.secret_search import find_secret

# Nothing about its shape gives it away: what protects it is where it stands.
PLANTED = "correct-horse-battery-staple"
EXPERIMENTS = Path(__file__).parents[2] / "experiments"
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


@pytest.mark.parametrize("model", ["openai/gpt-5", "gpt-5"])
def test_a_providers_usual_key_is_missed_before_anything_is_written(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    path = experiment(tmp_path, models={"judge": model}, protocols=["direct"])
    said = here("run", path, "--engine", "local", "--store", tmp_path / "store").complaint()
    assert said.startswith(f"model {model}: OPENAI_API_KEY is not set: export OPENAI_API_KEY=")
    assert not (tmp_path / "store").exists()
    # A server of one's own needs none, and whoever set something else of the provider's may have another way in.
    LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5", api_base="http://127.0.0.1:1/v1"))
    LiteLLMModel.check(LiteLLMModel.Settings(model="nobody/knows"))
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "")
    with pytest.raises(UsageError, match="OPENAI_API_KEY is not set"):
        LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5"))
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "not-a-secret")
    LiteLLMModel.check(LiteLLMModel.Settings(model="openai/gpt-5"))


URLS = [
    "https://example.org/v1?api_key={}",
    "https://example.org/v1?x=1&key={}",
    "https://example.org/v1?Subscription-Key={}&api-version=2024-10-21",
    "https://example.org/v1?api%5Fkey={}",
    "https://example.org/v1#access_token={}",
    "https://example.org/token/{}/v1",
    "https://me:{}@example.org/v1",
    "https://{}@example.org/v1",
    "me:{}@example.org/v1",
    "//me:{}@example.org",
    "HTTPS://ME:{}@EXAMPLE.ORG",
]
IN_A_URL = "Planted-00-hunter2"


API_BASE = ("models", "judge", "api_base")
PLACES = [
    ("models", "judge", "extra_body", "callback"),
    ("description",),
    ("task", "path"),
    ("published", 0, "source"),
    ("grid", "models.judge.api_base", 0),
    ("protocols", 0, "models", "judge", "api_base"),
]


@pytest.mark.parametrize(
    ("url", "where"), [*((url, API_BASE) for url in URLS), *((URLS[0], place) for place in PLACES)]
)
def test_a_key_in_an_address_is_refused_wherever_it_stands(
    tmp_path: Path, url: str, where: tuple[str | int, ...]
) -> None:
    text = url.format(IN_A_URL)
    value: Any = f"See {text} for more." if where == ("description",) else text
    for part in reversed(where[1:]):
        value = [value] if isinstance(part, int) else {part: value}
    if where[:2] == ("models", "judge"):
        value["judge"]["model"] = "hosted_vllm/m"
    if where[0] == "protocols":
        value[0]["debate"] = {}
    path, store = experiment(tmp_path, **{str(where[0]): value}), tmp_path / "store"
    for command in (("plan", path), ("run", path, "--engine", "local", "--store", store)):
        ran = here(*command)
        said = ran.complaint()
        assert said.startswith(f"{path}:")
        assert f": {where[0]}" in said
        assert "keys come from the environment" in said
        assert IN_A_URL not in ran.out + ran.err
        assert IN_A_URL[:8] not in ran.out + ran.err
    assert not store.exists()


@pytest.mark.parametrize(
    "text",
    [
        SHAPED,
        "Runs with api_key=Ab12cd34 on our server.",
        'Set "token": "a1b2c3d4e5".',
        "hf_abcdefghijklmnopqrstuvwx",
        "ghp_0123456789abcdefghijklmnopqrstuvwxyz",
        "AKIAIOSFODNN7EXAMPLE",
        "Authorization: Bearer abcdefgh12345678",
        "-----BEGIN RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln",
        "postgres://u:pw1@db/x",
    ],
)
def test_a_text_that_looks_like_a_key_is_refused_anywhere(tmp_path: Path, text: str) -> None:
    for path in (
        experiment(tmp_path / "a", description=text),
        experiment(tmp_path / "b", protocols=[{"debate": {"rounds": text}}]),
        experiment(tmp_path / "c", task={"name": text}),
        experiment(tmp_path / "d", task={"name": "digits", text: 1}),
    ):
        ran = here("plan", path)
        assert "keys come from the environment" in ran.complaint()
        assert text not in ran.err


def test_a_key_given_by_set_in_an_address_is_refused_and_never_repeated(tmp_path: Path) -> None:
    path = write(tmp_path)
    for setting in (f"description=at http://h/?key={IN_A_URL}", f"models.judge.api_base=http://h/?key={IN_A_URL}"):
        ran = here("plan", path, "--set", setting)
        assert "keys come from the environment" in ran.complaint()
        assert IN_A_URL not in ran.err


def test_the_value_of_a_variable_that_the_experiment_names_is_refused_in_its_texts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_JUDGE", PLANTED)
    judge = {"model": "hosted_vllm/m", "api_base": "http://127.0.0.1:9/v1", "api_key_env": "LAB_JUDGE"}
    path = experiment(tmp_path, models={"judge": judge}, protocols=["direct"], description=f"The key is {PLANTED}.")
    ran = here("plan", path)
    assert "description: this is the value of a variable that holds a secret" in ran.complaint()
    assert PLANTED not in ran.err


def test_a_key_in_the_place_of_a_variables_name_is_refused_and_never_repeated(tmp_path: Path) -> None:
    for value in (SHAPED, "not a name"):
        judge = {"model": "openai/gpt-5", "api_key_env": value}
        ran = here("plan", experiment(tmp_path, models={"judge": judge}, protocols=["direct"]))
        assert "models.judge.api_key_env: the name of a variable is wanted" in ran.complaint()
        assert value not in ran.err


@pytest.mark.parametrize(
    "text",
    [
        "The answer key: see p. 12; each token counts; secret: tell no one.",
        "Compare sk-learn-based-classifier with hf-transformers-library, the bearer of bad news.",
        "Write to mailto:me2@example.org or contact:lab1@example.org; talk at 12:30@noon.",
        "git@github.com:lab/debate.git and ssh://git@github.com/lab/debate",
        "https://raw.example.org/a/0123456789abcdef0123456789abcdef01234567/data.json",
        "https://example.org/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1?api-version=2024-10-21",
        "Give ?api_key=… or ?key=$KEY or ?token=<token>, as in api_key=YOUR_API_KEY.",
        "Meta-Llama-3.1-70B-Instruct-Turbo, max_tokens: 1024, arXiv:1805.00899v2, doi:10.1000/x@y",
        "http://127.0.0.1:8000/v1/models/Meta-Llama-3.1-70B-Instruct-Turbo",
    ],
)
def test_prose_that_speaks_of_keys_is_no_key(tmp_path: Path, text: str) -> None:
    ran = here("plan", experiment(tmp_path, description=text), "--format", "json")
    assert ran.code == 0, ran.err


def test_no_shipped_experiment_looks_like_it_holds_a_key() -> None:
    found = {path.name: find_secret(yaml.safe_load(path.read_text())) for path in EXPERIMENTS.glob("*.yaml")}
    assert len(found) > 5
    assert {name for name, secret in found.items() if secret} == set()
