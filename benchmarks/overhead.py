"""What the framework itself costs: CPU per model call, and episodes per second through each engine and the store.

    .venv/bin/python benchmarks/overhead.py [EPISODES]

Models answer at once and offline, so whatever is measured is the framework's.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from oversight import Episode, Protocol, RunSettings, run_experiment
from oversight.models.base import ModelSettings
from oversight.models.client import ModelCast
from oversight.models.dry_run_model import DryRunModel
from oversight.plugins import find_plugin
from oversight.prompting.templates import Templates
from oversight.testing import SAMPLE_QUESTION

_EXPERIMENT = """
name: overhead
task: {{name: table, path: rows.jsonl}}
models: {{judge: "{model}", strong: "{model}"}}
protocols: [{{debate: {{rounds: 3, orders: drawn}}}}]
"""
_MODEL = "from oversight.models.dry_run_model import DryRunModel\n\n\nclass Instant(DryRunModel):\n    pass\n"


def cpu_per_call(episodes: int) -> float:
    """Milliseconds of CPU per call in a three-round debate of 7 calls, without engine and store."""
    plugin = find_plugin(Protocol, "debate")
    templates, model = Templates(plugin.prompts), DryRunModel(ModelSettings(model="instant"))

    async def debates() -> int:
        calls = 0
        for _ in range(episodes):
            protocol = plugin.load(Protocol)()
            cast = ModelCast({"judge": (model,), "strong": (model,)})
            episode = Episode(
                SAMPLE_QUESTION, templates=templates, cast=cast, options=protocol.options, assignment=(0, 1)
            )
            await protocol.run(episode)
            calls += len(episode.calls)
        return calls

    asyncio.run(debates())
    started = time.process_time()
    calls = asyncio.run(debates())
    return 1000 * (time.process_time() - started) / calls


def episodes_per_second(engine: str, episodes: int) -> float:
    """Episodes of the same debate per second of wall time, planned, run and stored; starting Ray included."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.py").write_text(_MODEL, encoding="utf-8")
        (folder / "overhead.yaml").write_text(_EXPERIMENT.format(model="./model.py:Instant"), encoding="utf-8")
        rows = [{"prompt": f"Is {n} even?", "answers": ["yes", "no"], "gold": n % 2} for n in range(episodes)]
        (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        started = time.perf_counter()
        settings = RunSettings(store=folder / "store", engine="ray" if engine == "ray" else "local")
        result = run_experiment(folder / "overhead.yaml", settings)
        assert result.driven.judged == episodes
        return episodes / (time.perf_counter() - started)


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"CPU per call, framework alone: {cpu_per_call(count):.3f} ms")
    for name in ("local", "ray"):
        print(f"episodes per second, {name} engine with store: {episodes_per_second(name, count):.0f}")
