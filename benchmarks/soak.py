"""Whether a run on a failing provider ends with everything accounted for, over LiteLLM's real HTTP path.

    .venv/bin/python benchmarks/soak.py [EPISODES] [--faults SHARE] [--seed N] [--engine local|ray] [--timeout S]

A server on this machine lets something go wrong with a share of all requests. Exits 1 if a count does not add up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from engine.disturbing import EPISODES_EACH, Server, accounts, lay_out_api
from engine.staging import Running, rows


def soak(folder: Path, episodes: int, faults: float, seed: int, engine: str, timeout: float) -> list[str]:
    """Run, print what came of it, and return what does not add up."""
    with Server(folder, faults=faults, seed=seed) as server:
        experiment = lay_out_api(folder / "e", server.api_base, -(-episodes // EPISODES_EACH), timeout=timeout)
        store = folder / "store"
        started = time.monotonic()
        run = Running(folder, experiment, "--engine", engine, "--store", store)
        ran = run.ended(3600)
        seconds = time.monotonic() - started
        served = server.served()
    print(ran.out)
    print(ran.err, file=sys.stderr)
    drawn = Counter(each.fault for each in served)
    statuses = rows(store, "SELECT status, coalesce(failure, '') AS failure, count(*) AS n FROM outcomes GROUP BY ALL")
    made = rows(store, "SELECT failure, count(*) AS n FROM calls WHERE origin = 'made' GROUP BY 1 ORDER BY 2 DESC")
    sources = rows(store, "SELECT source, count(*) AS n FROM beliefs WHERE final GROUP BY 1 ORDER BY 2 DESC")
    print(f"exit code {ran.code}; {seconds:.0f} s; {len(served)} requests, {len(served) / seconds:.1f} per second")
    print("requests by fault:", ", ".join(f"{kind or 'none'} {n}" for kind, n in drawn.most_common()))
    print("episodes:", ", ".join(f"{row['status']} {row['failure']} {row['n']}".replace("  ", " ") for row in statuses))
    print("calls made:", ", ".join(f"{row['failure'] or 'of use'} {row['n']}" for row in made))
    print("verdicts by source:", ", ".join(f"{row['source']} {row['n']}" for row in sources))
    return accounts(store, served)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("episodes", type=int, nargs="?", default=2000)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=["local", "ray"], default="ray")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds after which a call is given up")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        wrong = soak(Path(name), told.episodes, told.faults, told.seed, told.engine, told.timeout)
    print("\n".join(wrong) or "everything adds up")
    sys.exit(bool(wrong))
