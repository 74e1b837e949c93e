"""What is wrong with an iterated experiment's file is one line: file, line, what, and the nearest valid word."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from cli.running import here
from tasks.reading import published
from training.staging import HELD, MODELS, TRAIN

from experiment.files import questions, write
from oversight.experiment.file import load_experiment

IDA = """\
name: ida
models:
  overseer: {model: './model.py:Overseer'}
  strong: {model: './model.py:X0'}
  ceiling: {model: './model.py:Ceiling'}
protocols:
  - amplification: {depth: 1}
iterate:
  rounds: 1
  train: {name: table, path: train.jsonl}
  evaluate: {name: table, path: held.jsonl}
  distil: {method: export, ceiling: true}
  alone: {sees: material}
  max_failed: 0.1
"""
CEILING, PROTOCOL, ITERATE, ROUNDS, TRAINED, HELD_OUT, DISTIL, BY_ITSELF, FAILED = 5, *range(7, 15)


def complaint(folder: Path, text: str, *more: str) -> str:
    """What ``plan`` says about a file, without the folder; a run says the same and writes nothing."""
    questions(folder, TRAIN[:3], "train.jsonl")
    questions(folder, HELD[:2], "held.jsonl")
    (folder / "model.py").write_text(MODELS)
    path = write(folder, text)
    said = here("plan", path, *more).complaint()
    store = folder / "store"
    assert here("run", path, "--engine", "local", "--store", store, *more).complaint() == said
    assert not store.exists()
    return said.replace(f"{folder}/", "")


def without(*keys: str) -> str:
    """The experiment without one part of it."""
    data = yaml.safe_load(IDA)
    inner = data
    for key in keys[:-1]:
        inner = inner[key]
    del inner[keys[-1]]
    return yaml.safe_dump(data, sort_keys=False)


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "word"),
    [
        pytest.param("iterate:", "iterat:", ITERATE, "iterat", "'iterate'", id="iterate"),
        pytest.param("  rounds: 1", "  round: 1", ROUNDS, "iterate.round", "'rounds'", id="rounds"),
        pytest.param("  train:", "  trian:", TRAINED, "iterate.trian", "'train'", id="train"),
        pytest.param("  evaluate:", "  evalute:", HELD_OUT, "iterate.evalute", "'evaluate'", id="evaluate"),
        pytest.param("  distil:", "  distill:", DISTIL, "iterate.distill", "'distil'", id="distil"),
        pytest.param("  alone:", "  alon:", BY_ITSELF, "iterate.alon", "'alone'", id="alone"),
        pytest.param("max_failed", "max_fail", FAILED, "iterate.max_fail", "'max_failed'", id="max_failed"),
        pytest.param("method:", "metod:", DISTIL, "iterate.distil", "'method'", id="method"),
        pytest.param("export", "exprt", DISTIL, "iterate.distil.method", "'export'", id="a method's name"),
        pytest.param("export", "openia", DISTIL, "iterate.distil.method", "'openai'", id="another's name"),
        pytest.param("export", "embeded", DISTIL, "iterate.distil.method", "'embedded'", id="a third's name"),
        pytest.param("ceiling: true", "cieling: true", DISTIL, "iterate.distil.cieling", "'ceiling'", id="an option"),
        pytest.param(
            "table, path: train", "table, pth: train", TRAINED, "iterate.train.pth", "'path'", id="train's option"
        ),
        pytest.param("table, path: train", "tabel, path: train", TRAINED, "iterate.train.name", "'table'", id="task"),
        pytest.param(
            "table, path: held",
            "table, pth: held",
            HELD_OUT,
            "iterate.evaluate.pth",
            "'path'",
            id="evaluate's option",
            marks=pytest.mark.long,
        ),
        pytest.param(
            "table, path: held",
            "tabel, path: held",
            HELD_OUT,
            "iterate.evaluate.name",
            "'table'",
            id="the other task",
            marks=pytest.mark.long,
        ),
        pytest.param("{sees:", "{see:", BY_ITSELF, "iterate.alone.see", "'sees'", id="an option of alone"),
        pytest.param("depth: 1", "dept: 1", PROTOCOL, "protocols.0.amplification.dept", "'depth'", id="the protocol's"),
        pytest.param(
            "'./model.py:Ceiling'",
            "'./model.py:Ceiling', blief: stated",
            CEILING,
            "models.ceiling",
            "'belief'",
            id="a model's",
        ),
        pytest.param("strong:", "strng:", 2, "models", "'strong'", id="a role"),
        pytest.param("  ceiling:", "  ceilin:", CEILING, "models.ceilin", "'ceiling'", id="the ceiling's role"),
    ],
)
def test_a_misspelt_word_is_met_with_the_nearest(
    tmp_path: Path, old: str, new: str, line: int, key: str, word: str
) -> None:
    assert old in IDA
    said = complaint(tmp_path, IDA.replace(old, new, 1))
    assert said.startswith(f"e.yaml:{line}: {key}"), said
    assert word in said
    assert "\n" not in said


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        pytest.param(without("iterate", "rounds"), "iterate.rounds", "required", id="no rounds"),
        pytest.param(without("iterate", "train"), "iterate.train", "required", id="no train"),
        pytest.param(without("iterate", "evaluate"), "iterate.evaluate", "required", id="no evaluate"),
        pytest.param(without("iterate", "distil"), "iterate.distil", "required", id="no distil"),
        pytest.param(without("iterate", "distil", "method"), "iterate.distil", "the methods are", id="no method"),
        pytest.param(without("iterate", "train", "name"), "iterate.train", "name the task", id="train unnamed"),
        pytest.param(without("iterate", "evaluate", "name"), "iterate.evaluate", "name the task", id="other unnamed"),
        pytest.param(without("models"), "models", "'strong'", id="no models"),
        pytest.param(without("protocols"), "protocols", "one protocol", id="no protocols"),
        pytest.param(without("iterate"), "task", "required", id="not iterated"),
        pytest.param(IDA.replace("rounds: 1", "rounds: 0"), "iterate.rounds", "greater than", id="no round"),
        pytest.param(IDA.replace("rounds: 1", "rounds: many"), "iterate.rounds", "many", id="rounds in words"),
        pytest.param(IDA.replace("0.1", "1.0"), "iterate.max_failed", "less than 1", id="all may fail"),
        pytest.param(IDA.replace("0.1", "-0.1"), "iterate.max_failed", "greater than", id="fewer than none"),
        pytest.param(IDA.replace("method: export", "method: [export]"), "iterate.distil.method", "", id="two methods"),
        pytest.param(IDA + "task: {name: digits}\n", "task", "under 'iterate'", id="a task beside it"),
        pytest.param(IDA + "grid: {seed: [1, 2]}\n", "grid", "no grid", id="a grid beside it"),
        pytest.param(IDA + "iterate: {}\n", "", "'iterate' is given twice", id="twice"),
        pytest.param(
            IDA.replace("path: train.jsonl", "path: train.jsonl, limit: 0"), "iterate.train.limit", "limit", id="limit"
        ),
        pytest.param(
            IDA.replace("ceiling: true", "suffix: ida").replace("export", "openai"),
            "models.strong",
            "openai/",
            id="a model that cannot be tuned",
        ),
        pytest.param(
            IDA.replace("ceiling: true", "suffix: sk-abcdefghijklmnop").replace("export", "openai"),
            "iterate.distil.suffix",
            "looks like a secret",
            id="a secret",
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place(tmp_path: Path, text: str, key: str, words: str) -> None:
    said = complaint(tmp_path, text)
    place = said.removeprefix("e.yaml:").partition(": ")[2]
    assert place.startswith(key), said
    assert words in said
    assert "sk-abc" not in said


@pytest.mark.long
def test_an_openai_model_with_a_method_s_wrong_option(tmp_path: Path) -> None:
    openai = IDA.replace("'./model.py:X0'", "openai/gpt-4o").replace("method: export, ceiling", "method: openai, epoch")
    said = complaint(tmp_path, openai)
    assert said.startswith(f"e.yaml:{DISTIL}: iterate.distil.epoch: unknown key - did you mean 'epochs'?")
    both = IDA.replace("'./model.py:X0'", "openai/gpt-4o").replace("export", "openai")
    assert "choose one" in complaint(tmp_path, both)


@pytest.mark.long
def test_the_shipped_experiment_is_read() -> None:
    path = Path(__file__).parents[2] / "experiments" / "ida_strategyqa.yaml"
    file = load_experiment(path).file
    assert file.iterate is not None
    assert (file.iterate.rounds, file.iterate.distil["method"]) == (2, "openai")


@pytest.mark.long
def test_the_shipped_experiment_is_planned_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(__file__).parents[2]
    data = published("strategyqa")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    path = root / "experiments" / "ida_strategyqa.yaml"
    own = [
        f"--set=iterate.{part}.path={data / name}" for part, name in (("train", "train.json"), ("evaluate", "dev.json"))
    ]
    planned = here("plan", path, "--limit", 2, "--format", "json", *own)
    assert planned.code == 0, planned
    assert planned.rows[-1]["episodes"] == 2 * 2 + 3 * 2 * 2 + 2
    assert planned.rows[-1]["cost_usd"] > 0
