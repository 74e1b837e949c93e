"""What can be imported from a checkout: the framework and the three folders beside it, and nothing else."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["protocols.debate", "dashboard.data", "experiments.debate_or_consultancy"])
def test_the_folders_of_a_checkout_are_parts_of_the_package(name: str) -> None:
    assert import_module(f"oversight.{name}").__name__ == f"oversight.{name}"


@pytest.mark.parametrize("name", ["tests", "benchmarks", "src", "src.oversight", "docs"])
def test_nothing_else_of_a_checkout_is(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module(f"oversight.{name}")


def test_a_module_name_occurs_once() -> None:
    folders = (ROOT / "src", ROOT / "dashboard", ROOT / "protocols")
    names = Counter(path.name for folder in folders for path in folder.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []
