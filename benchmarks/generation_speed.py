"""How many tokens a second a language model in process reads and writes, alone and in batches.

    .venv/bin/python benchmarks/generation_speed.py [GGUF_OR_FOLDER] [--threads N]

With prompts of about 300 tokens and replies of 40. Wall time on a machine with nothing else to do; the processor's own
time is printed beside it, because on a busy one only that says something.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import NamedTuple, Self

from oversight.core.chat import ChatMessage
from oversight.models.embedded.language import KNOWN_WEIGHTS
from oversight.models.embedded.language.batch_row import BatchRow, GenerationJob
from oversight.models.embedded.language.checkpoint import Checkpoint
from oversight.models.embedded.language.decoding import Batch

TEXT = "The wind went over the hills and into the valley, where nobody had lit a fire yet. " * 16
REPLY = 40
BATCHES = (1, 8, 32)


class Clock(NamedTuple):
    """Seconds, by the wall and of the processor."""

    wall: float
    processor: float

    @classmethod
    def now(cls) -> Self:
        """Start counting."""
        return cls(time.perf_counter(), time.process_time())

    def since(self, count: int) -> str:
        """Say how many a second there were."""
        wall, processor = time.perf_counter() - self.wall, time.process_time() - self.processor
        return f"{count / wall:7.1f} per second, {count / processor:7.1f} per second of processor time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, nargs="?", default=KNOWN_WEIGHTS["smollm2"].path)
    parser.add_argument("--threads", type=int, default=1)
    told = parser.parse_args()
    import torch

    torch.set_num_threads(told.threads)
    clock = Clock.now()
    checkpoint = Checkpoint(told.path)
    loaded = Clock.now()
    print(f"loaded in {loaded.wall - clock.wall:.1f} s, {loaded.processor - clock.processor:.1f} s of processor time")
    for size in BATCHES:
        batch = Batch(checkpoint)
        checkpoint.wordless  # noqa: B018 - made at the first call of a process
        clock, read = Clock.now(), 0
        for number in range(size):
            chat = (ChatMessage("user", f"{number}. {TEXT} Go on with this story."),)
            row = batch.start(GenerationJob(chat, seed=str(number), temperature=0.7, top_p=0.95, max_tokens=REPLY))
            assert isinstance(row, BatchRow)
            read += len(row.prompt)
        print(f"{size:3} prompts:  tokens read    {clock.since(read)}")
        clock, written = Clock.now(), 0
        while batch.rows:
            written += len(batch.rows)
            batch.step()
        print(f"{size:3} replies:  tokens written {clock.since(written)}")
    print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
