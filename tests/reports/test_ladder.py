"""Rows of a prompt ladder against what SciPy makes of the same flips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from importers.writing import brought, line
from scipy.stats import binomtest

from oversight.reports.ladder import ladder
from oversight.stats.multiplicity import holm
from oversight.store import open_store

JUDGE = "gpt-4"
RUNGS: list[dict[str, Any]] = [{"prompt": {"name": name, "digest": name}} for name in ("a", "b", "c")]
# Right or wrong for the first judge and each prompt, question by question.
FIRST, A = "1111100000110010", "1111110001110110"
B, C = "0000110000000110", "1111111111110111"


def judged(text: str, number: int) -> dict[str, str]:
    return {"answer": "Ann" if text[number] == "1" else "Ben"}


def stored(folder: Path, **changes: Any) -> tuple[Path, str]:
    """Transcripts with one judgement for each prompt."""
    lines = [
        line(
            number,
            question=f"Who let boat {number} go?",
            verdict=judged(FIRST, number),
            judgements=[
                {"judge": JUDGE, "kind": "model", "settings": rung, **judged(text, number)}
                for rung, text in zip(RUNGS, (A, B, C), strict=True)
            ],
            **{name: value(number) for name, value in changes.items()},
        )
        for number in range(len(FIRST))
    ]
    store, done = brought(folder, *lines)
    return store.directory, done.run_id


@pytest.mark.long
def test_flips_and_mcnemar_are_those_of_a_sign_test_on_the_discordant(tmp_path: Path) -> None:
    directory, run = stored(tmp_path)
    rows = ladder(open_store(directory), run, JUDGE, RUNGS)
    assert [(row.prompt, row.n) for row in rows] == [("a", 16), ("b", 16), ("c", 16)]
    for row, own in zip(rows, (A, B, C), strict=True):
        for found, other in ((row.to_first_judge, FIRST), (row.to_first_prompt, A)):
            if other == own:
                assert found is None
                continue
            assert found is not None
            gained = sum(now > before for now, before in zip(own, other, strict=True))
            lost = sum(now < before for now, before in zip(own, other, strict=True))
            assert (found.wrong_to_right, found.right_to_wrong) == (gained, lost)
            assert found.difference == pytest.approx((gained - lost) / 16)
            assert found.test == "McNemar, exact"
            assert found.p == pytest.approx(binomtest(gained, gained + lost).pvalue)
        assert row.accuracy == own.count("1") / 16
    to_judge = [row.to_first_judge for row in rows]
    assert [each and each.p_holm for each in to_judge] == pytest.approx(holm([each and each.p for each in to_judge]))


def test_questions_of_one_cluster_are_not_counted_as_independent(tmp_path: Path) -> None:
    directory, run = stored(tmp_path, cluster=lambda number: f"story {number // 4}")
    (_, row, _) = ladder(open_store(directory), run, JUDGE, RUNGS)
    assert row.to_first_prompt is not None
    assert "4 clusters" in row.to_first_prompt.test


def test_the_first_prompt_is_the_one_that_was_named_first(tmp_path: Path) -> None:
    directory, run = stored(tmp_path)
    rows = ladder(open_store(directory), run, JUDGE, RUNGS[::-1][:2])
    assert [(row.prompt, row.to_first_prompt is None) for row in rows] == [("c", True), ("b", False)]
    assert ladder(open_store(directory), run, "gpt-5", RUNGS) == []
