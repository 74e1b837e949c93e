"""Faulty files and settings: a run, or one line that says what is wrong; never a traceback or half a store."""

from __future__ import annotations

import tempfile
from contextlib import chdir
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cli.running import here
from oversight.testing.fuzzing import fuzz_case


def check(seed: int) -> None:
    case = fuzz_case(seed)
    with tempfile.TemporaryDirectory() as name, chdir(name):
        for path, text in case.files.items():
            Path(path).write_text(text, encoding="utf-8")
        ran = here(*case.arguments)
        assert ran.code in (0, 1, 2), ran
        if ran.code == 2:
            assert len(ran.err.splitlines()) <= 3, ran
            assert ran.err.splitlines()[-1].startswith("error: "), ran
            assert not Path("s").exists(), ran


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 2**32))
def test_a_faulty_experiment_is_run_or_refused_in_one_line(seed: int) -> None:
    check(seed)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 200, 50))
def test_many_faulty_experiments_are_run_or_refused_in_one_line(first: int) -> None:
    for seed in range(first, first + 50):
        check(seed)
