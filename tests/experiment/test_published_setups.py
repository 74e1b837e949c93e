"""The shipped experiments that need data or keys: planned on stand-ins for the data, they are what the papers did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tasks.encrypting import encrypted_zip
from tasks.reading import jsonl, record

from experiment.files import planned, specs
from oversight.experiment.file import load_experiment
from oversight.experiment.plan import Plan
from oversight.plugins import find_plugin
from oversight.tasks.bigbench_mistake import BigBenchMistake, Subset
from oversight.tasks.boolq import BoolQ
from oversight.tasks.dataset_files import Download, FileTask
from oversight.tasks.gpqa import GPQA
from oversight.tasks.gsm8k import Gsm8k
from oversight.tasks.mmlu import Mmlu
from oversight.tasks.nyu2023 import Nyu2023
from oversight.tasks.quality import Quality
from oversight.tasks.strategyqa import StrategyQA
from oversight.tasks.task import Task
from oversight.tasks.truthfulqa import TruthfulQA

SHIPPED = Path(__file__).parents[2] / "experiments"
CLOSED = ("mmlu", "truthfulqa", "prontoqa", "gsm8k", "gpqa")


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand-ins of one record each, written by us, where downloads are kept; their checksums are not asked for."""

    def kept(download: Download) -> Path:
        return tmp_path / download.name

    monkeypatch.setattr("oversight.tasks.dataset_files.fetch", kept)
    jsonl(tmp_path / "quality" / "QuALITY.v1.0.1.htmlstripped.dev", [record(Quality)])
    jsonl(tmp_path / "gsm8k" / "example_model_solutions.jsonl", [record(Gsm8k)])
    parquet(tmp_path / "boolq" / "validation-00000-of-00001.parquet", BoolQ.sample)
    parquet(tmp_path / "mmlu" / "test-00000-of-00001.parquet", Mmlu.sample)
    (tmp_path / "truthfulqa").mkdir()
    (tmp_path / "truthfulqa" / "TruthfulQA.csv").write_text(csv(TruthfulQA.sample))
    (tmp_path / "gpqa").mkdir()
    encrypted_zip(tmp_path / "gpqa" / "dataset.zip", {"dataset/gpqa_main.csv": csv(GPQA.sample)})
    (tmp_path / "strategyqa").mkdir()
    (tmp_path / "strategyqa" / "dev.json").write_text(json.dumps([record(StrategyQA)]))
    jsonl(tmp_path / "pub" / "debates-metadata.jsonl", [{"name": "a-0", "includedInPaper": True}])
    jsonl(tmp_path / "pub" / "debates" / "official" / "a-0.json", [record(Nyu2023)])
    return tmp_path


def parquet(path: Path, fields: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([dict(fields)]), path)


def csv(fields: Mapping[str, str]) -> str:
    return "\n".join(",".join(json.dumps(cell) for cell in cells) for cells in (fields.keys(), fields.values())) + "\n"


def episodes(plan: Plan) -> dict[str, int]:
    return {arm: len(those) for arm, those in specs(plan).items()}


def options(plan: Plan) -> dict[str, dict[str, Any]]:
    return {arm.label: arm.protocol.options for arm in plan.arms}


def test_khan2024() -> None:
    plan = planned(SHIPPED / "khan2024.yaml")
    both_sides = {"consultancy": 2, "debate": 2, "interactive debate": 2}
    assert episodes(plan) == {"naive": 1, **both_sides, "expert": 1}
    asked = options(plan)
    assert (asked["consultancy"]["word_limit"], asked["debate"]["word_limit"]) == (300, 150)
    assert {asked[arm]["rounds"] for arm in both_sides} == {3}
    (item,) = (item for _, item in plan.items.values())
    assert (len(item.question.answers), bool(item.question.material)) == (2, True)


def test_khan2024_asks_only_what_passes_the_paper_s_filters(data: Path) -> None:
    easy = record(Quality, article_id="2", questions=[{**Quality.sample["questions"][0], "difficult": 0}])
    elsewhere = record(Quality, article_id="3", source="Slate")
    kept = record(Quality)
    jsonl(data / "quality" / "QuALITY.v1.0.1.htmlstripped.dev", [easy, elsewhere, kept])
    plan = planned(SHIPPED / "khan2024.yaml")
    assert [item.question.cluster for _, item in plan.items.values()] == [kept["article_id"]]


@pytest.mark.filterwarnings("ignore")
def test_kenton2024() -> None:
    plan = planned(SHIPPED / "kenton2024.yaml", limit=1)
    expected = {}
    for task in ("quality", "boolq", *CLOSED):
        expected |= {f"{task} alone": 1, f"{task} consultancy": 2, f"{task} open consultancy": 1, f"{task} debate": 2}
        expected[f"{task} open debate"] = 1
    expected |= {"quality with article": 1, "boolq with article": 1}
    assert episodes(plan) == expected
    assert {(arm.label.split()[0], arm.task) for arm in plan.arms} == {(arm.task, arm.task) for arm in plan.arms}
    asked = {task: item.question for task, item in plan.items.values()}
    assert {task for task, question in asked.items() if question.material} == {"quality", "boolq"}
    assert {len(question.answers) for question in asked.values()} == {2}


def test_michael2023(data: Path) -> None:
    plan = planned(SHIPPED / "michael2023.yaml", f"task.path={data / 'pub'}")
    assert episodes(plan) == {"judge alone": 1, "AI consultancy": 2, "AI debate": 2}
    asked = options(plan)
    assert all(asked[arm]["beliefs"] and asked[arm]["interactive"] for arm in ("AI consultancy", "AI debate"))


def test_gsm8k_debate(data: Path) -> None:
    plan = planned(SHIPPED / "gsm8k_debate.yaml", f"task.path={data / 'gsm8k'}")
    assert episodes(plan) == {"direct": 1, "direct with solutions": 1, "consultancy": 2, "debate": 2}
    bound = [binding for arm in plan.arms for bindings in arm.cast.values() for binding in bindings]
    assert {binding.settings["api_base"] for binding in bound} == {"http://127.0.0.1:8000/v1"}
    assert all(binding.name.startswith("hosted_vllm/") for binding in bound)
    (item,) = (item for _, item in plan.items.values())
    assert all(answer.solution for answer in item.question.answers)


def test_process_bigbench_mistake(data: Path) -> None:
    published = {**BigBenchMistake.sample, "subset": None}
    for subset in get_args(Subset):
        jsonl(data / "bbm" / f"{subset}.jsonl", [published] * 4)
    plan = planned(SHIPPED / "process_bigbench_mistake.yaml", f"task.path={data / 'bbm'}")
    # The odd lines of each file, once for each overseer.
    assert episodes(plan) == {
        f"{arm} subsets={subset}": 2 for subset in get_args(Subset) for arm in ("process", "outcome")
    }
    assert all(len(item.mistakes) == len(item.question.worked) == 1 for _, item in plan.items.values())


def test_process_gsm8k(data: Path) -> None:
    jsonl(data / "gsm8k" / "example_model_solutions.jsonl", [record(Gsm8k)] * 2)
    plan = planned(SHIPPED / "process_gsm8k.yaml", f"task.path={data / 'gsm8k'}")
    # The overseer was tuned on the even line.
    assert episodes(plan) == dict.fromkeys(("process", "process weighted", "outcome", "majority"), 1)
    (item,) = (item for _, item in plan.items.values())
    assert len(item.question.worked) == 4
    assert item.question.answers[-1].text == "None of these"


def test_amplification_strategyqa(data: Path) -> None:
    plan = planned(SHIPPED / "amplification_strategyqa.yaml", f"task.path={data / 'strategyqa' / 'dev.json'}")
    alone = dict.fromkeys(
        ("overseer alone", "majority of 13", "overseer with the facts", "one level", "two levels, 13 calls"), 1
    )
    assert episodes(plan) == {**alone, "one adversary": 2, "one adversary, verified": 2}
    calls = {arm.label: round(sum(role.calls for role in arm.dry_run.expected.values())) for arm in plan.arms}
    # One division, three answers and the verdict; verified, each answer is asked for twice and compared.
    assert calls == {
        "overseer alone": 1,
        "majority of 13": 13,
        "overseer with the facts": 1,
        "one level": 1 + 3 + 1,
        "two levels, 13 calls": 13,
        "one adversary": 1 + 3 + 1,
        "one adversary, verified": 1 + 3 * 3 + 1,
    }
    (item,) = (item for _, item in plan.items.values())
    assert (item.question.material or "").startswith("Facts:")


def test_the_majority_of_many_overseers_is_one_of_independent_samples(data: Path) -> None:
    """Token probabilities are the same at any temperature, so thirteen of them are one opinion."""
    plan = planned(SHIPPED / "amplification_strategyqa.yaml", f"task.path={data / 'strategyqa' / 'dev.json'}")
    (arm,) = (arm for arm in plan.arms if arm.protocol.options.get("votes", 1) > 1)
    (judge,) = arm.cast["judge"]
    asked = judge.checked()[1]
    assert asked.belief == "stated" or (asked.belief, asked.belief_samples) == ("sampled", 1)


def test_every_shipped_experiment_that_reads_published_data_is_planned_here() -> None:
    for path in SHIPPED.glob("*.yaml"):
        file = load_experiment(path).file
        if file.iterate is not None:
            continue  # rounds have tests of their own
        task = find_plugin(Task, file.task["name"]).load(Task)
        assert issubclass(task, FileTask) == (f"test_{path.stem}" in globals()), path.name
