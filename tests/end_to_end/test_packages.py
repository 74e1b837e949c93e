"""What can be imported from a checkout: the framework and the three folders beside it, and nothing else."""

from __future__ import annotations

from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["protocols.debate", "dashboard.data", "experiments.debate_or_consultancy"])
def test_the_folders_of_a_checkout_are_parts_of_the_package(name: str) -> None:
    assert import_module(f"oversight.{name}").__name__ == f"oversight.{name}"


@pytest.mark.parametrize("name", ["tests", "benchmarks", "src", "src.oversight", "docs"])
def test_nothing_else_of_a_checkout_is(name: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        import_module(f"oversight.{name}")
