"""The loopback server with all that belongs to it, and the command that runs it by itself.

``python -m oversight.testing.loopback`` serves experiments that are to be tried without any model.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from oversight.testing.answering import Responder, default_responder
from oversight.testing.chat_server import LoopbackServer, ReceivedRequest, ServedReply
from oversight.testing.faults import FAULTS, Chaos, Fault, Reply
from oversight.testing.fine_tuning_endpoint import FineTuningEndpoint
from oversight.testing.fine_tuning_jobs import JobOutcome, TunedFile, TuningJob
from oversight.testing.shapes import REFUSALS, SAME_CONTENT, SHAPES

__all__ = [
    "FAULTS",
    "REFUSALS",
    "SAME_CONTENT",
    "SHAPES",
    "Chaos",
    "Fault",
    "FineTuningEndpoint",
    "JobOutcome",
    "LoopbackServer",
    "ReceivedRequest",
    "Reply",
    "Responder",
    "ServedReply",
    "TunedFile",
    "TuningJob",
    "default_responder",
    "main",
]


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until interrupted or terminated."""
    parser = _parser()
    told = parser.parse_args(arguments)
    try:
        chaos = Chaos(
            _share(told.faults, "--faults"),
            told.seed,
            _names(told.kinds, "--kinds", FAULTS),
            told.latency,
            _share((1.0 if told.shape else 0.0) if told.shapes is None else told.shapes, "--shapes"),
            _names(told.shape or "all", "--shape", SHAPES, {"all": tuple(SHAPES), "same": SAME_CONTENT}),
        )
        refuses = _names(told.refuse, "--refuse", REFUSALS) if told.refuse else ()
        server = LoopbackServer(chaos=chaos, refuses=refuses, port=told.port, keep=False)
    except ValueError as error:
        parser.error(str(error))
    except (OSError, OverflowError) as error:
        parser.error(f"--port {told.port}: {error}")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with server:
        print(f"serving at {server.api_base}; Ctrl-C ends it", flush=True)
        stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m oversight.testing.loopback",
        description="An OpenAI-compatible chat server that needs no model: for trying an experiment, and for seeing "
        "what happens when a provider fails or writes replies in its own way. It answers at once, the same to the same "
        "request: prose, a solution in steps, a form filled in, or one of the answers' letters with probabilities. A "
        "model tuned on it, over OpenAI's fine-tuning API, says what it was taught. It listens on 127.0.0.1 alone and "
        "asks for no key.",
        epilog="In the experiment file: {model: openai/gpt-4o-mini, api_base: 'http://127.0.0.1:PORT/v1'}. "
        "GET /requests lists every request so far as JSON lines: the body's digest, when it came and ended, what "
        "went wrong, the reply's shape, and whether a complete reply went out.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8377, help="where to listen; 0 takes a free port (default: 8377)")
    add("--faults", type=float, default=0.0, metavar="SHARE", help="of requests that fail (default: 0)")
    add(
        "--kinds",
        default=",".join(FAULTS),
        metavar="KIND,…",
        help=f"which faults to draw from (default: all, {', '.join(FAULTS)})",
    )
    add(
        "--shape",
        metavar="NAME,…",
        help="write replies as real servers and models do, in shapes drawn from these; 'all' means all of them, 'same' "
        f"those from which the plain reply can be read ({', '.join(SHAPES)})",
    )
    add("--shapes", type=float, metavar="SHARE", help="of replies in such a shape (default: 1 with --shape, else 0)")
    add(
        "--refuse",
        metavar="NAME,…",
        help=f"refuse all requests that ask for something on top ({', '.join(REFUSALS)})",
    )
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="mean time to a reply (default: 0)")
    add("--seed", type=int, default=0, help="draws other faults and shapes (default: 0)")
    return parser


def _names(
    told: str, option: str, known: Collection[str], groups: Mapping[str, tuple[str, ...]] = MappingProxyType({})
) -> tuple[str, ...]:
    """Return the names in a list, those of a group in its place.

    Raises:
        ValueError: one of them is unknown.
    """
    names = dict.fromkeys(each for name in told.split(",") for each in groups.get(name.strip(), (name.strip(),)))
    if unknown := names.keys() - set(known):
        there_are = ", ".join([*groups, *known])
        raise ValueError(f"{option}: there is no {', '.join(sorted(unknown))}; there are {there_are}")
    return tuple(names)


def _share(told: float, option: str) -> float:
    if not 0 <= told <= 1:
        raise ValueError(f"{option}: a share between 0 and 1")
    return told


if __name__ == "__main__":
    main()
