"""The dry run of plugins: in a process of its own, bounded; what it finds stops a run before anything is written."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from cli.running import Ran, here, oversight

from oversight.testing import LoopbackServer

IMPORTS = "import asyncio, ctypes, os, signal, sys, time\n\nfrom oversight import Belief, Protocol, Verdict\n"
CLASS = '''

class Odd(Protocol):
    """Does odd things."""

    name = "odd"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
'''
DECIDES = "return await judge.decide()"

ENDS_AT_IMPORT = {
    "sys.exit": ("sys.exit(0)", "cannot be imported: SystemExit: 0"),
    "an interrupt": ("raise KeyboardInterrupt", "cannot be imported: KeyboardInterrupt"),
    "os._exit": ("os._exit(0)", "ended its process with exit code 0"),
    "os._exit with a code": ("os._exit(3)", "ended its process with exit code 3"),
    "a signal": ("os.kill(os.getpid(), signal.SIGKILL)", "ended its process by signal SIGKILL"),
    "a crash": ("ctypes.string_at(0)", "ended its process by signal SIGSEGV"),
    "no end": ("while True:\n    pass", "did not end within 1 s"),
}
ENDS_IN_RUN = {
    "sys.exit": ("sys.exit(0)", "tried to end the process: SystemExit: 0"),
    "sys.exit in a part": (
        f"async def part():\n    sys.exit(0)\nawait episode.gather(part())\n{DECIDES}",
        "tried to end the process: SystemExit: 0",
    ),
    "os._exit": ("os._exit(0)", "ended its process with exit code 0"),
    "a crash": ("ctypes.string_at(0)", "ended its process by signal SIGSEGV"),
    "os._exit in a child's parent": (
        "if os.fork() == 0:\n    time.sleep(600)\nos._exit(0)",
        "ended its process with exit code 0",
    ),
}
FAILS = {
    "raises": ("raise ValueError('no luck')", "fails in its dry run: ValueError: no luck (odd.py:15)"),
    "never ends": ("while True:\n    await judge.believe()", "more than the 20 calls of one episode (limits.calls)"),
    "waits": ("await asyncio.sleep(600)", "it did not end within 1 s"),
    "returns nothing": ("await judge.decide()", "run returned NoneType, not a Verdict"),
    "lacks a template": ("return await judge.decide('missing')", "missing"),
}


def plugin(folder: Path, *, first: str = "", body: str = DECIDES, more: str = "", task: str = "digits") -> Path:
    """Write an experiment whose only protocol does ``first`` at import and ``body`` in an episode."""
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "judge.j2").write_text("Judge.\n")
    inner = "".join(f"        {line}\n" for line in body.splitlines())
    (folder / "odd.py").write_text(f"{IMPORTS}{first}\n{CLASS}{inner}{more}")
    path = folder / "e.yaml"
    path.write_text(
        f"name: odd\ntask: {{name: {task}, images: 4}}\nmodels: {{judge: embedded/pixel-judge}}\n"
        "limits: {calls: 20}\nprotocols: ['./odd.py:Odd']\n"
    )
    return path


def cases(found: dict[str, tuple[str, str]], quick: str) -> list[Any]:
    """Parameters of a test, of which all but one take long: each starts processes."""
    return [
        pytest.param(*each, id=name, marks=() if name == quick else pytest.mark.long) for name, each in found.items()
    ]


@pytest.fixture(autouse=True)
def _one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run may take 30 s; what never ends is to be found sooner here."""
    monkeypatch.setenv("OVERSIGHT_DRY_RUN_SECONDS", "1")


def run(path: Path, *more: object) -> Ran:
    """Run an experiment in this process; what ends the process would end the tests."""
    return here("run", path, "--engine", "local", "--store", path.parent / "store", *more)


@pytest.mark.parametrize(("first", "says"), cases(ENDS_AT_IMPORT, "os._exit"))
def test_a_plugin_that_ends_the_process_at_import_is_one_line(tmp_path: Path, first: str, says: str) -> None:
    path = plugin(tmp_path, first=first)
    said = here("plan", path).complaint()
    assert run(path).complaint() == said
    assert said.startswith(f"{path}:5: protocols.0: {tmp_path / 'odd.py'}: ")
    assert says in said
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(("body", "says"), cases(ENDS_IN_RUN, "a crash"))
def test_a_plugin_that_ends_the_process_in_an_episode_is_one_line(tmp_path: Path, body: str, says: str) -> None:
    path = plugin(tmp_path, body=body)
    for said in (here("plan", path).complaint(), run(path).complaint()):
        assert says in said
        assert "odd" in said
    assert not (tmp_path / "store").exists()


@pytest.mark.long
@pytest.mark.parametrize("body", ["while True:\n    pass", "time.sleep(600)", "signal.alarm(0)\ntime.sleep(600)"])
def test_a_plugin_that_blocks_its_process_is_ended(tmp_path: Path, body: str) -> None:
    said = here("plan", plugin(tmp_path, body=body)).complaint()
    assert "the dry run of protocol 'Odd' on question 'image-" in said
    assert "did not end within 1 s" in said


@pytest.mark.long
@pytest.mark.parametrize(
    "method",
    ["def needs(self):", "def assignments(self, question, rng):", "def __init__(self, options=None):"],
)
@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(0)"])
def test_so_is_one_that_does_it_where_it_is_only_asked(tmp_path: Path, method: str, ending: str) -> None:
    path = plugin(tmp_path, more=f"\n    {method}\n        {ending}\n")
    said = here("plan", path).complaint()
    assert "exit code 0" in said or "SystemExit: 0" in said


@pytest.mark.long
@pytest.mark.parametrize("ending", ["os._exit(0)", "sys.exit(0)"])
def test_tasks_and_models_of_the_user_s_are_imported_there_too(tmp_path: Path, ending: str) -> None:
    (tmp_path / "other.py").write_text(f"import os, sys\n{ending}\n")
    path = plugin(tmp_path)
    as_task = here("plan", path, "--set", "task={name: './other.py:Other'}").complaint()
    as_model = here("plan", path, "--set", "models.judge=./other.py:Other").complaint()
    assert all("other.py" in said for said in (as_task, as_model))


def test_a_package_of_a_plugin_is_not_imported_here_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "exiting").mkdir()
    (tmp_path / "exiting" / "__init__.py").write_text("import os\nos._exit(0)\n")
    (tmp_path / "exiting" / "odd.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = here("plan", plugin(tmp_path), "--set", "protocols=['exiting.odd:Odd']").complaint()
    assert "exiting.odd: the import of protocol 'Odd' ended its process with exit code 0" in said


@pytest.mark.parametrize(("body", "says"), cases(FAILS, "raises"))
def test_an_arm_that_fails_in_its_dry_run_stops_the_run_unless_it_is_to_go_on(
    tmp_path: Path, body: str, says: str
) -> None:
    path = plugin(tmp_path, body=body)
    planned = here("plan", path)
    assert planned.code == 0, planned
    assert planned.err.startswith(f"warning: {path}:5: protocols.0: arm 'odd' fails in its dry run: ")
    assert says in planned.err
    assert planned.err.count("\n") == 1
    assert "odd" in planned.out
    said = run(path).complaint()
    assert says in said
    assert "--keep-going" in said
    assert not (tmp_path / "store").exists()


def test_with_keep_going_the_other_arms_run_and_failures_are_stored(tmp_path: Path) -> None:
    path = plugin(tmp_path, body=FAILS["raises"][0])
    ran = run(path, "--set", "protocols=[direct, './odd.py:Odd']", "--keep-going")
    assert ran.code == 1, ran
    found = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert {row["arm"]: (row["n"], row["n_failed"]) for row in found} == {"direct": (4, 0), "odd": (0, 4)}


@pytest.mark.long
def test_a_fault_on_some_questions_is_warned_of_and_stays_theirs(tmp_path: Path) -> None:
    body = f"if episode.question.id.endswith(('0', '1', '2', '4')):\n    raise ValueError('no luck')\n{DECIDES}"
    path = plugin(tmp_path, body=body)
    ran = run(path, "--set", "task.images=30")
    assert ran.code == 1, ran
    assert " questions tried)" in ran.err
    (row,) = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert row["n"] > 0
    assert row["n_failed"] > 0


@pytest.mark.long
def test_what_a_plugin_prints_and_reads_disturbs_nothing(tmp_path: Path) -> None:
    body = f"print('said' * 10_000)\nassert sys.stdin.read() == '' or not episode.dry_run\n{DECIDES}"
    path = plugin(tmp_path, first="print('imported', flush=True)", body=body)
    planned = oversight("plan", path, "--format", "csv", cwd=tmp_path)
    assert planned.code == 0, planned
    assert planned.err == ""
    assert planned.out.count("imported") == 1  # where it is really imported


def test_an_episode_says_whether_it_is_a_dry_run(tmp_path: Path) -> None:
    body = f"(open(os.path.join({str(tmp_path)!r}, str(episode.dry_run)), 'a')).write('x')\n{DECIDES}"
    path = plugin(tmp_path, body=body)
    assert here("plan", path).code == 0
    assert {name for name in os.listdir(tmp_path) if name in ("True", "False")} == {"True"}
    assert run(path).code == 0
    assert (tmp_path / "False").read_text() == "xxxx"


@pytest.mark.long
def test_a_dry_run_calls_no_model(tmp_path: Path) -> None:
    with LoopbackServer() as server:
        model = f"{{model: hosted_vllm/m, api_base: '{server.api_base}'}}"
        assert here("plan", plugin(tmp_path), "--set", f"models.judge={model}").code == 0
        assert server.bodies == []


def test_plugins_that_ship_with_the_package_start_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.Popen", None)
    assert here("plan", plugin(tmp_path), "--set", "protocols=[direct]").code == 0


@pytest.mark.long
def test_nothing_is_left_running(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    pids.mkdir()
    body = (
        f"if os.fork() == 0:\n    open(os.path.join({str(pids)!r}, str(os.getpid())), 'w').close()\n"
        "    time.sleep(600)\n    os._exit(0)\n"
        f"while not os.listdir({str(pids)!r}):\n    time.sleep(0.01)\n{DECIDES}"
    )
    assert here("plan", plugin(tmp_path, body=body)).code == 0
    assert [name for name in os.listdir(pids) if _runs(name)] == []


def _runs(pid: str) -> bool:
    """Whether a process has not ended; one that has may still wait to be asked how."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            state = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        time.sleep(0.01)
    return True
