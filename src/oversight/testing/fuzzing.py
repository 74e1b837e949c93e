"""Experiment files and data with faults in them: what a command must answer in one line, or run."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import yaml

__all__ = ["FuzzCase", "fuzz_case"]

_ROWS = [
    {"prompt": f"Who let boat {n} go?", "answers": ["Ben", "Ann"], "gold": n % 2, "material": "Ann did it."}
    for n in range(4)
]
_EXPERIMENT: dict[str, Any] = {
    "name": "fuzz",
    "description": "Does it help?",
    "task": {"name": "digits", "images": 2},
    "models": {"judge": {"model": "embedded/pixel-judge", "pixels": 4}, "strong": "embedded/pixel-debater"},
    "protocols": ["direct", {"debate": {"rounds": 1}, "as": "short"}],
    "repeats": 1,
    "seed": 3,
    "limits": {"calls": 50},
    "grid": {"models.judge.pixels": [2, 4]},
    "report": {"by": ["arm"], "unit": "episode"},
    "published": [{"arm": "short pixels=4", "accuracy": 0.9, "source": "a table"}],
}
_ODD_TEXTS = (
    "2020-13-45", "2024-02-30", "!!int foo", "!!float x", "!!bool x", "!!timestamp y", "!!binary =", "!!set {a}",
    "!!python/name:os.system", "!x y", ".nan", ".inf", "-.inf", "1e400", "9" * 25, "-" + "9" * 25, "0x" + "f" * 40,
    "9" * 5_000, "[" * 200, "{" * 200, "*nothing", "&a [*a]", "'", '"', "|", ">", "%", "@", "`", "? [a]", "<<: *b",
    "\t", "\x00", "\x1b[31m", "\ufeff", "\u202e", "\u200b", "~", "", "- -", "a: b: c", "'" + "x" * 5_000 + "'",
)  # fmt: skip
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 10**9, 10**12, -(2**63), 2**63, 2**70, 0.5, -0.0, 1e-300, 1e308, "", " ", "x",
    "direct", "judge", "a" * 300, "\x00", "\n", "\x1b[2J", "\u202ex", "e\u0301", "🎲", "../../etc/passwd", "/dev/null",
    "/dev/zero",
    "./none.py:P", "none:P", ":", "a:b:c", "embedded/none", "openai/", "/", "gpt-9", "http://", "http://x:99999/",
    "{{ 7*7 }}", "%s%n", "$(true)", "sk-" + "a" * 30, [], {}, [[]], [None], {"": 1}, {"a": {"b": {"c": []}}},
    [1] * 300, list(range(12)), {"model": "embedded/pixel-judge"}, {"name": "digits"}, {"direct": {}}, {"debate": None},
)  # fmt: skip
_SETTINGS = (
    "task.images",
    "models.judge.pixels",
    "protocols.short.rounds",
    "repeats",
    "seed",
    "x",
    "protocols",
    "models.",
)


class FuzzCase(NamedTuple):
    """Files of one folder, and the arguments of a command that is given there."""

    files: dict[str, str]
    arguments: tuple[str, ...]


def fuzz_case(seed: int) -> FuzzCase:
    """Make the case of a seed: an experiment and its rows with up to four faults, and a command for it."""
    rng = random.Random(seed)
    data, rows = copy.deepcopy(_EXPERIMENT), copy.deepcopy(_ROWS)
    if rng.random() < 0.4:  # noqa: PLR2004 - a share
        data["task"] = {"name": "table", "path": "rows.jsonl"}
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        _change(data if rng.random() < 0.8 else rows, rng)  # noqa: PLR2004
    written = yaml.safe_dump(data, sort_keys=False, allow_unicode=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if rng.random() < 0.2:  # noqa: PLR2004
        written = _damage(written, rng)
    if rng.random() < 0.2:  # noqa: PLR2004
        lines = _damage(lines, rng)
    arguments = ["run", "e.yaml", "--engine", "local", "--store", "s", "--limit", "2"]
    arguments = arguments if rng.random() < 0.5 else ["plan", "e.yaml"]  # noqa: PLR2004
    if rng.random() < 0.2:  # noqa: PLR2004
        value = rng.choice((*_ODD_TEXTS, *map(str, _ODD_VALUES)))
        arguments += ["--set", f"{rng.choice(_SETTINGS)}={value}".replace("\x00", "")]
    return FuzzCase({"e.yaml": written, "rows.jsonl": lines}, tuple(arguments))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return every container with each of its keys or indices."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    inner = [value[key] for key in keys]
    own = [(value, key) for key in keys]
    return own + [place for part in inner if isinstance(part, dict | list) for place in _places(part)]


def _change(value: Any, rng: random.Random) -> None:
    """Put one fault into a structure: a value, a key or a part of it is another one, gone, or there twice."""
    places = _places(value)
    if not places:
        return
    container, key = rng.choice(places)
    changes: list[Callable[[], object]] = [
        lambda: container.__setitem__(key, copy.deepcopy(rng.choice(_ODD_VALUES))),
        lambda: container.__setitem__(key, [copy.deepcopy(container[key])] * rng.choice((1, 2, 40))),
        lambda: container.__delitem__(key),
    ]
    if isinstance(container, dict):
        changes.append(lambda: container.__setitem__(_misspelt(str(key), rng), container.pop(key)))
        changes.append(lambda: container.__setitem__(rng.choice(("x", "", "1", "\x00", "a.b")), 1))
    rng.choice(changes)()


def _misspelt(key: str, rng: random.Random) -> str:
    at = rng.randrange(len(key) + 1)
    return rng.choice((key[:at] + key[at + 1 :], key[:at] + "z" + key[at:], key[::-1], key.upper()))


def _damage(text: str, rng: random.Random) -> str:
    """Put one fault into a text: an odd scalar, a part that is gone or there twice, another letter."""
    if not text:
        return rng.choice(_ODD_TEXTS)
    start = rng.randrange(len(text))
    end = min(len(text), start + rng.choice((1, 1, 5, 40)))
    colons = [at + 2 for at, sign in enumerate(text) if text.startswith(": ", at)]
    line_end = text.find("\n", at := rng.choice(colons or [0]))
    return rng.choice(
        (
            text[:at] + rng.choice(_ODD_TEXTS) + text[line_end if line_end >= 0 else len(text) :],
            text[:start] + text[end:],
            text[:end] + text[start:],
            text[:start] + rng.choice(_ODD_TEXTS) + text[start:],
            text[:start]
            + chr(rng.choice((0, 9, 10, 13, 34, 35, 39, 45, 58, 91, 123, 0x85, 0x2028, 0xD7FF)))
            + text[end:],
        )
    )
