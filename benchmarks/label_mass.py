"""How much of its first token's probability a real language model puts on the answers' letters, asked and not asked.

    .venv/bin/python benchmarks/label_mass.py [EXPERIMENT] [--limit QUESTIONS] [--set KEY=VALUE]…

Runs an experiment with `embedded/smollm2` in every seat, and measures the same probabilities at three kinds of prompt:
where a judge is asked for one letter, where it is asked at the same place to argue instead, and where the others are
asked to speak. The last two are what a reading looks like when the model was not answering with a letter. For the
minimum in `oversight.core.elicitation`. About two minutes for 10 questions on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.models.embedded.language import SmolLM2

LETTERS = ("A", "B")
ASKED, ARGUE, SPEAK = "verdict, one letter asked for", "verdict, an argument asked for", "speech"
NO_LETTER = "Explain in a few sentences which answer is right, and why."
QUANTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
OUTPUT = "LABEL_MASS_OUTPUT"
THRESHOLDS = (0.03, 0.05, 0.06, 0.07, 0.08, 0.1, 0.15)


class MassRecorder(SmolLM2):
    """Answers as ever, and writes down what it would have given the letters."""

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer, and measure."""
        reply = await super().chat(request)
        if request.choices and reply.choice_probs is not None:
            note(ASKED, request.seat, sum(reply.choice_probs.values()))
            told, last = request.messages[:-1], request.messages[-1]
            words = last.content.rpartition("\n\n")[0]
            other = ChatMessage(last.role, f"{words}\n\n{NO_LETTER}")
            await self._measure(ARGUE, request._replace(messages=(*told, other)))
        elif request.json_schema is None:
            await self._measure(SPEAK, request)
        return reply

    async def _measure(self, kind: str, request: ChatRequest) -> None:
        reply = await super().chat(request._replace(choices=LETTERS))
        assert reply.choice_probs is not None
        note(kind, request.seat, sum(reply.choice_probs.values()))


def note(kind: str, seat: str, mass: float) -> None:
    with Path(os.environ[OUTPUT]).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"kind": kind, "seat": seat, "mass": mass}) + "\n")


def run(experiment: Path, limit: int, overrides: Sequence[str], folder: Path) -> list[dict[str, object]]:
    """Run the experiment with the measuring model, and return what it wrote down."""
    here = f"{Path(__file__).resolve()}:MassRecorder"
    command = [Path(sys.executable).parent / "oversight", "run", experiment, "--engine", "local", "--limit", limit]
    settings = [f"models.judge.model={here}", f"models.strong.model={here}", *overrides]
    command += [part for each in settings for part in ("--set", each)] + ["--store", folder / "store"]
    output = folder / "masses.jsonl"
    ran = subprocess.run([str(part) for part in command], check=False, env={**os.environ, OUTPUT: str(output)})
    if ran.returncode not in (0, 1):  # 1: a verdict failed, perhaps because too little lay on the letters
        sys.exit(ran.returncode)
    return [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]


def print_masses(masses: dict[str, list[float]]) -> None:
    print("\n| prompts | n | " + " | ".join(f"{q} %" for q in QUANTILES) + " |")
    print("|---|---:|" + "---:|" * len(QUANTILES))
    for kind, found in masses.items():
        figures = " | ".join(f"{value:.3f}" for value in np.percentile(found, QUANTILES))
        print(f"| {kind} | {len(found)} | {figures} |")
    print("\n| share of prompts below | " + " | ".join(map(str, THRESHOLDS)) + " |")
    print("|---|" + "---:|" * len(THRESHOLDS))
    for kind, found in masses.items():
        shares = [sum(mass < threshold for mass in found) / len(found) for threshold in THRESHOLDS]
        print(f"| {kind} | " + " | ".join(f"{share:.3f}" for share in shares) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).parents[1] / "experiments" / "smollm2.yaml"
    parser.add_argument("experiment", type=Path, nargs="?", default=default)
    parser.add_argument("--limit", type=int, default=10)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = run(told.experiment, told.limit, told.overrides, Path(folder))
    masses: dict[str, list[float]] = {kind: [] for kind in (ASKED, ARGUE, SPEAK)}
    for row in rows:
        masses[str(row["kind"])].append(float(str(row["mass"])))
    print_masses(masses)


if __name__ == "__main__":
    main()
