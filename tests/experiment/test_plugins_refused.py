"""A protocol class that is none, or that its options do not fit, is one line with its place; sweeps know its name."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

HEAD = '''\
from pydantic import BaseModel, Field, model_validator

from oversight import Protocol


class Base(Protocol):
    """Asks the judge."""

    name = "endless"
    roles = ("judge",)

    async def run(self, episode):
        judge = episode.seat("judge")
        for turn in range(self.options.rounds):
            await judge.believe(turn=turn)
        return await judge.decide()


class Mine(Base):
    """Asks the judge several times."""

    class Options(Protocol.Options):
        rounds: int = Field(1, ge=1, description="rounds")
'''

VALIDATOR = "        @model_validator(mode='after')\n        def check(self):\n            "

BROKEN = {
    "roles = ('judge')": "roles is the text 'judge'",
    "roles = (1,)": "roles is not a tuple of names",
    "name = 3": "its name is int, not a text",
    "name = 'x' * 300": "its name has 300 characters",
    "name = 'a\\x1b[31m'": "characters that cannot be printed",
    "Options = {}": "Options is not a pydantic model",
    "def __init__(self, a, b): pass": "cannot be made with its options: TypeError",
    "def needs(self): return None": "needs returned NoneType",
    "def needs(self): return ('other',)": "none of its roles",
    "def assignments(self, question, rng): return 'both'": "protocol 'endless': assignments returned str 'both'",
    "async def assignments(self, question, rng): return None": "assignments is async",
    "async def run(self, episode): yield 1": "run yields",
    f"class Options(Base.Options):\n{VALIDATOR}raise ValueError('one\\ntwo')": "one two",
    f"class Options(Base.Options):\n{VALIDATOR}raise ValueError": "it is not accepted",
    f"class Options(Base.Options):\n{VALIDATOR}return {{}}['x']": "its own check of them failed: KeyError",
    f"class Options(Base.Options):\n{VALIDATOR}assert False, 'never right'": "never right",
}


def experiment(folder: Path, more: str = "", rest: str = "") -> Path:
    (folder / "p.py").write_text(HEAD + (f"\n    {more}\n" if more else ""))
    path = folder / "e.yaml"
    path.write_text(
        "name: x\ntask: {name: digits, images: 1}\nmodels: {judge: embedded/pixel-judge}\n"
        f"protocols: ['./p.py:Mine']\n{rest}"
    )
    return path


@pytest.mark.long
@pytest.mark.parametrize("line", BROKEN)
def test_a_class_that_cannot_be_used_is_one_line_with_its_place(tmp_path: Path, line: str) -> None:
    path = experiment(tmp_path, line)
    complaint = here("run", path, "--engine", "local", "--store", tmp_path / "store").complaint()
    assert complaint.startswith(f"{path}:4: protocols.0")
    assert BROKEN[line] in complaint
    assert "pydantic.dev" not in complaint
    assert not (tmp_path / "store").exists()


def test_a_template_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "judge.j2").write_bytes(b"\xff\xfe")
    complaint = here("plan", experiment(tmp_path)).complaint()
    assert "judge.j2 cannot be read: UnicodeDecodeError" in complaint


@pytest.mark.parametrize("name", ["endless", "./p.py:Mine"])
def test_an_option_is_set_under_the_class_s_name_and_under_its_reference(tmp_path: Path, name: str) -> None:
    path = experiment(tmp_path)
    rows = here("plan", path, "--set", f"protocols.{name}.rounds=3", "--format", "json").rows
    assert [row["calls"] for row in rows if row["arm"] == "endless"] == [4]


@pytest.mark.parametrize("key", ["protocols.endless.rounds", "protocols../p.py:Mine.rounds"])
def test_an_option_is_swept_under_either_and_labels_the_arms(tmp_path: Path, key: str) -> None:
    path = experiment(tmp_path, rest=f"grid: {{'{key}': [1, 2]}}\n")
    rows = here("plan", path, "--format", "json").rows
    assert {row["arm"]: row["calls"] for row in rows if row["arm"] != "total"} == {
        "endless rounds=1": 2,
        "endless rounds=2": 3,
    }


@pytest.mark.parametrize(
    ("key", "meant"), [("endles.rounds", "endless"), ("./p.py:Mime.rounds", "./p.py:Mine"), ("endless.round", "rounds")]
)
def test_a_name_that_no_entry_has_suggests_the_nearest(tmp_path: Path, key: str, meant: str) -> None:
    complaint = here("plan", experiment(tmp_path), "--set", f"protocols.{key}=2").complaint()
    assert complaint.endswith(f"did you mean '{meant}'?")


def test_options_that_are_no_mapping_cannot_be_set(tmp_path: Path) -> None:
    path = experiment(tmp_path)
    path.write_text(path.read_text().replace("['./p.py:Mine']", "[{'./p.py:Mine': 3}]"))
    complaint = here("plan", path, "--set", "protocols.endless.rounds=2").complaint()
    assert "options are a mapping, not 3" in complaint
