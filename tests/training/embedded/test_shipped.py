"""The shipped experiment shows what its description says on this machine, which may sum in another order."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from oversight.reports.rounds_report import accuracies
from oversight.store import open_store

pytest.importorskip("torch", reason="needs PyTorch (pip install 'oversight[ida]'): nothing is distilled")


LENGTHS = ("1", "2", "3", "overall")
# Twelve seeds took 9 to 22 rounds of the 28; a machine that sums in an unlucky order may take more.
FURTHER = ("--set", "iterate.rounds=40")


@pytest.mark.long
def test_x_alone_reaches_the_ceiling_at_every_length_of_exponent(tmp_path: Path) -> None:
    last = scores_after(tmp_path)
    if any((last["alone", length] or 0) < 0.99 for length in LENGTHS):
        last = scores_after(tmp_path, *FURTHER)
    for length in LENGTHS:
        alone, ceiling = last["alone", length], last["ceiling", length]
        assert alone is not None
        assert ceiling is not None
        assert alone >= 0.99, last
        assert alone >= ceiling - 0.01, last


def scores_after(folder: Path, *options: str) -> dict[tuple[str, str], float | None]:
    """The last round's scores of the experiment, which goes on from where it was."""
    ran = here("run", "christiano2018", "--engine", "local", "--store", folder / "store", *options)
    assert ran.code == 0, ran
    found = accuracies(open_store(folder / "store"))
    return {(each.who, each.part): each.accuracy for each in found if each.round == max(each.round for each in found)}
