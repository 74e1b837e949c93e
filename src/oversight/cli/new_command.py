"""``oversight new protocol NAME``: a working plugin, its prompts, its test and an experiment that runs it."""

from __future__ import annotations

import keyword
import re
import sys
from importlib import resources
from pathlib import Path

from oversight.core.protocol import Protocol
from oversight.errors import UsageError
from oversight.plugins import installed

__all__ = ["new_protocol"]

_FILES = {
    "protocol.py.txt": "@name@.py",
    "test_protocol.py.txt": "test_@name@.py",
    "experiment.yaml.txt": "@name@.yaml",
    "prompts/expert.j2": "prompts/expert.j2",
    "prompts/argue.j2": "prompts/argue.j2",
    "prompts/ask.j2": "prompts/ask.j2",
}


def new_protocol(name: str, parent: Path) -> Path:
    """Write the plugin into a new folder ``parent/name`` and return the folder.

    Raises:
        UsageError: the name cannot name a Python module, is that of an installed protocol, or the folder exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,63}", name) or keyword.iskeyword(name):
        form = "use up to 64 lower-case letters, digits and _, such as my_debate"
        raise UsageError(f"'{name:.80}' cannot name a protocol: {form}")
    if name in sys.stdlib_module_names:
        raise UsageError(f"'{name}' is a module of Python's, which tests would import instead: use another name")
    if name in installed(Protocol):
        raise UsageError(f"a protocol called '{name}' is installed already, and reports would show two under one name")
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder} exists already: choose another name, or remove it")
    names = {"@name@": name, "@Class@": "".join(part.title() for part in name.split("_"))}
    try:
        (folder / "prompts").mkdir(parents=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror or error}") from None
    source = resources.files("oversight.cli") / "skeleton"
    for file, target in _FILES.items():
        (folder / _filled(target, names)).write_text(
            _filled((source / file).read_text(encoding="utf-8"), names), encoding="utf-8"
        )
    return folder


def _filled(text: str, names: dict[str, str]) -> str:
    for mark, name in names.items():
        text = text.replace(mark, name)
    return text
