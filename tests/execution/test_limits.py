"""What one episode may take: past a limit it fails with class ``limit``, and what it took is on record."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli.running import Ran, here

from execution.staging import rows
from oversight.testing import Chaos, LoopbackServer

IMPORTS = """\
import asyncio

from oversight import Belief, Protocol, Verdict

EVEN = Verdict(belief=Belief(probs=(0.5, 0.5), source="stated"))
"""

PLUGIN = '''

class Bad{number}(Protocol):
    """Takes more than it may, when it is not tried out."""

    name = "bad{number}"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        if episode.dry_run:
            return await judge.decide()
'''

ASKS = "while True:\n    await judge.believe()"
GOES_ON = (
    ASKS,
    "while True:\n    try:\n        await judge.believe()\n    except Exception:\n        pass",
    "while True:\n    try:\n        await judge.believe()\n    except:\n        pass",
    "for _ in range(40):\n    try:\n        await judge.believe()\n    except Exception:\n        pass\nreturn EVEN",
    "seats = [episode.seat(f'judge_{n}', role='judge', brief='judge') for n in range(40)]\n"
    "await episode.gather(*(seat.believe() for seat in seats))\nreturn EVEN",
)
WAITS = (
    "await asyncio.sleep(1000)\nreturn EVEN",
    "try:\n    await asyncio.sleep(1000)\nexcept asyncio.CancelledError:\n    await asyncio.sleep(1000)\nreturn EVEN",
    "while True:\n    try:\n        await asyncio.sleep(1000)\n    except asyncio.CancelledError:\n        pass",
    "async def part():\n    while True:\n        try:\n            await asyncio.sleep(1000)\n"
    "        except asyncio.CancelledError:\n            pass\n"
    "await episode.gather(part(), part())\nreturn EVEN",
)


def lay_out(folder: Path, *bodies: str, model: object = "embedded/pixel-judge", **more: Any) -> Path:
    """Write an experiment with an arm for each of ``bodies``, called by its number."""
    (folder / "prompts").mkdir(exist_ok=True)
    (folder / "prompts" / "judge.j2").write_text("Judge.\n")
    source = IMPORTS
    for number, body in enumerate(bodies):
        source += PLUGIN.format(number=number) + "".join(f"        {line}\n" for line in body.splitlines())
    (folder / "bad.py").write_text(source)
    arms = [{f"./bad.py:Bad{number}": {}, "as": str(number)} for number in range(len(bodies))]
    data = {"name": "bad", "task": {"name": "digits", "images": 1}, "models": {"judge": model}, "protocols": arms}
    path = folder / "e.yaml"
    path.write_text(json.dumps({**data, **more}))
    return path


def run(path: Path, *more: object) -> Ran:
    """Run it in this process."""
    return here("run", path, "--engine", "local", "--store", path.parent / "store", *more)


def test_an_episode_that_goes_on_asking_fails_at_its_limit_of_calls(tmp_path: Path) -> None:
    ran = run(lay_out(tmp_path, *GOES_ON, limits={"calls": 20}))
    assert ran.code == 1, ran
    assert ran.err.count("limit: it asked for more than the 20 calls of one episode (limits.calls)") == len(GOES_ON)
    assert "Traceback" not in ran.err
    assert rows(tmp_path / "store", "SELECT DISTINCT status, failure FROM episodes") == [
        {"status": "failed", "failure": "limit"}
    ]
    made = rows(tmp_path / "store", "SELECT count(*) AS n FROM calls GROUP BY episode_id")
    assert made == [{"n": 20}] * len(GOES_ON)
    found = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert [(row["n"], row["n_failed"], row["calls"]) for row in found] == [(0, 1, 20)] * len(GOES_ON)


def test_an_episode_that_waits_ends_at_its_limit_of_seconds(tmp_path: Path) -> None:
    ran = run(lay_out(tmp_path, *WAITS, limits={"seconds": 0.2}))
    assert ran.code == 1, ran
    assert ran.err.count("limit: it took longer than the 0.2 s of one episode (limits.seconds)") == len(WAITS)
    assert "Traceback" not in ran.err


def test_messages_are_limited_also_where_no_model_is_called(tmp_path: Path) -> None:
    body = "n = 0\nwhile True:\n    n += 1\n    episode.seat(f'judge_{n}', role='judge', brief='judge')"
    ran = run(lay_out(tmp_path, body, limits={"messages": 30}))
    assert ran.code == 1, ran
    assert "more than the 30 messages of one episode (limits.messages)" in ran.err


@pytest.mark.long
def test_calls_are_limited_by_default(tmp_path: Path) -> None:
    ran = run(
        lay_out(tmp_path, "for _ in range(1001):\n    episode.seat(f'j{_}', role='judge', brief='judge')\n" + ASKS)
    )
    assert ran.code == 1, ran
    assert "the 1,000 calls of one episode" in ran.err


@pytest.mark.long
@pytest.mark.parametrize(
    ("limits", "says"),
    [({"tokens": 500}, "more than the 500 of one episode (limits.tokens)"), ({"cost": 0.5}, "(limits.cost)")],
)
def test_tokens_and_cost_are_limited_and_reported(tmp_path: Path, limits: dict[str, float], says: str) -> None:
    with LoopbackServer() as server:
        model = {"model": "openai/m", "api_base": server.api_base, "input_cost_per_token": 0.001, "belief": "stated"}
        priced = {**model, "output_cost_per_token": 0.001, "api_key_env": "LIMITS_TEST_KEY"}
        path = lay_out(tmp_path, ASKS, model=priced, limits=limits)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("LIMITS_TEST_KEY", "none-is-asked-for")
            ran = run(path)
            made = len(server.bodies)
    assert ran.code == 1, ran
    assert says in ran.err
    (row,) = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert row["calls"] == made
    assert row["cost_usd"] == pytest.approx(_cost(tmp_path), abs=0.01)
    assert row["cost_usd"] > 0


@pytest.mark.long
def test_a_call_under_way_at_the_limit_of_seconds_is_on_record_without_a_cost(tmp_path: Path) -> None:
    with LoopbackServer(chaos=Chaos(latency_s=4)) as server:
        path = lay_out(tmp_path, ASKS, model={"model": "hosted_vllm/m", "api_base": server.api_base})
        assert run(path, "--set", "limits.seconds=0.5").code == 1
    assert rows(tmp_path / "store", "SELECT failure, detail, prompt_tokens, cost_usd FROM calls") == [
        {
            "failure": "limit",
            "detail": "the episode ended before the reply came",
            "prompt_tokens": None,
            "cost_usd": None,
        }
    ]
    (row,) = here("report", "--store", tmp_path / "store", "--format", "json").rows
    assert (row["calls"], row["cost_usd"]) == (1, None)


def _cost(folder: Path) -> float:
    (found,) = rows(folder / "store", "SELECT sum(prompt_tokens + completion_tokens) / 1000 AS usd FROM calls")
    return float(found["usd"])


@pytest.mark.long
def test_a_higher_limit_runs_the_failed_episodes_again_and_changes_no_id(tmp_path: Path) -> None:
    body = "for _ in range(30):\n    await judge.believe()\nreturn await judge.decide()"
    path = lay_out(tmp_path, body, protocols=["direct", {"./bad.py:Bad0": {}, "as": "bad"}], limits={"calls": 20})
    assert run(path).code == 1
    before = rows(tmp_path / "store", "SELECT DISTINCT run_id, episode_id FROM episodes ORDER BY ALL")
    again = run(path, "--set", "protocols.bad.limits.calls=40")
    assert again.code == 0, again
    assert "1 had been judged before" in again.out
    assert rows(tmp_path / "store", "SELECT DISTINCT run_id, episode_id FROM episodes ORDER BY ALL") == before
    plain = here("plan", path).out.splitlines()[0]
    assert here("plan", path, "--set", "protocols.direct.limits.calls=9").out.splitlines()[0] == plain


@pytest.mark.long
def test_an_arm_overrides_the_limits_of_all_key_by_key(tmp_path: Path) -> None:
    arms = ["./bad.py:Bad0", {"./bad.py:Bad1": {}, "limits": {"calls": 7}}]
    path = lay_out(tmp_path, ASKS, ASKS, protocols=arms, limits={"calls": 5, "messages": 1000})
    assert run(path).code == 1
    found = rows(tmp_path / "store", "SELECT arm, count(*) / count(DISTINCT episode_id) AS n FROM calls "
                 "JOIN episodes USING (episode_id) GROUP BY arm ORDER BY arm")  # fmt: skip
    assert found == [{"arm": "bad0", "n": 5}, {"arm": "bad1", "n": 7}]


@pytest.mark.long
@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"calls": 0}, "limits.calls: input should be greater than or equal to 1"),
        ({"calls": True}, "limits.calls: input should be a valid integer"),
        ({"calls": "many"}, "limits.calls: input should be a valid integer"),
        ({"cost": -1}, "limits.cost: input should be greater than 0"),
        ({"seconds": "soon"}, "limits.seconds: input should be a valid number"),
        ({"cals": 3}, "limits.cals: unknown key - did you mean 'calls'?"),
    ],
)
def test_a_limit_that_cannot_be_is_one_line(tmp_path: Path, limits: dict[str, Any], says: str) -> None:
    assert says in run(lay_out(tmp_path, ASKS, limits=limits)).complaint()
    assert not (tmp_path / "store").exists()


@pytest.mark.long
def test_limits_are_not_swept_because_they_change_no_episode(tmp_path: Path) -> None:
    path = lay_out(tmp_path, ASKS, protocols=["direct"], grid={"limits.calls": [10, 20]})
    assert "they cannot be swept" in run(path).complaint()
