"""SmolLM2 itself: in process through the command line, and behind llama.cpp's server through LiteLLM."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from oversight import open_store
from oversight.models.embedded.language import KNOWN_WEIGHTS

ROOT = Path(__file__).parents[2]
MAY_TAKE_S = 900

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not KNOWN_WEIGHTS["smollm2"].path.is_file(),
        reason="needs the weights: .venv/bin/oversight models fetch smollm2",
    ),
]


def run(*command: object) -> subprocess.CompletedProcess[str]:
    arguments = [str(part) for part in command]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=MAY_TAKE_S)


def test_the_shipped_experiment_runs_on_ray_and_again_costs_nothing(tmp_path: Path) -> None:
    for name in ("torch", "transformers", "gguf", "accelerate"):
        pytest.importorskip(name, reason="needs the extra oversight[lm]: make install-lm")
    oversight = Path(sys.executable).parent / "oversight"
    command = [oversight, "run", ROOT / "experiments/smollm2.yaml", "--limit", 2, "--store", tmp_path / "store"]
    first = run(*command)
    # 1: a verdict failed. A model this small may fail at one, and it is counted.
    assert first.returncode in (0, 1), first.stdout + first.stderr
    assert "Traceback" not in first.stderr
    store = open_store(tmp_path / "store")
    arms = store.arrow("SELECT n_asked, n_judged, n_failed, cost_usd FROM accuracy ORDER BY arm_no").to_pylist()
    assert [arm["n_asked"] for arm in arms] == [2, 2, 4, 2]
    assert all(arm["n_judged"] + arm["n_failed"] == arm["n_asked"] and arm["cost_usd"] == 0 for arm in arms)
    masses = store.arrow("SELECT mass FROM beliefs WHERE source = 'logprob'").to_pylist()
    assert len(masses) >= 8
    assert all(0 < belief["mass"] < 1 for belief in masses)
    spoken = store.arrow("SELECT text FROM messages WHERE kind = 'speech'").to_pylist()
    assert spoken
    assert all(message["text"].strip() for message in spoken)
    if first.returncode == 0:
        assert "0 episodes run with 0 model calls; 10 had been judged before" in run(*command).stdout


def test_behind_a_real_server_everything_adds_up() -> None:
    python = os.environ.get("OVERSIGHT_LLAMA_PYTHON", sys.executable)
    if run(python, "-c", "import llama_cpp.server").returncode != 0:
        pytest.skip("needs an interpreter with llama-cpp-python[server], named in OVERSIGHT_LLAMA_PYTHON")
    benchmark = ROOT / "benchmarks/real_server.py"
    ran = run(sys.executable, benchmark, "--python", python, "--questions", 1, "--beliefs", "logprob")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "everything adds up" in ran.stdout
