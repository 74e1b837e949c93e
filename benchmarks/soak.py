"""Whether a run on a failing provider with odd replies ends with everything accounted for, over LiteLLM's HTTP path.

    .venv/bin/python benchmarks/soak.py [EPISODES] [--faults SHARE] [--shapes SHARE] [--shape NAME,…] [--seed N]
                                        [--engine local|ray] [--timeout S] [--compare EPISODES]

A server on this machine lets something go wrong with a share of all requests and writes a share of the replies to the
others in shapes of real servers. Then, for each way of asking for a belief, a smaller experiment is run twice: on plain
replies, and with the same share of faults and of shapes that carry the same content. Exits 1 if a count does not add
up, a thought is shown, or a verdict or speech differs from that of the plain run.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cli.running import Ran
from execution.disturbing import (
    EPISODES_EACH,
    PAID,
    Server,
    accounts,
    lay_out_api,
    leaked,
    said_otherwise,
    unclassed,
)
from execution.staging import Running, rows

from oversight.testing.loopback import FAULTS, SHAPES, ServedReply

BELIEFS = ("logprob", "stated", "sampled")
NO_REPLIES = ",".join(kind for kind in FAULTS if kind not in PAID)
"""Faults after which a judge is asked the same again, for a letter's probabilities too."""


class Setting(NamedTuple):
    """What goes wrong, how often, and where it is tried."""

    faults: float
    shapes: float
    shape: str
    seed: int
    engine: str
    timeout: float


def run(folder: Path, experiment: Path, engine: str, store: Path) -> Ran:
    """Run an experiment to its end."""
    return Running(folder, experiment, "--engine", engine, "--store", store).ended(3600)


def soak(folder: Path, episodes: int, told: Setting) -> list[str]:
    """Run with every fault and every shape, print what came of it, and return what does not add up."""
    options = {"faults": told.faults, "seed": told.seed, "shape": told.shape, "shapes": told.shapes}
    with Server(folder, **options) as server:
        experiment = lay_out_api(folder / "e", server.api_base, -(-episodes // EPISODES_EACH), timeout=told.timeout)
        store = folder / "store"
        started = time.monotonic()
        ran = run(folder, experiment, told.engine, store)
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
    print_shapes(served)
    print("episodes:", ", ".join(f"{row['status']} {row['failure']} {row['n']}".replace("  ", " ") for row in statuses))
    print("calls made:", ", ".join(f"{row['failure'] or 'of use'} {row['n']}" for row in made))
    print("verdicts by source:", ", ".join(f"{row['source']} {row['n']}" for row in sources))
    return [*accounts(store, served), *leaked(store), *unclassed(store), *tracebacks(ran)]


def compare(folder: Path, episodes: int, belief: str, told: Setting) -> list[str]:
    """Run on plain replies and on odd ones of the same content; print and return where what was said differs."""
    folder.mkdir()
    with Server(folder) as server:
        port = server.port  # the address is part of an episode's name
        questions = -(-episodes // EPISODES_EACH)
        experiment = lay_out_api(folder / "e", server.api_base, questions, timeout=told.timeout, belief=belief)
        plain = run(folder, experiment, told.engine, folder / "plain")
    if plain.code:
        return [f"{belief}: the run on plain replies ended with {plain.code}: {plain.err}"]
    options = {"faults": told.faults, "seed": told.seed, "kinds": NO_REPLIES, "shape": "same", "shapes": told.shapes}
    with Server(folder, port=port, **options) as server:
        odd = run(folder, experiment, told.engine, folder / "odd")
        served = server.served()
    (judged,) = rows(folder / "odd", "SELECT count(*) AS n FROM results")
    unlike = said_otherwise(folder / "odd", folder / "plain")
    shaped = sum(each.shape is not None for each in served)
    print(
        f"{belief}: {judged['n']} of {questions * EPISODES_EACH} episodes judged, {shaped} of {len(served)} replies in "
        f"an odd shape of the same content; verdicts and speeches {'differ' if unlike else 'as on plain replies'}",
        flush=True,
    )
    return [f"{belief}: {each}" for each in (*unlike, *leaked(folder / "odd"), *tracebacks(odd))]


def print_shapes(served: list[ServedReply]) -> None:
    """Print how many replies were written in each shape."""
    drawn = Counter(each.shape for each in served if each.shape)
    same = sum(n for name, n in drawn.items() if SHAPES[name].same_content)
    print(f"replies in an odd shape: {drawn.total()}, {same} of them of the same content")
    print("replies by shape:", ", ".join(f"{name} {n}" for name, n in drawn.most_common()) or "none")


def tracebacks(ran: Ran) -> list[str]:
    """Return a complaint if a run printed a traceback."""
    return ["the run printed a traceback"] if "Traceback" in ran.out + ran.err else []


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("episodes", type=int, nargs="?", default=2000)
    parser.add_argument("--faults", type=float, default=0.2)
    parser.add_argument("--shapes", type=float, default=0.2, help="share of the other replies in an odd shape")
    parser.add_argument("--shape", default="all", metavar="NAME,…", help="which shapes (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=["local", "ray"], default="ray")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds after which a call is given up")
    parser.add_argument("--compare", type=int, default=200, metavar="EPISODES", help="0 leaves the comparison out")
    told = parser.parse_args()
    setting = Setting(told.faults, told.shapes, told.shape, told.seed, told.engine, told.timeout)
    with tempfile.TemporaryDirectory() as name:
        wrong = soak(Path(name), told.episodes, setting) if told.episodes else []
        for belief in BELIEFS if told.compare else ():
            wrong += compare(Path(name) / belief, told.compare, belief, setting)
    print("\n".join(wrong) or "everything adds up")
    sys.exit(bool(wrong))
