"""Getting a dataset's file: once, whole, and the same ever after."""

from __future__ import annotations

import hashlib
import os
import pty
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from oversight.errors import UsageError
from oversight.tasks.dataset_files import Download, data_folder, fetch, locate
from tasks.serving import FileServer

BODY = "a line\nwith ünicode\n".encode() * 9000


def sha(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def refused(download: Download) -> str:
    with pytest.raises(UsageError) as caught:
        fetch(download)
    said = str(caught.value)
    assert "\n" not in said
    return said


def kept(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def offer(server: FileServer, body: bytes = BODY, sha256: str | None = None) -> Download:
    server.files["/set/part.jsonl"] = body
    return Download(server.url("/set/part.jsonl"), "set/part.jsonl", sha256)


def test_a_file_is_downloaded_once_and_its_checksum_recorded(server: FileServer, data: Path) -> None:
    download = offer(server)
    for _ in range(3):
        assert fetch(download) == data / "set/part.jsonl"
    assert (data / "set/part.jsonl").read_bytes() == BODY
    assert server.asked == ["/set/part.jsonl"]
    assert kept(data) == ["set/part.jsonl", "set/part.jsonl.sha256"]
    subprocess.run(["sha256sum", "-c", "part.jsonl.sha256"], cwd=data / "set", check=True)


def test_a_copy_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    with pytest.raises(UsageError) as caught:
        locate(missing, Download("http://127.0.0.1:9/none.jsonl", "none.jsonl"))
    assert str(caught.value).startswith(f"{missing}: cannot be read")
    assert "--set task.path=null" in str(caught.value)


def test_a_known_checksum_is_not_recorded(server: FileServer, data: Path) -> None:
    fetch(offer(server, sha256=sha(BODY)))
    assert kept(data) == ["set/part.jsonl"]


def test_redirects_are_followed(server: FileServer) -> None:
    offer(server)
    server.redirects["/old"] = "/set/part.jsonl"
    assert fetch(Download(server.url("/old"), "new")).read_bytes() == BODY


def test_another_file_than_the_published_one_is_not_kept(server: FileServer, data: Path) -> None:
    said = refused(offer(server, sha256=sha(b"other")))
    assert said.startswith(server.url("/set/part.jsonl"))
    assert sha(BODY)[:12] in said
    assert sha(b"other")[:12] in said
    assert "path:" in said
    assert kept(data) == []


def test_a_body_cut_short_is_not_kept(server: FileServer, data: Path) -> None:
    server.missing = 100
    said = refused(offer(server))
    assert "cannot be downloaded" in said
    assert "path:" in said
    assert kept(data) == []
    server.missing = 0
    assert fetch(offer(server)).read_bytes() == BODY


def test_what_the_server_refuses(server: FileServer, data: Path) -> None:
    said = refused(Download(server.url("/gone"), "gone"))
    assert said.startswith(f"{server.url('/gone')}: cannot be downloaded: the server answers 404 Not Found")
    assert "download it yourself" in said
    assert kept(data) == []


def test_no_network(data: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers here
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/x"
        said = refused(Download(url, "x"))
    assert said.startswith(f"{url}: cannot be downloaded: ")
    assert kept(data) == []


def test_a_kept_file_that_changed_is_refused_until_it_is_deleted(server: FileServer, data: Path) -> None:
    for download in (offer(server), Download(server.url("/set/part.jsonl"), "known", sha(BODY))):
        target = fetch(download)
        target.write_bytes(BODY[:-1])
        said = refused(download)
        assert said.startswith(str(target))
        assert "delete it" in said
        target.unlink()
        assert fetch(download).read_bytes() == BODY


def test_the_first_download_s_checksum_outlives_the_file(server: FileServer, data: Path) -> None:
    download = offer(server)
    fetch(download).unlink()
    server.files["/set/part.jsonl"] = b"a later release"
    said = refused(download)
    assert "downloaded first" in said
    record = data / "set/part.jsonl.sha256"
    assert str(record) in said
    assert kept(data) == ["set/part.jsonl.sha256"]
    record.unlink()
    assert fetch(download).read_bytes() == b"a later release"


def test_a_file_put_there_by_hand_is_taken_and_then_held_to(data: Path) -> None:
    (data / "set").mkdir(parents=True)
    (data / "set/part.jsonl").write_bytes(BODY)
    download = Download("http://127.0.0.1:9/never", "set/part.jsonl")
    assert fetch(download).read_bytes() == BODY
    (data / "set/part.jsonl").write_bytes(b"else")
    assert "has changed" in refused(download)


def test_a_folder_that_cannot_be_one(server: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OVERSIGHT_DATA", str(tmp_path / "file"))
    said = refused(offer(server))
    assert said.startswith(str(tmp_path / "file"))
    assert "OVERSIGHT_DATA" in said


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OVERSIGHT_DATA", "~/sets")
    assert data_folder() == Path.home() / "sets"
    monkeypatch.delenv("OVERSIGHT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform == "linux":
        assert data_folder() == tmp_path / "oversight" / "data"


def test_a_copy_of_the_user_s_comes_first(server: FileServer, tmp_path: Path) -> None:
    download = offer(server, sha256=sha(b"other"))
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "any.jsonl").write_text("mine")
    assert locate(mine / "any.jsonl", download) == mine / "any.jsonl"
    with pytest.raises(UsageError, match=r"no file part\.jsonl in this folder"):
        locate(mine, download)
    (mine / "part.jsonl").write_text("mine")
    assert locate(mine, download) == mine / "part.jsonl"
    assert server.asked == []


FETCH = "import sys; from oversight.tasks.dataset_files import Download, fetch; fetch(Download(sys.argv[1], 'bar'))"


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_a_progress_bar_is_drawn_for_people_only(server: FileServer, data: Path, terminal: bool) -> None:
    offer(server)
    reads, writes = pty.openpty() if terminal else os.pipe()
    command = [sys.executable, "-c", FETCH, server.url("/set/part.jsonl")]
    with subprocess.Popen(command, stderr=writes, stdout=subprocess.PIPE) as process:
        os.close(writes)
        said = b""
        while piece := _read(reads):
            said += piece
        out, _ = process.communicate(timeout=60)
    os.close(reads)
    assert (process.returncode, out, b"bar" in said) == (0, b"", terminal), said
    assert terminal or said == b""


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux says that the other end of a terminal is closed
        return b""


def test_a_clone_of_the_authors_repository_is_a_folder_too(tmp_path: Path) -> None:
    """As its authors lay it out, and not wherever a file of that name may lie."""
    url = "https://example.org/authors/set/main/problems/data/test.jsonl?download=true"
    download = Download(url, "set/test.jsonl")
    (tmp_path / "other/data").mkdir(parents=True)
    (tmp_path / "other/data/test.jsonl").write_text("another set's")
    with pytest.raises(UsageError, match=r"no file test\.jsonl in this folder; download it from"):
        locate(tmp_path, download)
    (tmp_path / "problems/data").mkdir(parents=True)
    (tmp_path / "problems/data/test.jsonl").write_text("published")
    assert locate(tmp_path, download) == tmp_path / "problems/data/test.jsonl"
    assert locate(tmp_path / "problems", download) == tmp_path / "problems/data/test.jsonl"


def test_a_download_beyond_its_size_is_refused_and_not_kept(server: FileServer, data: Path) -> None:
    offer(server)
    with pytest.raises(UsageError, match=r"is larger than 3 bytes, the most that is downloaded"):
        fetch(Download(server.url("/set/part.jsonl"), "set/part.jsonl", most_bytes=3))
    assert not [path for path in data.rglob("*") if path.is_file()]
