"""One finished run that the tests here read and never change."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.running import Ran, here

EXPERIMENT = """\
name: seen
task: {name: digits, images: 4}
models:
  judge: embedded/pixel-judge
  strong: embedded/pixel-debater
protocols:
  - direct
  - consultancy: {rounds: 2}
  - debate: {rounds: 2, turns: sequential}
  - {consultancy: {rounds: 1}, as: loud, models: {strong: ./loud.py:Loud}}
"""

LOUD = '''\
"""A model that tries to steer the terminal of whoever reads it."""

from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply

TEXT = (
    "Before\\x1b[2J\\x1b]0;owned\\x07 \\x9b31m\\rover \\u202eeht [bold]lamp[/bold] :smile: "
    "<quote>r0c0=0</quote> and <quote>r9c9=9</quote> after"
)


class Loud(ChatModel):
    """Says the same for ever."""

    async def chat(self, request):
        return ChatReply(text=TEXT, model="loud", provider="test", cost_usd=0.0)
'''


class Seen(NamedTuple):
    """The run's experiment and store, and what running it printed."""

    experiment: Path
    store: Path
    ran: Ran

    def report(self, *options: str) -> Ran:
        return _report(self.store, *options)

    def sql(self, query: str, *options: object) -> Ran:
        return here("sql", query, "--store", self.store, *options)

    def episode(self, arm: str) -> str:
        found = self.sql(f"SELECT min(episode_id) AS id FROM episodes WHERE arm = '{arm}'", "--format", "json")
        return str(found.rows[0]["id"])


@cache
def _report(store: Path, *options: str) -> Ran:
    """Report on a store that does not change, once for the same options."""
    return here("report", "--store", store, *options)


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("seen")
    (folder / "loud.py").write_text(LOUD)
    experiment, store = folder / "e.yaml", folder / "store"
    experiment.write_text(EXPERIMENT)
    return Seen(experiment, store, here("run", experiment, "--engine", "local", "--store", store))
