"""Fine-tuning over real HTTP: nothing is paid for twice, whatever fails, and whoever is killed."""

from __future__ import annotations

import json
import logging
import pickle
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.core.chat import ChatMessage
from oversight.errors import CallFailed, FailureClass, RunStopped, StopReason, UsageError
from oversight.models.chat_rows import ChatRow, write_rows
from oversight.models.litellm.fine_tuning import TuningSettings, check, fine_tune
from oversight.testing.loopback import Fault, JobOutcome, LoopbackServer, TunedFile, TuningJob

from .conftest import Make, ask

pytestmark = pytest.mark.long

PLANTED = "tk_planted-4f9e77c2d1"
BASE = "openai/gpt-4.1-nano-2025-04-14"
QUESTION = "Which is right?\nA) the first\nB) the second\nAnswer with one letter."
Tune = Callable[..., Any]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Ten rows, of which the first teaches to answer B."""
    path = tmp_path / "round-1.jsonl"
    lessons = [ChatRow.of(ask(QUESTION).messages, "B")]
    lessons += [ChatRow.of((ChatMessage("user", f"Sub-question {n}?"),), f"Answer {n}.") for n in range(9)]
    write_rows(path, lessons)
    return path


@pytest.fixture
def tune(server: LoopbackServer, rows: Path) -> Tune:
    """Tunes on the loopback server."""

    async def tune(watch: Callable[[str], None] | None = None, **settings: Any) -> str:
        given = {"model": BASE, "api_base": server.api_base, "poll_s": 0.02, **settings}
        return await fine_tune(rows, TuningSettings.model_validate(given), watch=watch)

    return tune


def record(rows: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(rows.with_suffix(".tuning.json").read_text())
    return kept


def counts(server: LoopbackServer) -> tuple[int, int]:
    """Uploads and jobs."""
    return len(server.tuning.files), len(server.tuning.jobs)


async def test_a_tuned_model_says_what_it_was_taught(
    server: LoopbackServer, tune: Tune, rows: Path, make: Make
) -> None:
    heard: list[str] = []
    name = await tune(heard.append, suffix="round-1", epochs=3, learning_rate_multiplier=0.5, seed=7)
    [file], [job] = server.tuning.files, server.tuning.jobs
    assert name == f"openai/{job.model}"
    assert name.startswith("openai/ft:gpt-4.1-nano-2025-04-14:loopback:round-1:")
    assert file.content == rows.read_bytes()
    assert file.filename == f"round-1-{record(rows)['rows'][:12]}.jsonl"
    assert job.asked == {
        "model": "gpt-4.1-nano-2025-04-14",
        "training_file": file.id,
        "hyperparameters": {"n_epochs": 3, "learning_rate_multiplier": 0.5},
        "suffix": "round-1",
        "seed": 7,
    }
    assert heard == [
        f"uploaded round-1 as {file.id}",
        *(f"fine-tuning job {job.id}: {status}" for status in ("queued", "running", "succeeded")),
    ]

    taught = await make(name).chat(ask(QUESTION, choices=("A", "B")))
    assert taught.choice_probs == pytest.approx({"A": 0, "B": 0.95})
    assert (await make(name).chat(ask("Something else?"))).text == (await make().chat(ask("Something else?"))).text


async def test_what_is_not_set_is_left_to_the_provider(server: LoopbackServer, tune: Tune) -> None:
    await tune(epochs="auto")
    [job] = server.tuning.jobs
    assert job.asked["hyperparameters"] == {"n_epochs": "auto"}
    assert not {"suffix", "seed"} & job.asked.keys()


async def test_a_finished_tuning_asks_nobody(rows: Path) -> None:
    with LoopbackServer() as server:
        settings = TuningSettings(model=BASE, api_base=server.api_base, poll_s=0.02)
        name = await fine_tune(rows, settings)
    assert await fine_tune(rows, settings) == name, "the server is gone"
    patient = settings.model_copy(update={"poll_s": 9.0, "timeout_s": 1.0, "longest_s": 5.0})
    assert await fine_tune(rows, patient) == name, "how it is waited for does not matter"


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.rate_limited(0.01), id="429"),
        pytest.param(Fault.error(500, "boom"), id="500"),
        pytest.param(Fault(503, "<html>unavailable</html>"), id="503-html"),
        pytest.param(Fault.reset(), id="reset"),
        pytest.param(Fault.not_json(), id="not-json"),
        pytest.param(Fault(200, "null"), id="null"),
        pytest.param(Fault(200, "[]"), id="not-an-object"),
        pytest.param(Fault.error(200, "upstream overloaded"), id="error-under-200"),
        pytest.param(Fault.error(400, "File 'file-1' is still being processed and is not ready"), id="not-ready"),
        pytest.param(Fault.slow(0.6), id="timeout"),
    ],
)
async def test_whatever_passes_is_tried_again_and_no_second_job_is_made(
    server: LoopbackServer, tune: Tune, fault: Fault
) -> None:
    for kind in ("upload", "jobs", "create", "job"):
        server.tuning.faults[kind].append(fault)
    await tune(timeout_s=0.3)
    assert not any(server.tuning.faults.values()), "each was met"
    assert len(server.tuning.jobs) == 1


async def test_a_provider_that_does_not_answer_stops_it_and_the_next_start_goes_on(
    server: LoopbackServer, tune: Tune
) -> None:
    server.tuning.faults["job"].extend([Fault.error(500, "boom")] * 5)
    with pytest.raises(RunStopped, match="boom") as caught:
        await tune()
    assert caught.value.reason is StopReason.UNREACHABLE
    assert not server.tuning.faults["job"]
    await tune()
    assert counts(server) == (1, 1)


async def test_a_wrong_key_is_asked_with_once_and_a_right_one_goes_on(
    server: LoopbackServer, tune: Tune, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.tuning.key = PLANTED
    monkeypatch.setenv("OPENAI_API_KEY", "tk_wrong-4f9e77c2d1")
    with pytest.raises(RunStopped, match="Incorrect API key provided") as caught:
        await tune()
    assert caught.value.reason is StopReason.REFUSED
    assert "tk_wrong" not in caught.value.message
    assert server.tuning.asked == {"upload": 1}
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    await tune()
    assert counts(server) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        pytest.param("upload", Fault.error(400, "Invalid file format for Fine-Tuning API"), id="upload-400"),
        pytest.param("jobs", Fault.error(403, "You may not list jobs"), id="jobs-403"),
        pytest.param("create", Fault.error(400, "bad hyperparameters"), id="create-400"),
        pytest.param(
            "create",
            Fault.error(429, "You exceeded your current quota", code="insufficient_quota"),
            id="create-no-money",
        ),
        pytest.param("job", Fault.unauthorized(PLANTED), id="job-401"),
    ],
)
async def test_a_refusal_is_one_line_and_the_next_start_goes_on(
    server: LoopbackServer, tune: Tune, rows: Path, kind: str, fault: Fault
) -> None:
    server.tuning.faults[kind].append(fault)
    with pytest.raises(RunStopped, match=f"^fine-tuning {BASE}: ") as caught:
        await tune()
    error = caught.value
    assert error.reason is StopReason.REFUSED, "for which the command exits with 2"
    assert "\n" not in error.message
    assert error.__cause__ is None
    assert error.__context__ is None
    assert pickle.loads(pickle.dumps(error)).message == error.message
    assert server.tuning.asked[kind] == 1
    await tune()
    assert len(server.tuning.jobs) == 1
    assert record(rows)["model"]


async def test_a_model_that_cannot_be_tuned_is_a_refusal(server: LoopbackServer, tune: Tune) -> None:
    with pytest.raises(RunStopped, match="ft:nobody:knows:this:one") as caught:
        await tune(model="openai/ft:nobody:knows:this:one")
    assert caught.value.reason is StopReason.REFUSED
    assert server.tuning.jobs == []


async def test_a_file_that_the_provider_has_lost_is_uploaded_again(server: LoopbackServer, tune: Tune) -> None:
    server.tuning.faults["create"].append(Fault.error(403, "no"))
    with pytest.raises(RunStopped):
        await tune()
    server.tuning.files.clear()
    with pytest.raises(RunStopped, match="invalid training_file"):
        await tune()
    await tune()
    assert counts(server) == (1, 1)


@pytest.mark.parametrize(
    ("fate", "failure", "words"),
    [
        (JobOutcome.failed("The job\nran out of luck."), FailureClass.SERVER_ERROR, "failed: The job ran out of luck."),
        (JobOutcome("failed"), FailureClass.SERVER_ERROR, "failed"),
        (
            JobOutcome.failed("no such row", "invalid_training_file"),
            FailureClass.INVALID_REQUEST,
            "failed: no such row",
        ),
        (JobOutcome.cancelled(), FailureClass.SERVER_ERROR, "was cancelled"),
        (JobOutcome.gone(), FailureClass.SERVER_ERROR, "is not known to the provider"),
    ],
)
async def test_a_job_that_comes_to_nothing_says_why_and_the_next_start_makes_another(
    server: LoopbackServer, tune: Tune, rows: Path, fate: JobOutcome, failure: FailureClass, words: str
) -> None:
    server.tuning.fates.append(fate)
    with pytest.raises(CallFailed) as caught:
        await tune()
    [job] = server.tuning.jobs
    assert caught.value.failure is failure
    assert caught.value.message == record(rows)["failure"] == f"fine-tuning job {job.id} {words}"
    name = await tune()
    assert [name] == [f"openai/{job.model}" for job in server.tuning.jobs[1:]]
    assert "failure" not in record(rows)


async def test_rows_that_only_the_provider_finds_fault_with(server: LoopbackServer, tune: Tune) -> None:
    server.tuning.fates.append(JobOutcome.failed("row 3 breaks the usage policy", "invalid_training_file"))
    with pytest.raises(CallFailed, match=r"invalid_request: fine-tuning job .* failed: row 3"):
        await tune()
    assert server.tuning.jobs[0].statuses == ["validating_files", "failed"]


async def test_a_job_that_takes_too_long_is_waited_for_again(server: LoopbackServer, tune: Tune) -> None:
    server.tuning.fates.append(JobOutcome.stuck())
    with pytest.raises(CallFailed, match=r"is still running after 0\.2 s; start again") as caught:
        await tune(longest_s=0.2)
    assert caught.value.failure is FailureClass.TIMEOUT
    server.tuning.jobs[0].fate = JobOutcome()
    await tune()
    assert counts(server) == (1, 1)


async def test_a_status_that_nobody_knows_is_waited_out(server: LoopbackServer, tune: Tune) -> None:
    """OpenAI pauses jobs; neither its client's types nor LiteLLM's know that status."""
    server.tuning.fates.append(JobOutcome.stuck("paused"))

    def heard(line: str) -> None:
        if "paused" in line:
            server.tuning.jobs[0].fate = JobOutcome()

    await tune(heard)
    assert server.tuning.jobs[0].statuses[-2:] == ["paused", "succeeded"]
    assert counts(server) == (1, 1)


async def test_other_rows_or_settings_are_another_job(server: LoopbackServer, tune: Tune, rows: Path) -> None:
    first = await tune()
    second = await tune(epochs=2)
    write_rows(rows, [ChatRow.of(ask(QUESTION).messages, "A")] * 10)
    third = await tune(epochs=2)
    assert len({first, second, third}) == 3
    assert counts(server) == (3, 3)
    assert await tune(epochs=2) == third
    assert counts(server) == (3, 3)


async def test_rows_that_break_a_rule_cost_nothing(server: LoopbackServer, tune: Tune, rows: Path) -> None:
    content = rows.read_text().splitlines()
    rows.write_text("\n".join(["{", *content[1:5], '{"messages": []}', *content[5:]]) + "\n")
    with pytest.raises(UsageError, match=r"round-1\.jsonl: line 1: not valid JSON.* \(and 1 more\)$"):
        await tune()
    write_rows(rows, [])
    with pytest.raises(UsageError, match="0 examples; at least 10"):
        await tune()
    rows.unlink()
    with pytest.raises(UsageError, match="cannot be read"):
        await tune()
    assert counts(server) == (0, 0)
    assert not rows.with_suffix(".tuning.json").exists()


async def test_a_damaged_record_is_not_guessed_at(server: LoopbackServer, tune: Tune, rows: Path) -> None:
    rows.with_suffix(".tuning.json").write_text('{"rows": "ab')
    with pytest.raises(UsageError, match=r"tuning\.json: is no record of a fine-tuning: delete it"):
        await tune()
    assert counts(server) == (0, 0)


async def test_without_a_key_nothing_is_asked(rows: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for settings, name in [({}, "OPENAI_API_KEY"), ({"api_key_env": "LAB_KEY"}, "LAB_KEY")]:
        with pytest.raises(UsageError, match=f"{name} is not set: export {name}="):
            await fine_tune(rows, TuningSettings.model_validate({"model": BASE, **settings}))
    (tmp_path / "key").write_text(PLANTED)
    monkeypatch.setenv("LAB_KEY", "")  # so that what is read from the file goes when the test ends
    monkeypatch.setenv("LAB_KEY_FILE", str(tmp_path / "key"))
    check(TuningSettings(model=BASE, api_key_env="LAB_KEY"))


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"api_key": PLANTED}, "api_key looks like a secret.*api_key_env"),
        ({"token": PLANTED}, "token looks like a secret"),
        ({"suffix": "sk-abcdefgh12345678"}, "suffix looks like a secret"),
        ({"api_base": f"https://me:{PLANTED}@example.org/v1"}, "api_base looks like a secret"),
        ({"model": "anthropic/claude-sonnet-4-5"}, "model"),
        ({"epochs": 0}, "epochs"),
        ({"epoch": 1}, "epoch"),
        ({"learning_rate_multiplier": "high"}, "learning_rate_multiplier"),
        ({"poll_s": 0}, "poll_s"),
        ({"suffix": "x" * 65}, "suffix"),
    ],
)
def test_settings_that_cannot_work_are_refused_and_keys_not_repeated(settings: dict[str, Any], word: str) -> None:
    with pytest.raises(ValidationError, match=word) as caught:
        TuningSettings.model_validate({"model": BASE, **settings})
    assert PLANTED not in str(caught.value)
    assert "sk-abc" not in str(caught.value)


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "LAB_KEY"])
async def test_the_key_reaches_the_provider_and_nothing_else(
    server: LoopbackServer,
    tune: Tune,
    rows: Path,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv(variable, PLANTED)
    server.tuning.key = PLANTED
    shown: list[str] = []
    settings = {} if variable == "OPENAI_API_KEY" else {"api_key_env": variable}
    server.tuning.faults["create"].append(Fault.unauthorized(PLANTED))
    server.tuning.faults["job"].append(Fault(500, f"<p>{PLANTED}</p>"))
    server.tuning.fates.append(JobOutcome.failed(f"no {PLANTED} here"))
    server.tuning.fates.append(JobOutcome.stuck(PLANTED))
    for _ in range(3):
        with pytest.raises((RunStopped, CallFailed)) as caught:
            await tune(shown.append, longest_s=0.3, **settings)
        error = caught.value
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        shown += [str(error), repr(error), repr(pickle.dumps(error)), *frames]
        shown += [path.read_text() for path in rows.parent.iterdir()]
    assert server.tuning.asked["job"] > 3, "the right key was sent"
    everything = "\n".join([*shown, caplog.text, *capfd.readouterr()])
    assert "no [redacted] here" in everything
    assert PLANTED not in everything


async def test_a_job_is_found_among_many(server: LoopbackServer, tune: Tune) -> None:
    """The reply that names the job is lost, and meanwhile colleagues of the same account make 250 others."""
    server.tuning.faults["create"].append(Fault.reset())
    server.tuning.faults["jobs"].extend([None, *[Fault.error(500, "boom")] * 5])
    with pytest.raises(RunStopped):
        await tune()
    [ours] = server.tuning.jobs
    theirs = TunedFile("file-theirs", "x.jsonl", b"", 0)
    server.tuning.jobs += [
        TuningJob(f"ftjob-{n}", {"model": "m"}, theirs, JobOutcome(), 0, ["validating_files", "succeeded"])
        for n in range(250)
    ]
    assert await tune() == f"openai/{ours.model}"
    assert counts(server) == (1, 251)


SCRIPT = """
import socket, sys

attempts = []
def guard(event, args):
    if event == "socket.connect" and isinstance(args[1], tuple) and args[1][0] not in ("127.0.0.1", "::1"):
        attempts.append(args[1])
    if event == "socket.getaddrinfo" and args[0] not in ("127.0.0.1", "::1", "localhost", None):
        attempts.append(args[0])
sys.addaudithook(guard)

import asyncio
from pathlib import Path
from oversight.models.litellm.fine_tuning import TuningSettings, fine_tune
assert "litellm" not in sys.modules

settings = TuningSettings(model=sys.argv[2], api_base=sys.argv[3], poll_s=0.02)
print(asyncio.run(fine_tune(Path(sys.argv[1]), settings)))
assert attempts == [], attempts
"""


def start(rows: Path, server: LoopbackServer) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(rows), BASE, server.api_base]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_nothing_is_imported_early_asked_of_the_network_or_printed(server: LoopbackServer, rows: Path) -> None:
    said, complained = start(rows, server).communicate(timeout=60)
    assert (said, complained) == (f"openai/{server.tuning.jobs[0].model}\n", "")


def kill_when(server: LoopbackServer, rows: Path, happened: Callable[[], bool]) -> None:
    with start(rows, server) as process:
        until = time.monotonic() + 60
        while not happened() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        assert process.returncode == -signal.SIGKILL, "it was killed, and had not ended"
    assert happened()


async def test_killed_between_upload_and_job(server: LoopbackServer, rows: Path, tune: Tune) -> None:
    server.tuning.faults["jobs"].append(Fault.hang())
    kill_when(server, rows, lambda: bool(server.tuning.files) and not server.tuning.faults["jobs"])
    assert counts(server) == (1, 0)
    assert record(rows).keys() == {"rows", "settings", "file"}
    await tune()
    assert counts(server) == (1, 1)


async def test_killed_before_the_job_that_was_made_is_on_record(server: LoopbackServer, rows: Path, tune: Tune) -> None:
    server.tuning.faults["create"].append(Fault.hang())
    kill_when(server, rows, lambda: bool(server.tuning.jobs))
    assert record(rows).keys() == {"rows", "settings", "file"}
    assert await tune() == f"openai/{server.tuning.jobs[0].model}"
    assert counts(server) == (1, 1)


async def test_killed_while_polling(server: LoopbackServer, rows: Path, tune: Tune) -> None:
    server.tuning.fates.append(JobOutcome.stuck())
    kill_when(server, rows, lambda: bool(server.tuning.jobs) and server.tuning.jobs[0].statuses[-1] == "running")
    assert record(rows)["job"] == server.tuning.jobs[0].id
    server.tuning.jobs[0].fate = JobOutcome()
    assert await tune() == f"openai/{server.tuning.jobs[0].model}"
    assert counts(server) == (1, 1)
