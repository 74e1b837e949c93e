"""The loopback server with all that belongs to it, and the command that runs it by itself.

``python -m oversight.testing.loopback`` serves experiments that are to be tried without any model.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from oversight.testing.answering import Responder, default_responder
from oversight.testing.faults import FAULTS, Chaos, Fault, Reply
from oversight.testing.server import LoopbackServer, Received, Served
from oversight.testing.tuning import TuningDesk
from oversight.testing.tuning_jobs import Fate, TunedFile, TuningJob

__all__ = [
    "FAULTS",
    "Chaos",
    "Fate",
    "Fault",
    "LoopbackServer",
    "Received",
    "Reply",
    "Responder",
    "Served",
    "TunedFile",
    "TuningDesk",
    "TuningJob",
    "default_responder",
    "main",
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted or terminated."""
    parser = argparse.ArgumentParser(
        prog="python -m oversight.testing.loopback",
        description="An OpenAI-compatible chat server that needs no model: for trying an experiment, and for seeing "
        "what happens when a provider fails. It answers at once, the same to the same request: prose, a solution in "
        "steps, a form filled in, or one of the answers' letters with probabilities. A model tuned on it, over "
        "OpenAI's fine-tuning API, says what it was taught. It listens on 127.0.0.1 alone and asks for no key.",
        epilog="In the experiment file: {model: openai/gpt-4o-mini, api_base: 'http://127.0.0.1:PORT/v1'}. "
        "GET /requests lists every request so far as JSON lines: the body's digest, when it came and ended, what "
        "went wrong, and whether a complete reply went out.",
    )
    parser.add_argument("--port", type=int, default=8377, help="where to listen; 0 takes a free port (default: 8377)")
    parser.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="of requests that fail (default: 0)")
    parser.add_argument(
        "--kinds",
        default=",".join(FAULTS),
        metavar="KIND,…",
        help=f"which faults to draw from (default: all, {', '.join(FAULTS)})",
    )
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="mean time to a reply (default: 0)"
    )
    parser.add_argument("--seed", type=int, default=0, help="draws other faults (default: 0)")
    told = parser.parse_args(arguments)
    kinds = tuple(kind.strip() for kind in told.kinds.split(","))
    if unknown := set(kinds) - FAULTS.keys():
        parser.error(f"--kinds: there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if not 0 <= told.faults <= 1:
        parser.error("--faults: a share between 0 and 1")
    try:
        server = LoopbackServer(chaos=Chaos(told.faults, told.seed, kinds, told.latency), port=told.port, keep=False)
    except (OSError, OverflowError) as error:
        parser.error(f"--port {told.port}: {error}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(f"serving at {server.api_base}; Ctrl-C ends it", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
