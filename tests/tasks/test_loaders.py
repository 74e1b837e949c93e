"""What holds for every task that reads a dataset's file."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli.running import here
from experiment.files import experiment, planned

from oversight.tasks import truthfulqa
from oversight.tasks.boolq import BoolQ
from oversight.tasks.dataset_files import Download, FileTask
from oversight.tasks.gsm8k import Gsm8k
from oversight.tasks.mmlu import Mmlu
from oversight.tasks.prm800k import PRM800K
from oversight.tasks.prmbench import PRMBench
from oversight.tasks.quality import Quality
from oversight.tasks.strategyqa import StrategyQA
from oversight.tasks.table import Table
from oversight.tasks.truthfulqa import TruthfulQA
from tasks.reading import items, jsonl, right
from tasks.serving import FileServer

Records = list[Mapping[str, Any]]


def as_json(path: Path, records: Records) -> None:
    path.write_text(json.dumps(records), encoding="utf-8")


def as_csv(path: Path, records: Records) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(records[0]))
        table.writeheader()
        table.writerows(records)


def as_parquet(path: Path, records: Records) -> None:
    pq.write_table(pa.Table.from_pylist([dict(one) for one in records]), path)


Write = Callable[[Path, Records], object]

LOADERS: list[tuple[type[FileTask], Write, str]] = [
    (BoolQ, as_parquet, "boolq/validation-00000-of-00001.parquet"),
    (Gsm8k, jsonl, "gsm8k/example_model_solutions.jsonl"),
    (Mmlu, as_parquet, "mmlu/test-00000-of-00001.parquet"),
    (PRM800K, jsonl, "prm800k/phase2_test.jsonl"),
    (PRMBench, jsonl, "prmbench/prmbench_preview.jsonl"),
    (Quality, jsonl, "quality/QuALITY.v1.0.1.htmlstripped.dev"),
    (StrategyQA, as_json, "strategyqa/dev.json"),
    (TruthfulQA, as_csv, "truthfulqa/TruthfulQA.csv"),
]
every_loader = pytest.mark.parametrize(("task", "write", "name"), LOADERS, ids=[task.name for task, _, _ in LOADERS])


def keep(path: Path, task: type[FileTask], write: Write) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, [task.sample])
    return path


@every_loader
def test_a_file_that_holds_the_sample_has_the_example(
    task: type[FileTask], write: Write, name: str, tmp_path: Path
) -> None:
    path = keep(tmp_path / name, task, write)
    example = task.example()
    assert example is not None
    for given in (path, path.parent, tmp_path):
        (item,) = items(task, path=given)
        assert right(item) == right(example)
        assert (item.question.material, item.gold) == (example.question.material, example.gold)


@every_loader
def test_a_download_is_kept_by_the_name_that_is_looked_for(
    task: type[FileTask], write: Write, name: str, data: Path
) -> None:
    keep(data / name, task, write)
    if task in (Gsm8k, PRM800K, StrategyQA):  # the only ones whose published checksums are known
        with pytest.raises(Exception, match="is not the published file"):
            items(task)
    else:
        assert len(items(task)) == 1


@every_loader
def test_an_experiment_may_name_a_file_beside_it(task: type[FileTask], write: Write, name: str, tmp_path: Path) -> None:
    keep(tmp_path / name, task, write)
    path = experiment(tmp_path, task={"name": task.name, "path": name}, protocols=["direct"])
    ((named, item),) = planned(path).items.values()
    assert named == task.name
    example = task.example()
    assert example is not None
    assert item.question.prompt == example.question.prompt


@every_loader
def test_the_same_seed_asks_the_same(task: type[FileTask], write: Write, name: str, tmp_path: Path) -> None:
    path = keep(tmp_path / name, task, write)
    assert items(task, seed=3, path=path) == items(task, seed=3, path=path)


@every_loader
def test_a_record_without_one_of_its_fields_is_one_line_that_says_which(
    task: type[FileTask], write: Write, name: str, tmp_path: Path
) -> None:
    example = task.example()
    assert example is not None
    needed = 0
    for field in task.sample:
        path = tmp_path / field / name
        path.parent.mkdir(parents=True)
        write(path, [{key: value for key, value in task.sample.items() if key != field}])
        ran = here("plan", experiment(tmp_path, task={"name": task.name, "path": str(path)}, protocols=["direct"]))
        if ran.code:
            needed += 1
            assert field in ran.complaint()
            assert str(path) in ran.complaint()
    assert needed >= 2


@pytest.mark.parametrize("task", [Table, *(task for task, _, _ in LOADERS)], ids=lambda task: task.name)
def test_the_terminal_shows_options_and_an_example(task: type[FileTask]) -> None:
    ran = here("tasks", task.name)
    assert ran.code == 0, ran
    assert all(option in ran.out for option in task.Options.model_fields)
    item = task.example()
    assert item is not None
    assert f"── example: {item.question.id}\n" in ran.out
    assert item.question.answers[item.gold].text in ran.out
    assert ran.out.count("(gold)") == 1
    assert task.name in here("tasks").out


def test_nothing_at_hand_and_a_download_that_fails(monkeypatch: pytest.MonkeyPatch, server: FileServer) -> None:
    monkeypatch.setattr(truthfulqa, "_FILE", Download(server.url("/none.csv"), "truthfulqa/none.csv"))
    with pytest.raises(Exception, match=r"none\.csv: cannot be downloaded: the server answers 404"):
        items(TruthfulQA)


def test_a_download_is_read(monkeypatch: pytest.MonkeyPatch, server: FileServer, tmp_path: Path) -> None:
    as_csv(tmp_path / "x.csv", [TruthfulQA.sample])
    server.files["/x.csv"] = (tmp_path / "x.csv").read_bytes()
    monkeypatch.setattr(truthfulqa, "_FILE", Download(server.url("/x.csv"), "truthfulqa/x.csv"))
    assert len(items(TruthfulQA)) == 1
    assert len(items(TruthfulQA)) == 1
    assert server.asked == ["/x.csv"]
