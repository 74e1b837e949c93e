"""A fifth of all calls goes wrong and a fifth of all replies is oddly written; all of it is accounted for.

`benchmarks/soak.py` is the long form.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from execution.disturbing import CANARY, PAID, accounts, lay_out_api, leaked, said_otherwise, unclassed
from execution.staging import rows
from oversight.testing.loopback import FAULTS, SAME_CONTENT, SHAPES, Chaos, LoopbackServer, ServedReply

QUESTIONS = 8
FEWER = 4
NO_REPLIES = tuple(kind for kind in FAULTS if kind not in PAID | {"hang"})
"""Faults after which a judge is asked the same again, for a letter's probabilities too."""


def shares(served: list[ServedReply]) -> tuple[float, float]:
    """The share of requests that met a fault, and of replies in an odd shape."""
    faulty = sum(each.fault is not None for each in served)
    return faulty / len(served), sum(each.shape is not None for each in served) / (len(served) - faulty)


@pytest.mark.long
def test_every_episode_is_judged_or_failed_and_every_call_is_on_record(tmp_path: Path) -> None:
    with LoopbackServer(chaos=Chaos(share=0.2, seed=4, shapes=0.2)) as server:
        experiment, store = lay_out_api(tmp_path / "e", server.api_base, QUESTIONS, timeout=5), tmp_path / "store"
        ran = here("run", experiment, "--engine", "local", "--store", store)
        served = list(server.served)
        assert not any(CANARY in repr(body) for body in server.bodies), "a thought came back in a prompt"
    outcomes = rows(store, "SELECT status, failure FROM outcomes")
    failed = [row for row in outcomes if row["status"] == "failed"]
    assert len(outcomes) == 5 * QUESTIONS
    assert ran.code == int(bool(failed)), ran
    assert "Traceback" not in ran.out + ran.err
    assert [*accounts(store, served), *leaked(store), *unclassed(store)] == []
    assert shares(served) == pytest.approx((0.2, 0.2), abs=0.1)
    assert any(not SHAPES[each.shape].same_content for each in served if each.shape)
    calls = rows(store, "SELECT DISTINCT failure FROM calls WHERE failure IS NOT NULL")
    assert {row["failure"] for row in calls} >= {
        *("rate_limited", "server_error", "connection", "timeout", "malformed", "blank", "truncated"),
    }


@pytest.mark.long
@pytest.mark.parametrize("belief", ["logprob", "stated", "sampled"])
def test_verdicts_and_speeches_are_those_of_a_run_on_plain_replies(tmp_path: Path, belief: str) -> None:
    with LoopbackServer() as server:
        # The address is part of an episode's name.
        port = int(server.api_base.removesuffix("/v1").rpartition(":")[2])
        experiment = lay_out_api(tmp_path / "e", server.api_base, FEWER, timeout=20, belief=belief)
        assert here("run", experiment, "--engine", "local", "--store", tmp_path / "plain").code == 0
    chaos = Chaos(0.2, seed=5, kinds=NO_REPLIES, shapes=0.6, shape_names=SAME_CONTENT)
    with LoopbackServer(chaos=chaos, port=port) as server:
        ran = here("run", experiment, "--engine", "local", "--store", tmp_path / "odd")
        assert not any(CANARY in repr(body) for body in server.bodies), "a thought came back in a prompt"
        served = list(server.served)
    judged = rows(tmp_path / "odd", "SELECT count(*) AS n FROM results")[0]["n"]
    assert judged > 5 * FEWER // 2, ran
    assert [*said_otherwise(tmp_path / "odd", tmp_path / "plain"), *leaked(tmp_path / "odd")] == []
    assert {row["source"] for row in rows(tmp_path / "odd", "SELECT source FROM beliefs WHERE final")} == {belief}
    assert len({each.shape for each in served}) > len(SAME_CONTENT) // 3
