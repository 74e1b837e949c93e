"""What there is without the extra oversight[lm], whether or not it is installed here."""

from __future__ import annotations

import re
import subprocess
import sys

_CHECK = """
import sys
for name in ("torch", "gguf"):
    sys.modules[name] = None
from oversight.errors import UsageError
from oversight.models.embedded.language import LanguageModelSettings, SmolLM2
try:
    SmolLM2.check(LanguageModelSettings(model="embedded/smollm2"))
except UsageError as error:
    print(error)
"""


def _run(source: str) -> str:
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True, timeout=120)
    return ran.stdout


def test_the_package_is_imported_without_anything_heavy() -> None:
    heavy = "{'torch', 'transformers', 'gguf', 'accelerate', 'litellm'} & set(sys.modules)"
    assert _run(f"import sys, oversight.models.embedded.language; print({heavy})") == "set()\n"


def test_a_missing_extra_is_one_line_that_says_what_to_install() -> None:
    said = _run(_CHECK)
    how = r"pip install 'oversight\[lm\]', or in a checkout make install-lm"
    assert re.fullmatch(rf"embedded/smollm2 needs torch, .*gguf.*: {how}\n", said)
