"""Whether everything adds up on a real language model behind a real server, over LiteLLM's HTTP path.

    .venv/bin/python benchmarks/real_server.py --python PYTHON [--questions N] [--beliefs logprob,stated,sampled]

PYTHON is an interpreter that has llama.cpp's server, which serves the weights of `oversight models fetch smollm2` as an
OpenAI API. It compiles for about eight minutes, so give it an environment of its own:

    python3 -m venv llama && llama/bin/pip install 'llama-cpp-python[server]==0.3.36'

For each way of asking for a belief, direct, debate and amplification run on PrOntoQA and process supervision on
arithmetic. Exits 1 if a count does not add up, there is a traceback, or a thought is shown. About fifteen minutes for
four questions on two idle cores.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from oversight import open_store
from oversight.models.embedded.language import KNOWN_WEIGHTS

MODEL = "smollm2"
BELIEFS = ("logprob", "stated", "sampled")
STARTED_WITHIN_S = 180
THOUGHT = re.compile(r"</?\s*(?:think|thinking|reasoning|thought)\b", re.IGNORECASE)

SERVED = '{{model: hosted_vllm/{model}, api_base: "{api_base}", temperature: 0.7, max_tokens: 160, timeout: 600{more}}}'
QUESTIONS = """\
name: real-server-{belief}
task: {{name: prontoqa, questions: {questions}, hops: 2, distractors: 2, rules: hidden}}
models: {{judge: {judge}, overseer: {judge}, strong: {strong}}}
protocols:
  - direct
  - debate: {{rounds: 1, word_limit: 60, orders: drawn}}
  - amplification: {{depth: 1, breadth: 2}}
seed: 0
"""
STEPS = """\
name: real-server-steps-{belief}
task: {{name: arithmetic, questions: {questions}, operations: 2, solutions: 2}}
models: {{overseer: {judge}}}
protocols:
  - process_supervision
seed: 0
"""


@contextmanager
def llama_server(python: str, weights: Path) -> Iterator[str]:
    """Serve the weights on a free port, and stop afterwards; yields the address of the API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"model": weights, "model_alias": MODEL, "host": "127.0.0.1", "port": port, "n_ctx": 4096}
    # Log probabilities of a prompt's last token need all of them; a second request must not break off the first.
    options |= {"logits_all": "true", "interrupt_requests": "false", "verbose": "false"}
    command = [python, "-m", "llama_cpp.server", *(f"--{name}={value}" for name, value in options.items())]
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            await_answer(server, f"http://127.0.0.1:{port}/v1/models", log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            server.wait(30)


def await_answer(server: subprocess.Popen[bytes], address: str, log: Any) -> None:
    until = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < until and server.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    log.seek(0)
    raise SystemExit(f"the server did not start: {log.read().decode(errors='replace')[-2000:]}")


def run(folder: Path, text: str, name: str) -> tuple[int, list[str]]:
    """Run an experiment; return its episodes, and what is wrong with the outcome."""
    path, store = folder / f"{name}.yaml", folder / f"store-{name}"
    path.write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "oversight"), "run", str(path)]
    command += ["--engine", "local", "--concurrency", "4", "--store", str(store)]
    environment = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    started = time.monotonic()
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    wrong = [f"{name}: exit code {ran.returncode}: {ran.stderr}"] if ran.returncode not in (0, 1) else []
    tracebacks = (ran.stdout + ran.stderr).count("Traceback (most recent call last)")
    if tracebacks:
        wrong.append(f"{name}: {tracebacks} tracebacks: {ran.stderr}")
    print(f"\n{name}: exit code {ran.returncode}, {time.monotonic() - started:.0f} s, {tracebacks} tracebacks")
    for line in ran.stderr.splitlines():
        if line.startswith(("warning: ", "note: ")):
            print(f"  said: {line:.160}")
    return account(store, wrong), wrong


def account(store: Path, wrong: list[str]) -> int:
    """Print what became of each arm's episodes; add to ``wrong`` what does not add up."""
    opened = open_store(store)
    asked = 0
    failures = opened.arrow("SELECT arm, failure, count(*) AS n FROM outcomes WHERE status = 'failed' GROUP BY ALL")
    masses = opened.arrow(
        "SELECT arm, median(mass) AS mass FROM beliefs JOIN episodes USING (run_id, episode_id, attempt)"
        " WHERE source = 'logprob' GROUP BY arm"
    )
    mass = {row["arm"]: row["mass"] for row in masses.to_pylist()}
    for row in opened.arrow("SELECT * FROM accuracy ORDER BY arm_no").to_pylist():
        classes = {each["failure"]: each["n"] for each in failures.to_pylist() if each["arm"] == row["arm"]}
        said = ", ".join(f"{n} {name}" for name, n in sorted(classes.items())) or "none"
        middle = "" if mass.get(row["arm"]) is None else f"; median label mass {mass[row['arm']]:.3f}"
        print(f"  {row['arm']}: asked {row['n_asked']}, judged {row['n_judged']}, failed: {said}{middle}")
        asked += row["n_asked"]
        if row["n_asked"] != row["n_judged"] + sum(classes.values()):
            wrong.append(f"{row['arm']}: {row['n_asked']} asked are not judged and failed together")
    texts = opened.arrow("SELECT text FROM messages WHERE kind != 'thought'").to_pylist()
    leaked = sum(bool(THOUGHT.search(row["text"] or "")) for row in texts)
    calls = opened.arrow(
        "SELECT coalesce(failure, 'of use') AS outcome, count(*) AS n FROM calls GROUP BY 1 ORDER BY 2 DESC"
    )
    print("  calls: " + ", ".join(f"{row['n']} {row['outcome']}" for row in calls.to_pylist()))
    print(f"  {len(texts)} messages, {leaked} with a thought in them")
    if leaked:
        wrong.append(f"{leaked} messages show a thought")
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=os.environ.get("OVERSIGHT_LLAMA_PYTHON", sys.executable))
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--beliefs", default=",".join(BELIEFS))
    told = parser.parse_args()
    weights = KNOWN_WEIGHTS[MODEL].path
    if not weights.is_file():
        raise SystemExit(f"there are no weights: oversight models fetch {MODEL}")
    wrong: list[str] = []
    asked = 0
    with tempfile.TemporaryDirectory() as folder, llama_server(told.python, weights) as api_base:
        for belief in told.beliefs.split(","):
            strong = SERVED.format(model=MODEL, api_base=api_base, more="")
            judge = SERVED.format(model=MODEL, api_base=api_base, more=f", belief: {belief}, belief_samples: 3")
            for name, text in (("questions", QUESTIONS), ("steps", STEPS)):
                filled = text.format(belief=belief, questions=told.questions, judge=judge, strong=strong)
                count, faults = run(Path(folder), filled, f"{name}-{belief}")
                asked += count
                wrong += faults
    print(f"\n{asked} episodes asked; " + ("everything adds up" if not wrong else "wrong:"))
    for line in wrong:
        print(f"  {line}")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
