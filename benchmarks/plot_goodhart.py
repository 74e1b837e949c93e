"""Draw best-of-n against n as an SVG: ``python benchmarks/plot_goodhart.py STORE RUN FILE.svg [TITLE]``.

Also prints Gao's form (docs/measures.md) as fitted to what the deciding judge gives, how far the fit is from what was
measured, and what a fit without the largest n expects there. The picture in docs/measures.md is made by this from the
store of experiments/goodhart_digits.yaml.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from oversight import OversightError, open_store
from oversight.reports.best_of_n_report import Sweep, sweeps
from oversight.reports.plots import goodhart_curve


def describe(sweep: Sweep) -> str:
    if sweep.fit is None:
        return f"{sweep.protocol}, {sweep.side}: too few n for a fit"
    d = np.sqrt([point.kl for point in sweep.points])
    form = np.column_stack([d, -(d**2)])
    gained = np.array([point.judge.value for point in sweep.points]) - sweep.points[0].judge.value
    off = np.abs(form @ [sweep.fit.alpha.value, sweep.fit.beta.value] - gained).max()
    expected = float(form[-1] @ np.linalg.lstsq(form[:-1], gained[:-1], rcond=None)[0])
    peak = "none" if sweep.fit.peak is None else f"d = {sweep.fit.peak:.2f}"
    return (
        f"{sweep.protocol}, {sweep.side}: alpha {sweep.fit.alpha.text()}, beta {sweep.fit.beta.text()}, peak {peak}; "
        f"largest d {d[-1]:.2f}; off by at most {off:.3f}; without n = {sweep.points[-1].n} it expects a gain of "
        f"{expected:+.3f} there, and {gained[-1]:+.3f} was measured"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw best-of-n against n as an SVG, and print Gao's form.")
    for name in ("store", "run", "file"):
        parser.add_argument(name, metavar=name.upper())
    parser.add_argument("title", metavar="TITLE", nargs="?", default="")
    given = parser.parse_args()
    try:
        found = sweeps(open_store(Path(given.store)), [given.run])
    except OversightError as error:
        sys.exit(f"error: {error}")
    if not found:
        sys.exit(f"error: a run '{given.run}' in {given.store} has no arms that differ in best_of")
    goodhart_curve(found, given.title).save(given.file)
    print("\n".join(map(describe, found)))


if __name__ == "__main__":
    main()
