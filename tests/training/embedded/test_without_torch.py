"""What there is without PyTorch, whether or not it is installed here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROUNDS = """
import sys
sys.modules["torch"] = None
from pathlib import Path
from oversight.errors import UsageError
from oversight.training.embedded import DistilSettings, EmbeddedRounds, UnionFind
try:
    held_out = UnionFind(UnionFind.Settings(split="held_out"))
    EmbeddedRounds(UnionFind(), held_out, DistilSettings(), folder=Path(sys.argv[1]))
except UsageError as error:
    print(error)
"""


def _run(source: str, *arguments: str) -> str:
    command = [sys.executable, "-c", source, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def test_the_package_is_imported_without_it() -> None:
    assert _run("import sys, oversight.training.embedded; print('torch' in sys.modules)") == "False\n"


def test_rounds_say_in_one_line_what_to_install(tmp_path: Path) -> None:
    assert _run(_ROUNDS, str(tmp_path)) == "embedded distillation needs PyTorch: pip install 'oversight[ida]'\n"
    assert not list(tmp_path.iterdir())
