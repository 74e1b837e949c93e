"""Small real stores, made by the public API, for the dashboard's tests."""

from __future__ import annotations

import json
from pathlib import Path

from oversight import RunSettings, run_experiment

ROOT = Path(__file__).resolve().parents[2]

MODELS = '''\
"""Models that divide questions, and that say what they are told to."""

import json
from pathlib import Path

from oversight.prompting.markup import find
from oversight.models.base import ChatModel
from oversight.core.chat import ChatReply
from oversight.models.dry_run_model import example_reply


class Divider(ChatModel):
    """An overseer who divides a question once, and then asks a helper."""

    async def chat(self, request):
        wanted = (request.json_schema or {}).get("properties", {})
        if "questions" in wanted:
            asked = find("question", request.messages[0].content)[0].content
            parts = [] if "part" in asked else ["the first part?", "the second part?"]
            return ChatReply(text=json.dumps({"questions": parts}), model="divider", provider="test", cost_usd=0.001)
        return example_reply(request)


class Says(ChatModel):
    """Says what stands in a file beside it, whatever it is asked; labels and forms are filled in."""

    async def chat(self, request):
        if request.choices or request.json_schema:
            return example_reply(request)
        text = (Path(__file__).parent / "said.txt").read_text(encoding="utf-8")
        return ChatReply(text=text, model="says", provider="test", prompt_tokens=7, completion_tokens=9, cost_usd=0.25)
'''

TREE = """\
name: tree
task: {name: table, path: rows.jsonl}
models:
  overseer: {model: "./models.py:Divider"}
  judge: {model: "./models.py:Divider"}
  strong: {model: "./models.py:Says"}
protocols:
  - amplification: {depth: 1, breadth: 2}
"""

PROCESS = """\
name: steps
task: {name: arithmetic, questions: 2}
models: {overseer: embedded/step-overseer}
protocols: [process_supervision]
"""

SPOKEN = """\
name: {name}
task: {{name: table, path: rows.jsonl}}
models:
  judge: {{model: "./models.py:Says"}}
  strong: {{model: "./models.py:Says"}}
protocols:
  - {{debate: {{rounds: 1, beliefs: true}}, as: {arm}}}
"""


def run(folder: Path, text: str, store: Path, limit: int | None = None) -> str:
    """Run an experiment that is written into a folder; the run's name."""
    path = folder / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return run_experiment(path, RunSettings(store=store, engine="local"), limit=limit).run_id


def rows(folder: Path, *questions: dict[str, object]) -> None:
    """Questions for the task ``table``."""
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(each) for each in questions), encoding="utf-8")


def quickstart(store: Path, limit: int = 3) -> str:
    """Debate, consultancy and the judge alone, for real."""
    path = ROOT / "experiments" / "quickstart.yaml"
    return run_experiment(path, RunSettings(store=store, engine="local"), limit=limit).run_id


def tree(folder: Path, store: Path) -> str:
    """An amplification whose overseer divides the question in two."""
    (folder / "models.py").write_text(MODELS, encoding="utf-8")
    (folder / "said.txt").write_text("It does not matter.", encoding="utf-8")
    rows(folder, {"prompt": "Is the sea deep?", "answers": ["yes", "no"], "gold": 0, "material": "The sea is deep."})
    return run(folder, TREE, store)


SAID = "It says <quote>twelve passengers</quote>, and not <quote>thirteen passengers</quote>. A zeppelin proves it."

QUESTION: dict[str, object] = {
    "prompt": "How many passengers were there?",
    "answers": ["twelve", "thirteen"],
    "gold": 0,
    "material": "The captain counted twelve passengers.",
}
