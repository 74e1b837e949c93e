"""Iterated distillation through a provider's fine-tuning API: a real server on this machine, through LiteLLM."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import pytest
from cli.running import Ran, here
from execution.disturbing import Kill, end, kill_driver, repeats
from execution.staging import Running, count, rows
from training.staging import HELD, TRAIN, Dividing, command, distilled, lay_out, rounds, scores

from oversight.models.chat_rows import ChatRow, problems, read_rows
from oversight.store import open_store
from oversight.testing.loopback import Fault, FineTuningEndpoint, JobOutcome, LoopbackServer, Reply

pytestmark = pytest.mark.long

# Sent to the server, and to nobody else.
KEY = "correct-horse-battery-staple-0451"
FEW, ONE, TWO = TRAIN[:4], HELD[:1], HELD[:2]
"""Twelve rows and one question to test on; no ceiling can be tuned on four."""


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Dividing()) as server:
        yield server


class Holding(FineTuningEndpoint):
    """Whose models of the first round say nothing about one training question until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()

    def recall(self, body: Mapping[str, Any]) -> Reply | None:
        if ":x1:" in body["model"] and "Training note 9." in str(body["messages"]):
            self.let_go.wait()
        return super().recall(body)


class Finished(NamedTuple):
    """Two rounds with a ceiling, undisturbed."""

    server: LoopbackServer
    experiment: Path
    store: Path
    ran: Ran
    calls: int


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("undisturbed")
    with LoopbackServer(Dividing()) as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        experiment = lay_out(folder, server.api_base, held=TWO, distil={"ceiling": True}, iterate={"rounds": 2})
        ran = command(experiment)
        yield Finished(server, experiment, folder / "store", ran, len(server.received))


def prompt(messages: list[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((message["role"], message["content"]) for message in messages)


def prompts(found: tuple[ChatRow, ...]) -> set[tuple[tuple[str, str], ...]]:
    return {tuple((message.role, message.content) for message in row.messages[:-1]) for row in found}


def rows_in(store: Path, name: str) -> tuple[ChatRow, ...]:
    (path,) = store.glob(f"rounds/*/{name}")
    return read_rows(path)


def assert_secret(folder: Path, *runs: Ran) -> None:
    """The key is in no file that was written, and in nothing that was printed."""
    for ran in runs:
        assert KEY not in ran.out + ran.err
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.name == "oversight.duckdb" for file in files)
    for file in files:
        assert KEY.encode() not in file.read_bytes(), file


def test_two_rounds_and_a_ceiling_are_tuned_once_each(finished: Finished) -> None:
    assert finished.ran.code == 0, finished.ran
    desk = finished.server.tuning
    assert [job.asked["suffix"] for job in desk.jobs] == ["ceiling", "x1", "x2"]
    # Each from X_0, each on its own rows as they lie in the run's folder.
    assert {job.base for job in desk.jobs} == {"gpt-4o"}
    names = ("ceiling.jsonl", "round-001.jsonl", "round-002.jsonl")
    assert [job.file.content for job in desk.jobs] == [
        distilled(finished.store, name=name.replace("{", "")) for name in names
    ]
    for name in names:
        (path,) = finished.store.glob(f"rounds/*/{name}")
        assert problems(path) == []
    asked = Counter(body["model"] for body in finished.server.bodies)
    ceiling, first, second = (job.model for job in desk.jobs)
    # The ceiling answers each held-out question once; X_1 also sits at the leaves of ten and two trees, and says
    # there what X_0 said, so that no overseer is asked anything new.
    assert asked == {"gpt-4o-mini": 2 * 2 + 10 * 2} | {
        **{"gpt-4o": 2 + 2 * 2 + 10 * 2, ceiling: 2, first: 2 + 2 * 2 + 10 * 2, second: 2 + 2 * 2}
    }
    stored = rounds(finished.store)
    assert [stored[number, "distilled"]["model"] for number in (1, 2)] == [f"openai/{first}", f"openai/{second}"]
    assert {(row["round"], row["who"]) for row in scores(finished.store)} >= {
        *((number, who) for number in range(3) for who in ("alone", "amplified")),
        (0, "ceiling"),
    }
    assert_secret(finished.experiment.parent, finished.ran)


def test_plan_and_run_list_where_the_rounds_call_models(finished: Finished) -> None:
    planned = here("plan", finished.experiment)
    host = finished.server.api_base.removeprefix("http://").removesuffix("/v1")
    (line,) = endpoints(planned)
    assert line.startswith(f"calls go to {host}: ")
    assert "openai/gpt-4o-mini (overseer of training, X_0, amplified X_0)" in line
    assert endpoints(finished.ran) == [line]


def endpoints(ran: Ran) -> list[str]:
    return [line for line in ran.err.splitlines() if line.startswith("calls go to ")]


def test_the_same_command_again_asks_nobody(finished: Finished) -> None:
    desk = finished.server.tuning
    before = len(finished.server.received), len(desk.files), len(desk.jobs)
    again = command(finished.experiment)
    assert again.code == 0, again
    assert endpoints(again) == []
    assert (len(finished.server.received), len(desk.files), len(desk.jobs)) == before


def test_rows_are_what_is_really_asked_and_answered(finished: Finished, tmp_path: Path) -> None:
    """Byte for byte: what `direct` sends of the questions, what leaves are sent, what overseers are sent."""
    sent = [(body["model"], prompt(body["messages"])) for body in finished.server.bodies[: finished.calls]]
    of_training = {asked for _, asked in sent if any(row["prompt"] in str(asked) for row in TRAIN)}
    own, overseer = rows_in(finished.store, "round-001.jsonl"), rows_in(finished.store, "round-001.overseer.jsonl")
    assert prompts(overseer) == {asked for model, asked in sent if model == "gpt-4o-mini"} & of_training
    leaves = {asked for model, asked in sent if model == "gpt-4o"} & of_training
    with LoopbackServer() as alone:
        path = lay_out(tmp_path, alone.api_base)
        bound = f"{{judge: {{model: openai/gpt-4o, api_base: '{alone.api_base}'}}}}"
        path.write_text(
            f"name: alone\ntask: {{name: table, path: train.jsonl}}\nmodels: {bound}\n"
            "protocols:\n  - direct: {sees: material}\n"
        )
        assert command(path).code == 0
        asked = {prompt(body["messages"]) for body in alone.bodies}
    assert len(asked) == len(TRAIN)
    assert prompts(own) == leaves | asked
    assert not prompts(own) & {asked for _, asked in sent if any(row["prompt"] in str(asked) for row in TWO)}


def test_a_tuned_model_says_alone_what_amplification_answered(finished: Finished) -> None:
    model = rounds(finished.store)[1, "distilled"]["model"].removeprefix("openai/")
    store = open_store(finished.store)
    found = rows(finished.store, "SELECT episode_id FROM outcomes WHERE arm = 'training, X_0'")
    said = {}
    for row in rows_in(finished.store, "round-001.jsonl"):
        messages = [message._asdict() for message in row.messages[:-1]]
        body = json.dumps({"model": model, "messages": messages}).encode()
        asked = Request(f"{finished.server.api_base}/chat/completions", body, {"Content-Type": "application/json"})
        with urlopen(asked, timeout=20) as response:
            said[messages[0]["content"]] = json.load(response)["choices"][0]["message"]["content"]
    for transcript in (store.transcript(row["episode_id"]) for row in found):
        verdict = transcript.outcome.verdict
        assert verdict is not None
        probs = verdict.belief.probs
        assert probs is not None
        best = transcript.question.labels[probs.index(max(probs))]
        (answer,) = [reply for brief, reply in said.items() if transcript.question.block() in brief]
        assert answer == best
        for node in (note.data for note in verdict.annotations if note.data["parent"] is not None):
            assert node["answer"] in [reply for brief, reply in said.items() if node["question"] in brief]


def test_killed_twice_it_ends_as_if_undisturbed(tmp_path: Path, finished: Finished) -> None:
    """While a job is polled that does not end, and while the second round amplifies and one answer is awaited."""
    kills: list[Kill] = []
    with LoopbackServer(Dividing()) as server:
        server.tuning = desk = Holding()
        experiment = lay_out(tmp_path, server.api_base, held=TWO, distil={"ceiling": True}, iterate={"rounds": 2})
        store = tmp_path / "store"

        def trained_on(arm: str) -> int:
            query = f"SELECT count(*) AS n FROM episodes WHERE arm = '{arm}'"
            return rows(store, query)[0]["n"] if count(store, "runs") else 0

        points = (
            lambda: len(desk.jobs) == 2 and desk.jobs[1].statuses[-1] == "running",
            lambda: trained_on("training, X_1") >= 2,
        )
        desk.fates.extend([JobOutcome(), JobOutcome.stuck()])
        options = ("--concurrency", 2, "--store", store)
        for reached in points:
            variables = {"OPENAI_API_KEY": KEY}
            run = Running(tmp_path, experiment, "--engine", "local", *options, variables=variables)
            try:
                run.until(reached, "what it is killed in")
                server.holding.hold()
                time.sleep(1)  # what went out before is on disk by then
                kills.append(kill_driver(run))
            finally:
                server.holding.release()
                end(run)
            desk.jobs[1].fate = JobOutcome()
            assert KEY not in run.out.read_text() + run.err.read_text()
        assert (2, "amplified") not in rounds(store)
        desk.let_go.set()
        last = command(experiment)
        assert last.code == 0, last
        served = list(server.served)
    assert list(rounds(store)) == list(rounds(finished.store))
    assert scores(store) == scores(finished.store)
    for name in ("round-{:03}.jsonl", "round-{:03}.overseer.jsonl"):
        for number in (1, 2):
            # In which order they come depends on where the models are served.
            assert sorted(distilled(store, number, name).splitlines()) == sorted(
                distilled(finished.store, number, name).splitlines()
            )
    assert [job.asked["suffix"] for job in desk.jobs] == ["ceiling", "x1", "x2"]
    assert len(desk.files) == 3
    again = repeats(served, kills)
    assert again.unexplained == []
    assert again.found <= 2 * 2 * len(kills)
    assert sum(each.usual for each in served) == finished.calls  # none is answered twice
    assert_secret(tmp_path, last)


def small(folder: Path, api_base: str, **more: Any) -> Path:
    """One round on few questions."""
    return lay_out(folder, api_base, **{"train": FEW, "held": ONE, **more})


def test_a_failed_job_is_one_line_and_the_same_command_makes_another(tmp_path: Path, server: LoopbackServer) -> None:
    experiment, store = small(tmp_path, server.api_base, distil={"start": "previous"}), tmp_path / "store"
    server.tuning.fates.extend([JobOutcome.failed(f"No more money for {KEY}."), JobOutcome.cancelled()])
    for number, words in enumerate(("failed: No more money", "was cancelled"), 1):
        ran = command(experiment)
        assert ran.code == 1, ran
        (line,) = [line for line in ran.err.splitlines() if line.startswith("stopped: ")]
        assert words in line
        assert "Traceback" not in ran.err
        assert len(server.tuning.jobs) == number
        assert (1, "distilled") not in rounds(store)
        assert_secret(tmp_path, ran)
        made = len(server.received)
    last = command(experiment)
    assert last.code == 0, last
    jobs = server.tuning.jobs
    assert len(jobs) == 3
    assert len({job.file.content for job in jobs}) == 1
    # What was amplified is not asked for again: X_1 is asked alone and at two leaves.
    assert len(server.received) - made == 1 + 2
    assert rounds(store)[1, "distilled"]["model"] == f"openai/{jobs[2].model}"
    # With start: previous, X_2 is made from X_1.
    more = command(experiment, "--set", "iterate.rounds=2")
    assert more.code == 0, more
    assert [job.base for job in jobs[3:]] == [jobs[2].model]


def test_a_provider_that_refuses_stops_it_and_an_upload_that_was_lost_is_made_up(
    tmp_path: Path, server: LoopbackServer
) -> None:
    experiment = small(tmp_path, server.api_base)
    server.tuning.faults["upload"].append(Fault.unauthorized(KEY))
    ran = command(experiment)
    assert ran.code == 2, ran
    assert len([line for line in ran.err.splitlines() if line.startswith("stopped: ")]) == 1
    assert server.tuning.files == []
    made = len(server.received)
    server.tuning.faults["create"].append(Fault.reset())  # made, and its reply lost
    again = command(experiment)
    assert again.code == 0, again
    assert (len(server.tuning.files), len(server.tuning.jobs)) == (1, 1)
    assert len(server.received) - made == 1 + 2
    assert_secret(tmp_path, ran, again)


@pytest.mark.parametrize("role", ["strong", "overseer"])
def test_without_a_key_it_is_planned_but_not_begun(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, role: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    experiment = small(tmp_path, server.api_base, **{role: {"api_key_env": "NOBODYS_OPENAI_KEY"}})
    assert here("plan", experiment).code == 0
    said = command(experiment).complaint()
    assert "NOBODYS_OPENAI_KEY" in said
    assert "not set" in said
    assert not (tmp_path / "store").exists()
    assert server.received == []


def test_a_replay_tunes_nothing(tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers every call from a store's record, and makes none."""
    experiment, store = small(tmp_path, server.api_base), tmp_path / "store"
    assert command(experiment).code == 0
    before = len(server.received), len(server.tuning.files), len(server.tuning.jobs)
    ran = here("run", experiment, "--engine", "local", "--replay", store, "--store", tmp_path / "again")
    assert (len(server.received), len(server.tuning.files), len(server.tuning.jobs)) == before
    assert ran.code in {0, 2}
    if ran.code == 0:
        assert scores(tmp_path / "again") == scores(store)
    else:
        assert "--replay" in ran.complaint()


def test_too_few_rows_are_one_line_that_says_what_to_do(tmp_path: Path, server: LoopbackServer) -> None:
    experiment = small(tmp_path, server.api_base)
    ran = command(experiment, "--limit", 1)
    assert ran.code == 2, ran
    (line,) = [line for line in ran.err.splitlines() if line.startswith(("error: ", "stopped: "))]
    assert "there are 3 examples; at least 10 are needed" in line
    assert server.tuning.files == []


def test_too_few_questions_for_a_ceiling_are_said_beforehand(tmp_path: Path, server: LoopbackServer) -> None:
    """It has one row for each."""
    experiment = small(tmp_path, server.api_base, distil={"ceiling": True})
    said = command(experiment).complaint()
    assert "at least 10 are needed to tune a ceiling" in said
    assert not (tmp_path / "store").exists()
