"""A fifth of all calls goes wrong, and everything is accounted for; `benchmarks/soak.py` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from engine.disturbing import accounts, lay_out_api
from engine.staging import rows
from oversight.testing.loopback import Chaos, LoopbackServer

QUESTIONS = 12


@pytest.mark.long
def test_every_episode_is_judged_or_failed_and_every_call_is_on_record(tmp_path: Path) -> None:
    with LoopbackServer(chaos=Chaos(share=0.2, seed=4)) as server:
        experiment, store = lay_out_api(tmp_path / "e", server.api_base, QUESTIONS, timeout=5), tmp_path / "store"
        ran = here("run", experiment, "--engine", "local", "--store", store)
        served = list(server.served)
    outcomes = rows(store, "SELECT status, failure FROM outcomes")
    failed = [row for row in outcomes if row["status"] == "failed"]
    assert len(outcomes) == 5 * QUESTIONS
    assert ran.code == int(bool(failed)), ran
    assert accounts(store, served) == []
    assert 0.1 < sum(each.fault is not None for each in served) / len(served) < 0.3
    calls = rows(store, "SELECT DISTINCT failure FROM calls WHERE failure IS NOT NULL")
    assert {row["failure"] for row in calls} >= {
        *("rate_limited", "server_error", "connection", "timeout", "malformed", "blank", "truncated"),
    }
