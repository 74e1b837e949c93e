"""The few tags that structure a prompt, and the one escape that keeps them unforgeable (rule 3).

Everything a seat reads that some model or dataset wrote stands inside a tag written here, and has been
through `escape`. A text can therefore talk *about* a tag, but never open or close one. `find` is the
inverse: embedded models and the conformance check read prompts with it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Element", "Trusted", "escape", "find", "tag", "unescape"]

# A '<' starts a tag unless white space, a digit or '=' follows, as in "x < 3": nothing else is spared, so neither an
# invisible character after the '<' slips through, nor one at the end that another text will follow.
_OPENING = re.compile(r"<(?![\s\d=])")


class Trusted(str):
    """Text written by the framework: templates insert it as it is, everything else is escaped."""

    __slots__ = ()


class Element(NamedTuple):
    """One tag found in a prompt: its attributes, and its content still escaped."""

    attributes: dict[str, str]
    content: str


def escape(text: str) -> str:
    """Return ``text`` unable to open or close any tag."""
    return _OPENING.sub("&lt;", text)


def unescape(text: str) -> str:
    """Undo `escape`."""
    return text.replace("&lt;", "<")


def tag(name: str, content: str | None = None, **attributes: object) -> Trusted:
    """Write one tag around ``content``, which the caller has escaped; attributes that are None are left out."""
    written = "".join(
        f' {key.rstrip("_")}="{escape(str(value)).replace(chr(34), "&quot;")}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Trusted(f"<{name}{written}/>" if content is None else f"<{name}{written}>{content}</{name}>")


def find(name: str, prompt: str) -> list[Element]:
    """List the tags called ``name`` in a prompt, in order."""
    pattern = re.compile(rf"<{name}((?: \w+=\"[^\"]*\")*)(?:/>|>(.*?)</{name}>)", re.DOTALL)
    return [
        Element(dict(re.findall(r"(\w+)=\"([^\"]*)\"", match[1])), match[2] or "") for match in pattern.finditer(prompt)
    ]
