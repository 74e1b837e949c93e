"""One store with something of everything, which the tests here read and never change."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import streamlit as st

import oversight
from dashboard import making


class Kept(NamedTuple):
    """The store, and the runs in it."""

    directory: Path
    quickstart: str
    tree: str
    steps: str
    talk: str

    def episodes(self, where: str, run: str | None = None) -> list[str]:
        """Of one arm or protocol, and perhaps of one run."""
        query = "SELECT DISTINCT episode_id, run_id, arm, protocol FROM episodes"
        found = oversight.open_store(self.directory).arrow(query).to_pylist()
        return sorted(
            row["episode_id"]
            for row in found
            if where in (row["arm"], row["protocol"]) and run in (None, row["run_id"])
        )


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("dashboard")
    store = folder / "store"
    quickstart = making.quickstart(store)
    tree = making.tree(folder, store)
    steps = making.run(folder, making.PROCESS, store)
    (folder / "said.txt").write_text(making.SAID, encoding="utf-8")
    making.rows(folder, making.QUESTION)
    talk = making.run(folder, making.SPOKEN.format(name="talk", arm="spoken"), store)
    return Kept(store, quickstart, tree, steps, talk)


@pytest.fixture
def kept(made: Kept, monkeypatch: pytest.MonkeyPatch) -> Kept:
    watch(made.directory, monkeypatch)
    return made


def watch(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the dashboard at a store."""
    monkeypatch.setenv("OVERSIGHT_STORE", str(directory))
    st.cache_data.clear()
