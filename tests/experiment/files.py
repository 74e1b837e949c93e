"""Small experiment files, and what they plan."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import yaml

from oversight.core.outcome import EpisodeSpec
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import Plan, build_plan

TINY = """\
name: tiny
task: {name: digits, images: 4}
models:
  judge: embedded/pixel-judge
  strong: embedded/pixel-debater
protocols:
  - direct
  - debate: {rounds: 1}
"""

ASK = '''\
"""Asks the judge, in words of its own."""

from oversight import Protocol


class Ask(Protocol):
    """Ask the judge."""

    name = "ask"
    roles = ("judge",)

    async def run(self, episode):
        return await episode.seat("judge").decide("plead")
'''


def write(folder: Path, text: str = TINY, name: str = "e.yaml") -> Path:
    """Write an experiment file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def experiment(folder: Path, **changes: Any) -> Path:
    """Write the tiny experiment with some of its top-level keys replaced, or left out where None."""
    data = {**yaml.safe_load(TINY), **changes}
    return write(folder, yaml.safe_dump({key: value for key, value in data.items() if value is not None}))


def ask_plugin(folder: Path, prompt: str = "Please decide.") -> None:
    """Write the file plugin ``./ask.py:Ask`` and its prompts."""
    (folder / "prompts").mkdir(parents=True, exist_ok=True)
    (folder / "ask.py").write_text(ASK)
    (folder / "prompts" / "plead.j2").write_text(prompt)


def questions(folder: Path, rows: list[dict[str, Any]], name: str = "rows.jsonl") -> Path:
    """Write a JSON-lines file."""
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(count: int) -> list[dict[str, Any]]:
    """Questions with two answers; the first one is right."""
    return [
        {"id": f"q{n}", "prompt": f"Which is {n}?", "answers": [f"{n}", f"not {n}"], "gold": 0} for n in range(count)
    ]


def planned(
    path: Path, *settings: str, limit: int | None = None, repeats: int | None = None, seed: int | None = None
) -> Plan:
    """Plan an experiment."""
    return build_plan(load_experiment(path, settings, repeats=repeats, seed=seed), limit)


def specs(plan: Plan) -> dict[str, list[EpisodeSpec]]:
    """The episodes of each arm."""
    found: dict[str, list[EpisodeSpec]] = defaultdict(list)
    for episode in plan.episodes:
        found[plan.arms[episode.arm].label].append(episode.spec)
    return found


def ids(path: Path, *settings: str, **more: Any) -> dict[str, set[str]]:
    """The episode ids of each arm."""
    plan = planned(path, *settings, **more)
    return {arm: {spec.episode_id for spec in those} for arm, those in specs(plan).items()}
