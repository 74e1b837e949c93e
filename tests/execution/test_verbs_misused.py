"""A protocol that uses its seats wrongly scores nothing, whatever it catches: its episodes say what it did."""

from __future__ import annotations

from typing import Any

import pytest
from cli.running import Ran, here

from execution.staging import rows

HEAD = '''\
import asyncio
import random

from oversight import Annotation, Belief, Protocol, Verdict


class Base(Protocol):
    """Has a judge and an expert."""

    roles = ("judge", "strong")

    async def run(self, episode):
        judge = episode.seat("judge")
        expert = episode.seat("expert", role="strong", brief="judge")
        return await self.play(episode, judge, expert)

    async def help(self, seat):
        await asyncio.sleep(0.01)
        await seat.speak("believe")
'''

TASK_OF_ITS_OWN = (
    "expert.speak() ran in a task of its own: for what happens at the same time write 'await episode.gather("
)

MISUSED = {
    "Unawaited": ("judge.believe(); return await judge.decide()", "judge.believe() was not awaited"),
    "Kept": ("b = judge.believe(); return await judge.decide()", "judge.believe() was not awaited"),
    "Used": ("b = judge.believe(); b.probs; return await judge.decide()", "judge.believe() was not awaited"),
    "Returned": ("return judge.decide()", "judge.decide() was not awaited"),
    "Helper": ("self.help(expert); return await judge.decide()", "Base.help() was not awaited"),
    "Parts": (
        "episode.gather(expert.speak('believe')); return await judge.decide()",
        "episode.gather() was not awaited",
    ),
    "Task": ("t = asyncio.create_task(expert.speak('believe')); return await judge.decide()", TASK_OF_ITS_OWN),
    "Gathered": (
        "await asyncio.gather(self.help(expert), self.help(judge)); return await judge.decide()",
        TASK_OF_ITS_OWN,
    ),
    "Ignored": (
        "await asyncio.gather(expert.speak('believe'), return_exceptions=True); return await judge.decide()",
        TASK_OF_ITS_OWN,
    ),
    "Stray": (
        "t = asyncio.create_task(self.help(expert)); return await judge.decide()",
        "Base.help() ran in a task that had not ended when run returned",
    ),
    "NotCalled": (
        "await episode.gather(judge.believe); return await judge.decide()",
        "episode.gather() takes coroutines, as from a.speak(…), and number 1 is method: call it",
    ),
    "Listed": (
        "await episode.gather([judge.believe()]); return await judge.decide()",
        "number 1 is list: write a * before it",
    ),
    "Nothing": (
        "await judge.decide()",
        "run returned NoneType, not a Verdict: end it with 'return await judge.decide()'",
    ),
    "Belief": ("return await judge.believe()", "run returned Belief, not a Verdict"),
    "Twice": ("await judge.decide(); return await judge.decide()", "judge.decide() was called twice"),
    "Late": (
        "v = await judge.decide(); await expert.speak('believe'); return v",
        "expert spoke when judge had given the verdict",
    ),
    "Second": ("v = await judge.decide(); await judge.believe(); return v", "judge.believe() came after its verdict"),
    "Caught": (
        "v = await judge.decide()\n        try:\n            await judge.decide()\n        except Exception:\n"
        "            pass\n        return v",
        "judge.decide() was called twice",
    ),
    "Junk": ("episode.add('hello'); return await judge.decide()", "episode.add() takes messages, not str"),
    "Noted": (
        "v = await judge.decide(); a = Annotation(kind='x', data={'a': {1}}); "
        "return Verdict(belief=v.belief, annotations=(a,))",
        "Annotation: data: is not plain JSON: TypeError",
    ),
    "Turn": ("await judge.speak('believe', turn=2**40); return await judge.decide()", "Message: turn: Input should be"),
    "Taken": ("episode.seat('judge')", "a seat cannot be called 'judge': another seat of this episode has that name"),
    "Upper": (
        "episode.seat('Judge', role='judge')",
        "a seat cannot be called 'Judge': a name begins with a lower-case",
    ),
    "Reserved": ("episode.seat('protocol', role='judge')", "cannot be called 'protocol': that is what the procedure"),
    "Empty": ("episode.seat('', role='judge')", "a seat cannot be called '': the name is empty"),
    "Number": ("episode.seat(3, role='judge')", "a seat cannot be called 3: its name is a text, not int"),
    "Long": ("episode.seat('j' * 300, role='judge')", "it has 300 characters"),
}

FINE = {
    "Plain": "await judge.believe(); return await judge.decide()",
    "Together": "await episode.gather(expert.speak('believe'), judge.speak('believe')); return await judge.decide()",
    "Panel": "v = [await judge.decide(), await expert.decide()]; return v[0]",
    "OwnTool": "await asyncio.gather(asyncio.sleep(0), asyncio.sleep(0)); return await judge.decide()",
    "InTime": "async with asyncio.timeout(60):\n            await judge.believe()\n        return await judge.decide()",
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ran, dict[str, dict[str, Any]]]:
    """One run of every protocol here, and what was stored of each."""
    folder = tmp_path_factory.mktemp("misused")
    bodies = {**{name: body for name, (body, _) in MISUSED.items()}, **FINE}
    classes = [
        f'\n\nclass {name}(Base):\n    """One."""\n\n    name = "{name}"\n\n'
        f"    async def play(self, episode, judge, expert):\n        {body}\n"
        for name, body in bodies.items()
    ]
    (folder / "bad.py").write_text(HEAD + "".join(classes))
    path = folder / "e.yaml"
    path.write_text(
        "name: misused\ntask: {name: digits, images: 1}\n"
        "models: {judge: embedded/pixel-judge, strong: embedded/pixel-judge}\nprotocols:\n"
        + "".join(f"  - ./bad.py:{name}\n" for name in bodies)
    )
    found = here("run", path, "--keep-going", "--engine", "local", "--store", folder / "store")
    stored = rows(folder / "store", "SELECT arm, status, failure, detail FROM episodes")
    return found, {row["arm"]: row for row in stored}


@pytest.mark.parametrize("name", MISUSED)
def test_misuse_fails_the_episode_with_its_reason(ran: tuple[Ran, dict[str, dict[str, Any]]], name: str) -> None:
    row = ran[1][name]
    assert (row["status"], row["failure"]) == ("failed", "plugin")
    assert MISUSED[name][1] in row["detail"].splitlines()[-1]


@pytest.mark.parametrize("name", MISUSED)
def test_the_dry_run_says_the_same_before_anything_is_run(
    ran: tuple[Ran, dict[str, dict[str, Any]]], name: str
) -> None:
    (line,) = [line for line in ran[0].err.splitlines() if f"arm '{name}' fails in its dry run" in line]
    # A task may have begun or not when run returns; either is said.
    assert MISUSED[name][1] in line or "ran in a task" in line


@pytest.mark.parametrize("name", FINE)
def test_what_is_allowed_is_scored(ran: tuple[Ran, dict[str, dict[str, Any]]], name: str) -> None:
    assert ran[1][name]["status"] == "judged"


def test_no_misuse_prints_a_traceback_or_a_warning_of_python(ran: tuple[Ran, dict[str, dict[str, Any]]]) -> None:
    assert ran[0].code == 1
    for word in ("Traceback", "never awaited", "never retrieved"):
        assert word not in ran[0].out + ran[0].err
