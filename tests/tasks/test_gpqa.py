"""GPQA from an encrypted zip like its authors'; every question here is invented."""

from __future__ import annotations

import csv
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.tasks import gpqa
from oversight.tasks.dataset_files import Download
from oversight.tasks.gpqa import GPQA
from tasks.encrypting import encrypted_zip
from tasks.reading import complaint, items, texts

COLUMNS = ["Record ID", "Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"]
SECRET = "The-words-nobody-may-find"


def record(number: int, **changes: str) -> dict[str, str]:
    lies = {f"Incorrect Answer {place}": f"lie {place} of {number}" for place in (1, 2, 3)}
    return {
        "Record ID": f"rec{number}",
        "Question": f"Which?\n{SECRET}",
        "Correct Answer": "truth\n",
        **lies,
        **changes,
    }


def table(*rows: dict[str, str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, "Explanation"])
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def archive(folder: Path, *rows: dict[str, str], **more: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    names = ("experts", "extended", "main", "diamond")
    return encrypted_zip(folder / "dataset.zip", {f"dataset/gpqa_{name}.csv": table(*rows) for name in names}, **more)


def test_four_answers_or_the_right_one_and_one_drawn(tmp_path: Path) -> None:
    path = archive(tmp_path, *map(record, range(40)))
    four, two = items(GPQA, path=path), items(GPQA, path=path, answers=2)
    assert [item.question.id for item in four] == [item.question.id for item in two] == [f"rec{n}" for n in range(40)]
    assert texts(four[7]) == ["truth", "lie 1 of 7", "lie 2 of 7", "lie 3 of 7"]
    assert {texts(item)[item.gold] for item in four + two} == {"truth"}
    drawn = [texts(item)[1] for item in two]
    assert {lie[:5] for lie in drawn} == {"lie 1", "lie 2", "lie 3"}
    assert drawn == [texts(item)[1] for item in items(GPQA, path=path, answers=2)]
    assert drawn != [texts(item)[1] for item in items(GPQA, seed=1, path=path, answers=2)]
    assert {(item.question.material, item.question.cluster == item.question.id) for item in four} == {(None, True)}


def test_the_subset_names_the_file(tmp_path: Path) -> None:
    files = {f"dataset/gpqa_{name}.csv": table(record(n)) for n, name in enumerate(("main", "diamond", "extended"))}
    path = encrypted_zip(tmp_path / "mine.zip", files)
    ids = [items(GPQA, path=path, subset=subset)[0].question.id for subset in ("main", "diamond", "extended")]
    assert ids == ["rec0", "rec1", "rec2"]
    del files["dataset/gpqa_main.csv"]
    assert complaint(GPQA, path=encrypted_zip(path, files)) == f"{path}: there is no gpqa_main.csv in this zip"


def files_below(folder: Path) -> Iterator[bytes]:
    return (file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_nothing_is_ever_written_in_the_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive(tmp_path / "data" / "gpqa", record(1))
    published = Download("https://unreachable.invalid/dataset.zip", "gpqa/dataset.zip", checksum(path))
    monkeypatch.setattr(gpqa, "_ARCHIVE", published)
    monkeypatch.setenv("OVERSIGHT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (item,) = GPQA().items(0)
    assert SECRET in item.question.prompt
    assert not [content for content in files_below(tmp_path) if SECRET.encode() in content]
    assert GPQA.restricted


def checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_wrong_answer_given_twice_stands_once(tmp_path: Path) -> None:
    (item,) = items(GPQA, path=archive(tmp_path, record(1, **{"Incorrect Answer 2": " lie 1 of 1\n"})))
    assert texts(item) == ["truth", "lie 1 of 1", "lie 3 of 1"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Incorrect Answer 3": "truth"}, "gpqa_main.csv:5: the right answer is among the wrong ones"),
        ({"Correct Answer": " "}, "gpqa_main.csv:5: Correct Answer: "),
    ],
)
def test_a_record_that_cannot_be_used_is_named_by_its_line(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    path = archive(tmp_path, record(0), record(1, **changes))
    assert complaint(GPQA, path=path).startswith(f"{path}: {words}")


def test_what_is_not_the_authors_zip_is_one_line(tmp_path: Path) -> None:
    path = archive(tmp_path, record(0), password=b"another")
    assert complaint(GPQA, path=path).startswith((f"{path}: cannot be decrypted", f"{path}: is not the zip"))
    path.write_bytes(b"not a zip")
    assert complaint(GPQA, path=path).startswith(f"{path}: is not the zip")
    missing = tmp_path / "none.zip"
    assert complaint(GPQA, path=missing).startswith(f"{missing}: cannot be read")
    encrypted_zip(path, {"dataset/gpqa_main.csv": "Record ID,Question\nrec0,Which?\n"})
    assert "gpqa_main.csv:2: there is no field 'Correct Answer'" in complaint(GPQA, path=path)
    for wrong in ({"subset": "mian"}, {"answers": 3}, {"paht": path}):
        with pytest.raises(ValidationError):
            GPQA.Options(**wrong)


def test_the_example_is_ours_and_needs_no_file() -> None:
    item = GPQA.example()
    assert item is not None
    assert texts(item)[item.gold] == "The neutron"


def test_a_member_that_unfolds_beyond_reason_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "dataset.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("gpqa_diamond.csv", "Question\n")
    packed = bytearray(path.read_bytes())
    size_at = packed.index(b"PK\x01\x02") + 24
    packed[size_at : size_at + 4] = (3 << 30).to_bytes(4, "little")
    path.write_bytes(packed)
    assert "gpqa_diamond.csv in it has 3,221,225,472 bytes, the most is" in complaint(GPQA, path=path, subset="diamond")
