"""Print table 1 of Michael et al. (2023) from their published rooms, beside the paper's numbers.

``python -m oversight.cli.michael2023_table PATH`` imports the rooms first, if they are not in the store yet.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from oversight.cli.output import Format, print_frame
from oversight.errors import OversightError
from oversight.importers.import_run import import_transcripts
from oversight.importers.nyu2023_debates import Nyu2023Rooms
from oversight.importers.nyu2023_table import PUBLISHED, TableRow, chi_square, played, table
from oversight.store import open_store

__all__ = ["main"]


def main() -> None:
    """Import the rooms, if they are not imported yet, and print the table beside the paper's."""
    parser = argparse.ArgumentParser(prog="python -m oversight.cli.michael2023_table", description=__doc__)
    parser.add_argument("path", type=Path, metavar="PATH", help="the published folder, or a copy of it")
    parser.add_argument("--store", type=Path, default=Path("oversight-store"), help="the store's directory")
    given = parser.parse_args()
    try:
        imported = import_transcripts(Nyu2023Rooms(), given.path, given.store)
    except OversightError as error:
        sys.exit(f"error: {error}")
    rows = table(played(open_store(given.store), imported.run_id))
    names = [name for name in TableRow._fields if name not in {"arm", "n", "correct"}]
    lines = []
    for row in rows:
        lines.append((row.arm, str(row.n), str(row.correct), *(_shown(name, getattr(row, name)) for name in names)))
        paper = PUBLISHED[row.arm]
        lines.append(("  paper", "", "", *(f"{paper[name]:g}" if name in paper else "" for name in names)))
    print_frame(["arm", "n", "correct", *names], lines, Format.TABLE)
    debate, consultancy = "human debate", "human consultancy"
    plain, yates = (chi_square(rows, debate, consultancy, corrected=each) for each in (False, True))
    print(f"{debate} against {consultancy}, chi-square: p = {plain:.4f}; with continuity correction p = {yates:.3f}")
    print(f"{imported.filter}: {imported.read - imported.left_out} of {imported.read}. Run {imported.run_id}.")


def _shown(name: str, value: float) -> str:
    return f"{value:.0f}" if name in {"quotes", "characters"} else f"{value:.3f}"


if __name__ == "__main__":
    main()
