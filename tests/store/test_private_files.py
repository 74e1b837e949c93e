"""What a store holds is for its user alone, whatever the umask is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.running import here
from experiment.files import experiment

from oversight.calls.call_cache import CallCache
from oversight.store import StoreWriter, open_store
from oversight.store.judgement_inbox import JudgementInbox


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def umask() -> int:
    now = os.umask(0)
    os.umask(now)
    return now


def modes(directory: Path) -> dict[str, int]:
    """The permissions of everything below a directory, and of itself."""
    return {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (directory, *directory.rglob("*"))}


def open_to_others(directory: Path) -> dict[str, str]:
    return {name: oct(mode) for name, mode in modes(directory).items() if mode & 0o077}


def test_a_new_stores_directory_and_files_are_its_users_alone(tmp_path: Path) -> None:
    store = tmp_path / "deep" / "store"
    ran = here("run", experiment(tmp_path), "--engine", "local", "--store", store)
    assert ran.code == 0, ran
    assert modes(store)["store"] == 0o700
    assert open_to_others(store) == {}
    assert modes(tmp_path / "deep")["deep"] == 0o755
    assert umask() == 0o022


def test_while_it_is_written_its_log_and_socket_are_too(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()  # by its user, who lets others in
    with StoreWriter.open(store) as writer:
        writer.event("r", "started")
        JudgementInbox(store).of_judge("calm-otter-1")
        journal = CallCache(store)
        found = modes(store)
        written = {"oversight.duckdb", "oversight.duckdb.wal", "oversight.sock", "judgements.sqlite"}
        assert written | {"calls.sqlite", "calls.sqlite-wal"} <= found.keys()
        assert {name for name, mode in found.items() if mode & 0o077} == {"store"}
        assert found["store"] == 0o755
        journal.close()
    assert umask() == 0o022


def test_two_writers_and_a_reader_give_the_umask_back_when_the_last_is_done(tmp_path: Path) -> None:
    first, second = StoreWriter.open(tmp_path / "a"), StoreWriter.open(tmp_path / "b")
    first.close()
    open_store(tmp_path / "a").sql("SELECT 1")
    assert umask() == 0o077
    second.close()
    second.close()
    assert umask() == 0o022
    (tmp_path / "b" / "oversight.duckdb").write_bytes(b"no database" * 1000)
    ran = here("report", "--store", tmp_path / "b")
    assert ran.code == 2
    assert umask() == 0o022


def test_an_export_is_its_users_to_share(tmp_path: Path) -> None:
    store = tmp_path / "store"
    here("run", experiment(tmp_path), "--engine", "local", "--store", store)
    (run,) = open_store(store).sql("SELECT run_id FROM runs")["run_id"]
    written = tmp_path / "episodes.jsonl"
    assert here("export", run, "--format", "episodes", "--output", written, "--store", store).code == 0
    assert stat.S_IMODE(written.stat().st_mode) == 0o644
