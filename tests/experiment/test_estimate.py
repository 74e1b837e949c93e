"""``oversight plan``: calls, tokens and cost from the prompts themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli.running import here

from experiment.files import experiment, questions

STORY = "The mill stood empty. " * 400


def plan(folder: Path, *settings: str, **changes: Any) -> dict[str, dict[str, Any]]:
    """The rows of the plan by arm; tokens are counted by the models' own tokenizers, and nothing is called."""
    folder.mkdir(exist_ok=True)
    rows = [
        {"id": f"q{n}", "prompt": f"Question {n}?", "answers": ["yes", "no"], "gold": 0, "material": STORY}
        for n in range(10)
    ]
    questions(folder, rows)
    path = experiment(
        folder,
        **{
            "task": {"name": "table", "path": "rows.jsonl"},
            "models": {"judge": "openai/gpt-4o-mini", "strong": "openai/gpt-4o"},
            "protocols": ["direct", {"consultancy": {"rounds": 2, "word_limit": 100}}],
            **changes,
        },
    )
    options = [option for setting in settings for option in ("--set", setting)]
    ran = here("plan", path, *options, "--format", "json")
    assert ran.code == 0, ran
    return {row["arm"]: row for row in ran.rows}


def test_prompts_are_counted_as_they_would_be_sent(tmp_path: Path) -> None:
    import tiktoken

    found = plan(tmp_path)
    story = len(tiktoken.get_encoding("o200k_base").encode(STORY))
    consultancy = found["consultancy"]
    assert (consultancy["questions"], consultancy["episodes"], consultancy["calls"]) == (10, 20, 60)
    # The consultant reads the story in each of two turns; all else is some hundred words a call.
    read = consultancy["prompt_tokens"] / consultancy["episodes"]
    assert 2 * story < read < 2 * story + 2200
    assert found["direct"]["prompt_tokens"] < 10 * 400
    # Speeches are as long as they may be: about one token and a third a word.
    assert 20 * 2 * 100 < consultancy["completion_tokens"] < 20 * 2 * 160
    assert consultancy["cost_usd"] > found["direct"]["cost_usd"] > 0
    assert found["total"]["calls"] == sum(row["calls"] for arm, row in found.items() if arm != "total")


def test_word_and_token_limits_bound_what_is_said(tmp_path: Path) -> None:
    usual = plan(tmp_path / "a")["consultancy"]["completion_tokens"]
    short = plan(tmp_path / "b", "protocols.consultancy.word_limit=10")["consultancy"]["completion_tokens"]
    held = plan(tmp_path / "c", "models.strong.max_tokens=20")["consultancy"]["completion_tokens"]
    assert short < usual / 4
    assert held < usual / 4


def test_stated_prices_are_used_and_unknown_ones_are_not_guessed(tmp_path: Path) -> None:
    prices = "{model: openai/own, input_cost_per_token: 0.001, output_cost_per_token: 0}"
    stated = plan(tmp_path / "a", f"models.judge={prices}", protocols=["direct"])["direct"]
    assert stated["cost_usd"] == pytest.approx(0.001 * stated["prompt_tokens"])
    unknown = plan(tmp_path / "b", "models.judge=openai/nobody-knows-it", protocols=["direct"])
    assert unknown["direct"]["cost_usd"] is None
    assert unknown["total"]["cost_usd"] is None


def test_two_models_in_one_role_share_the_calls(tmp_path: Path) -> None:
    both = plan(tmp_path / "a", models={"judge": ["openai/gpt-4o", "openai/gpt-4o-mini"]}, protocols=["direct"])
    dear = plan(tmp_path / "b", models={"judge": "openai/gpt-4o"}, protocols=["direct"])
    cheap = plan(tmp_path / "c", models={"judge": "openai/gpt-4o-mini"}, protocols=["direct"])
    middle = (dear["direct"]["cost_usd"] + cheap["direct"]["cost_usd"]) / 2
    assert both["direct"]["cost_usd"] == pytest.approx(middle, rel=0.05)
