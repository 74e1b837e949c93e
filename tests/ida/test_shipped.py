"""The shipped experiment shows what its description says on this machine, which may sum in another order."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from oversight.analysis.rounds import accuracies
from oversight.store import open_store

pytest.importorskip("torch", reason="needs PyTorch (pip install 'oversight[ida]'): nothing is distilled")


@pytest.mark.long
def test_x_alone_reaches_the_ceiling_at_every_length_of_exponent(tmp_path: Path) -> None:
    store = tmp_path / "store"
    assert here("run", "christiano2018", "--engine", "local", "--store", store).code == 0
    found = accuracies(open_store(store))
    last = {(each.who, each.part): each.accuracy for each in found if each.round == max(each.round for each in found)}
    for length in ("1", "2", "3", "overall"):
        alone, ceiling = last["alone", length], last["ceiling", length]
        assert alone is not None
        assert ceiling is not None
        assert alone >= 0.99, last
        assert alone >= ceiling - 0.01, last
