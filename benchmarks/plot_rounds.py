"""Draw the rounds of an iterated run as an SVG: ``python benchmarks/plot_rounds.py STORE RUN FILE.svg [TITLE]``.

The picture in docs/amplification.md is made by this from the store of experiments/christiano2018.yaml.
"""

from __future__ import annotations

import sys
from pathlib import Path

from oversight import open_store
from oversight.reports.plots import accuracy_over_rounds
from oversight.reports.rounds_report import accuracies


def main(store: str, run: str, file: str, title: str = "") -> None:
    scores = accuracies(open_store(Path(store)), [run])
    if not scores:
        sys.exit(f"there are no rounds of a run '{run}' in {store}")
    accuracy_over_rounds(scores, title).save(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
