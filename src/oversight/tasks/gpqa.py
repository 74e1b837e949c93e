"""Graduate-level science questions whose authors keep them out of training data: decrypted in memory only."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, Field, StringConstraints

from oversight.core.question import Answer, Item, Question
from oversight.errors import UsageError
from oversight.tasks.dataset_files import MOST_BYTES, Download, FileTask, locate
from oversight.tasks.row_files import Row
from oversight.tasks.task import InputPath
from oversight.util.digest import draw

__all__ = ["GPQA"]

_ARCHIVE = Download(
    "https://raw.githubusercontent.com/idavidrein/gpqa/56686c06f5e19865c153de0fdb11be3890014df7/dataset.zip",
    "gpqa/dataset.zip",
    "461ae7329f15a3e35f8184d2dac24b990f34fdf12f366ca4062d8e6638cd08dc",
)
_PASSWORD = b"deserted-untie-orchid"  # published in the authors' README, to keep crawlers out and no one else

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class _Record(BaseModel):
    id: Text = Field(alias="Record ID")
    question: Text = Field(alias="Question")
    right: Text = Field(alias="Correct Answer")
    wrong_1: Text = Field(alias="Incorrect Answer 1")
    wrong_2: Text = Field(alias="Incorrect Answer 2")
    wrong_3: Text = Field(alias="Incorrect Answer 3")


class GPQA(FileTask):
    """Graduate-level questions in biology, physics and chemistry that a search engine does not answer.

    Rein et al. (2023), "GPQA: A Graduate-Level Google-Proof Q&A Benchmark" (CC BY 4.0). There is no hidden
    material. Each question is its own cluster. The authors ask that no question be published in the clear:
    the data folder holds their encrypted zip, which is decrypted in memory whenever it is read. A store that
    holds a run's questions is in the clear, so do not publish it.
    """

    name: ClassVar[str] = "gpqa"
    restricted: ClassVar[bool] = True
    sample: ClassVar[Mapping[str, Any]] = {
        "Record ID": "sample",
        "Question": "Which of these particles feels the strong interaction?",
        "Correct Answer": "The neutron",
        "Incorrect Answer 1": "The electron",
        "Incorrect Answer 2": "The muon",
        "Incorrect Answer 3": "The tau neutrino",
    }

    class Options(FileTask.Options):
        """Which questions, with how many answers."""

        path: InputPath | None = Field(
            None, description="your own copy of the authors' dataset.zip; without it, it is downloaded once"
        )
        subset: Literal["main", "diamond", "extended"] = Field(
            "main", description="448 questions, the 198 best validated of them, or all 546"
        )
        answers: Literal[2, 4] = Field(4, description="all of them, or the right one and one drawn by seed")

    def rows(self) -> Iterator[Row]:
        """The records of one file in the archive."""
        archive = locate(self.options.path, _ARCHIVE)
        name = f"gpqa_{self.options.subset}.csv"
        where = f"{archive}: {name}"
        table = csv.DictReader(io.StringIO(_decrypted(archive, name)), strict=True)
        while True:
            begins = max(table.line_num, 1) + 1
            try:
                row = next(table, None)
            except csv.Error as error:
                raise UsageError(f"{where}:{begins}: not valid comma-separated values: {error}") from None
            if row is None:
                return
            yield Row(f"{where}:{begins}", begins, row)

    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The question in one record; a wrong answer that it gives twice stands once."""
        record = row.read_as(_Record)
        lies = list(dict.fromkeys((record.wrong_1, record.wrong_2, record.wrong_3)))
        if record.right in lies:
            raise ValueError("the right answer is among the wrong ones")
        if self.options.answers == 2:  # noqa: PLR2004 - it and one other
            lies = [draw(seed, "gpqa", "wrong answer", record.id).choice(lies)]
        question = Question(
            id=record.id,
            prompt=record.question,
            answers=tuple(Answer(text=text) for text in (record.right, *lies)),
        )
        yield Item(question=question, gold=0)


def _decrypted(archive: Path, name: str) -> str:
    """One file of the zip, as text, which is never written anywhere.

    Raises:
        UsageError: it cannot be had; the message names the archive.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            member = next((member for member in zipped.infolist() if Path(member.filename).name == name), None)
            if member is None:
                raise UsageError(f"{archive}: there is no {name} in this zip")
            if member.file_size > MOST_BYTES:
                raise UsageError(f"{archive}: {name} in it has {member.file_size:,} bytes, the most is {MOST_BYTES:,}")
            return zipped.read(member, pwd=_PASSWORD).decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{archive}: cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, UnicodeDecodeError) as error:
        raise UsageError(f"{archive}: is not the zip that the authors publish: {error}") from None
    except (RuntimeError, NotImplementedError) as error:
        raise UsageError(
            f"{archive}: cannot be decrypted with the password that the authors publish: {error}"
        ) from None
