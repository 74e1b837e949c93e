"""Getting a dataset's files: the user's own copy, or the published file, downloaded once and checked ever after."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import httpx
from platformdirs import user_cache_path
from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.tasks.row_files import Row, row_problems
from oversight.tasks.task import InputPath, Task

__all__ = ["MOST_BYTES", "Download", "FileTask", "data_folder", "fetch", "locate"]

MOST_BYTES = 1 << 30
"""The largest published file that is downloaded or unpacked; the largest known one has a quarter of that."""

_TIMEOUT = httpx.Timeout(60, connect=15)


@dataclass(frozen=True)
class Download:
    """One published file.

    Attributes:
        url: where its authors put it.
        name: what it is called below the data folder, as in ``gsm8k/test.jsonl``.
        sha256: its checksum in hexadecimal, where we know it. Where we do not, the first download's is
            recorded beside the file as ``NAME.sha256`` and holds from then on.
        most_bytes: how large it may be; nothing larger is kept.
    """

    url: str
    name: str
    sha256: str | None = None
    most_bytes: int = MOST_BYTES


class FileTask(Task):
    """A task whose questions are read from a dataset's files, row by row.

    A subclass says where the rows come from (``rows``) and what questions one row holds (``parse``).

    Attributes:
        sample: one raw record in the dataset's own schema, written by us. ``parse`` makes the example that
            ``oversight tasks NAME`` shows of it.
    """

    sample: ClassVar[Mapping[str, Any]]

    class Options(Task.Options):
        """Where the file is."""

        path: InputPath | None = Field(
            None,
            description="your own copy of the published file, or the folder it is in; without it, the file is "
            "downloaded once",
        )

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """The records of the file, as in ``read_jsonl(locate(self.options.path, DOWNLOAD))``."""

    @abstractmethod
    def parse(self, row: Row, seed: int) -> Iterator[Item]:
        """The questions in one record.

        Raises:
            ValueError: the record cannot be used; the message says why in one line, and not where.
        """

    def items(self, seed: int) -> Iterator[Item]:
        """Yield the questions record by record."""
        for row in self.rows():
            with row_problems(row):
                yield from self.parse(row, seed)

    @classmethod
    def example(cls) -> Item | None:
        """What ``parse`` makes of ``sample`` when no option is set."""
        task = cls(cls.Options.model_construct())
        return next(task.parse(Row("sample", 1, dict(cls.sample)), 0))


def data_folder() -> Path:
    """Where downloads are kept: ``$OVERSIGHT_DATA``, or else ``data`` in the user's cache folder."""
    named = os.environ.get("OVERSIGHT_DATA")
    return Path(named).expanduser() if named else user_cache_path("oversight", appauthor=False) / "data"


def locate(path: Path | None, download: Download, *, deep: bool = False) -> Path:
    """The file to read: ``path``, or the published file in the folder ``path``, or else the download.

    In a folder it may lie at the top, or where it lies in its authors' repository, as in a clone.

    Args:
        path: the user's own copy.
        download: the published file.
        deep: search the folder's own folders, too, for a file whose name no other dataset's has.

    Raises:
        UsageError: there is no such file, there are several, or it cannot be downloaded.
    """
    if path is None:
        return fetch(download)
    if not path.exists():
        raise UsageError(
            f"{path}: cannot be read: there is no such file or folder; name your copy with 'path:' "
            "(--set task.path=…), or leave it out (--set task.path=null) and the file is downloaded once"
        )
    if not path.is_dir():
        return path
    parts = unquote(urlsplit(download.url).path).split("/")
    ends = ["/".join(parts[place:]) for place in range(len(parts) - 1, 0, -1)]
    name = Path(download.name).name
    for inside in (path / known for known in (name, download.name, *ends)):
        if inside.is_file():
            return inside
    found = sorted(file for file in path.rglob(name) if file.is_file()) if deep else []
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{path}: holds several files {name}, {found[0]} and {found[1]}: name one with 'path:'")
    below = " or the folders in it" if deep else ""
    raise UsageError(f"{path}: there is no file {name} in this folder{below}; download it from {download.url}")


def fetch(download: Download) -> Path:
    """The published file in the data folder; it is downloaded if it is not there yet.

    Raises:
        UsageError: it cannot be downloaded or kept, or is not the file it was (see ``Download``).
    """
    target = data_folder() / download.name
    recorded = target.with_name(f"{target.name}.sha256")
    known = download.sha256 or _recorded(recorded)
    try:
        if target.is_file():
            found = _checksum(target)
            if known and found != known:
                wrong = "is not the published file" if download.sha256 else "has changed since it was downloaded"
                raise UsageError(
                    f"{target}: {wrong} (SHA-256 {found:.12}…, not {known:.12}…); delete it to download it again, or "
                    "name it with 'path:' to use it as it is"
                )
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            found = _download(download, target, known, recorded)
        if not known:
            # A folder of the user's may be read-only; the file itself was readable, and that is what matters.
            with suppress(OSError):
                recorded.write_text(f"{found}  {target.name}\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{target}: cannot be kept or read: {error.strerror or error}; set OVERSIGHT_DATA to "
            f"another folder, or {_BY_HAND}"
        ) from None
    return target


_BY_HAND = "download it yourself and name your copy with 'path:'"


def _download(download: Download, target: Path, known: str | None, recorded: Path) -> str:
    """Download into a temporary file beside ``target`` and rename it; return its checksum."""
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            digest = hashlib.sha256()
            for piece in _pieces(download):
                file.write(piece)
                digest.update(piece)
        found = digest.hexdigest()
        if known and found != known:
            then, fix = ("published", _BY_HAND) if download.sha256 else ("downloaded first", f"delete {recorded} first")
            raise UsageError(
                f"{download.url}: is not the file that was {then} (SHA-256 {found:.12}…, not {known:.12}…); to use it "
                f"anyway, {fix}"
            )
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return found


def _pieces(download: Download) -> Iterator[bytes]:
    """What the server sends, with a progress bar on a terminal."""
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=_TIMEOUT) as client,
            # A compressed body would make the announced length another one than the file's.
            client.stream("GET", download.url, headers={"Accept-Encoding": "identity"}) as response,
            _progress(download, response.headers.get("Content-Length")) as advance,
        ):
            response.raise_for_status()
            received = 0
            for piece in response.iter_bytes(1 << 16):
                received += len(piece)
                if received > download.most_bytes:
                    raise UsageError(
                        f"{download.url}: is larger than {download.most_bytes:,} bytes, the most that is downloaded; "
                        f"{_BY_HAND}"
                    )
                yield piece
                advance(len(piece))
    except httpx.HTTPStatusError as error:
        reason = f"the server answers {error.response.status_code} {error.response.reason_phrase}".rstrip()
        raise UsageError(f"{download.url}: cannot be downloaded: {reason}; {_BY_HAND}") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(f"{download.url}: cannot be downloaded: {reason}; {_BY_HAND}") from None


@contextmanager
def _progress(download: Download, length: str | None) -> Iterator[Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        total = int(length) if length and length.isdigit() else None
        task = bar.add_task(download.name, total=total)
        yield lambda count: bar.advance(task, count)


def _recorded(file: Path) -> str | None:
    """The checksum recorded beside a download; None where there is none that can be read."""
    try:
        words = file.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words else None


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
