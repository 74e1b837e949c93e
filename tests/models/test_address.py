"""Where calls go: found wrong before anything is written, named when they fail, and listed before a run."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here, oversight
from experiment.files import questions, rows

from oversight.testing import LoopbackServer

CLOSED = "http://127.0.0.1:9/v1"


def experiment(folder: Path, judge: str, more: str = "") -> Path:
    questions(folder, rows(2))
    path = folder / "e.yaml"
    path.write_text(
        f"name: e\ntask: {{name: table, path: rows.jsonl}}\nmodels:\n  judge: {judge}\n{more}protocols: [direct]\n"
    )
    return path


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.long
@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("gpt-9-nonexistent", "'gpt-9-nonexistent' names no provider that is known: write PROVIDER/NAME"),
        ("mistral", "'mistral' names no provider"),
        ("nowhere/model", "'nowhere/model' names no provider"),
        ("{model: hosted_vllm/m, api_base: 'htp://127.0.0.1/v1'}", "the address of hosted_vllm/m is no URL"),
        ("{model: hosted_vllm/m, api_base: '127.0.0.1:8000'}", "the address of hosted_vllm/m is no URL"),
        ("{model: hosted_vllm/m, api_base: 'http://127.0.0.1:99999/v1'}", "the address of hosted_vllm/m is no URL"),
        ("{model: hosted_vllm/m, api_base: 'http:///v1'}", "the address of hosted_vllm/m is no URL"),
    ],
)
def test_a_name_or_an_address_that_is_none_is_one_line_with_its_place(
    tmp_path: Path, command: str, judge: str, words: str
) -> None:
    path = experiment(tmp_path, judge)
    store = ("--engine", "local", "--store", tmp_path / "s") if command == "run" else ()
    said = here(command, path, *store).complaint()
    assert said.startswith(f"{path}:4: models.judge.model: {words}")
    assert not (tmp_path / "s").exists()


def test_so_is_one_of_a_role_that_no_arm_uses(tmp_path: Path) -> None:
    path = experiment(tmp_path, "openai/gpt-4o", "  other: gpt-9-nonexistent\n")
    assert here("plan", path).complaint().startswith(f"{path}:5: models.other.model: 'gpt-9-nonexistent' names no")


def test_a_host_that_is_not_known_is_found_before_anything_is_written(tmp_path: Path) -> None:
    path = experiment(tmp_path, "{model: hosted_vllm/m, api_base: 'http://no-such-host.invalid:8000/v1'}")
    said = here("run", path, "--engine", "local", "--store", tmp_path / "s").complaint()
    assert said.startswith("model hosted_vllm/m: host 'no-such-host.invalid' is not known here: ")
    assert not (tmp_path / "s").exists()


@pytest.mark.long
def test_a_connection_that_fails_says_host_port_and_reason(tmp_path: Path) -> None:
    path = experiment(tmp_path, f"{{model: openai/m, api_base: '{CLOSED}'}}")
    ran = oversight("run", path, "--engine", "local", "--store", tmp_path / "s", cwd=tmp_path, OPENAI_API_KEY="x" * 20)
    assert "cannot connect to 127.0.0.1:9: Connection refused" in ran.err, ran


@pytest.mark.long
def test_a_proxy_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    path = experiment(tmp_path, "{model: hosted_vllm/m, api_base: 'http://models.example/v1'}")
    ran = oversight(
        "run", path, "--engine", "local", "--store", tmp_path / "s", cwd=tmp_path, http_proxy="http://127.0.0.1:9"
    )
    assert "cannot connect to models.example:80 (through the proxy 127.0.0.1:9): Connection refused" in ran.err, ran


@pytest.mark.long
def test_this_machine_is_reached_without_the_proxy(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        path = experiment(tmp_path, f"{{model: hosted_vllm/m, api_base: '{server.api_base}'}}")
        proxies = {name: "http://127.0.0.1:9" for name in ("http_proxy", "HTTP_PROXY")}
        ran = oversight("run", path, "--engine", "local", "--store", tmp_path / "s", cwd=tmp_path, **proxies)
    assert ran.code == 0, ran


@pytest.mark.long
def test_every_endpoint_is_listed_with_the_arms_that_call_it(tmp_path: Path) -> None:
    path = experiment(tmp_path, f"{{model: hosted_vllm/m, api_base: '{CLOSED}'}}")
    text = path.read_text(encoding="utf-8")
    paid = "[direct, {direct: {}, as: paid, models: {judge: openai/gpt-4o}}]"
    path.write_text(text.replace("[direct]", paid), encoding="utf-8")
    planned = here("plan", path)
    lines = [
        "calls go to 127.0.0.1:9: hosted_vllm/m (judge of direct)",
        "calls go to openai: openai/gpt-4o (judge of paid)",
    ]
    assert [line for line in planned.err.splitlines() if line.startswith("calls go to")] == lines
    ran = oversight("run", path, "--engine", "local", "--store", tmp_path / "s", cwd=tmp_path, OPENAI_API_KEY="x" * 20)
    assert [line for line in ran.err.splitlines() if line.startswith("calls go to")] == lines


def test_an_address_of_the_environment_is_listed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gateway.example:8443/v1")
    planned = here("plan", experiment(tmp_path, "openai/gpt-4o"))
    assert "calls go to gateway.example:8443: openai/gpt-4o" in planned.err


def test_models_that_run_here_are_no_endpoints() -> None:
    assert "calls go to" not in here("plan", "quickstart").err
