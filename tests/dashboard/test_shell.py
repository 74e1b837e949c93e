"""What surrounds the pages: stores that are not there, or cannot be read."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dashboard.browsing import opened
from dashboard.conftest import Kept, watch
from oversight.store import StoreWriter


@pytest.mark.parametrize("page", ["runs", "transcripts"])
def test_without_a_store_the_page_says_what_to_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(tmp_path / "later", monkeypatch)
    at = opened(page)
    assert at.title[0].value == "Nothing here yet"
    assert "oversight run" in at.code[0].value
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("page", ["runs", "transcripts"])
def test_an_empty_store_says_what_to_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StoreWriter.open(tmp_path).close()
    watch(tmp_path, monkeypatch)
    assert "oversight run" in opened(page).code[0].value


def test_a_newer_store_says_to_upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    StoreWriter.open(tmp_path).close()
    with duckdb.connect(tmp_path / "oversight.duckdb") as con:
        con.execute("INSERT INTO schema_version VALUES (999, now())")
    watch(tmp_path, monkeypatch)
    at = opened("runs")
    assert "pip install --upgrade oversight" in at.error[0].value
    assert "999" in at.code[0].value


def test_a_damaged_store_names_the_way_out_and_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "oversight.duckdb").write_bytes(b"this is no database" * 1000)
    watch(tmp_path, monkeypatch)
    at = opened("transcripts")
    assert "restore it from a copy" in at.error[0].value
    assert str(tmp_path) not in at.code[0].value


def test_pages_that_are_not_there_are_left_out(kept: Kept) -> None:
    from oversight.dashboard import app, links

    opened("runs")
    assert links.known("runs")
    assert links.known("transcripts")
    for name, _ in app.PAGES:
        assert links.known(name) == (Path(app.__file__).parent / f"{name}_page.py").exists()
