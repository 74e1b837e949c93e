"""The dashboard as its users have it: a command, a browser, and an experiment that is still running."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from execution.staging import Running, count

import oversight
from dashboard import hostile
from dashboard.chromium import Visitor, browsing, needs_chromium, serving

pytestmark = [needs_chromium, pytest.mark.long]

LIVE = """\
name: live
task: {name: digits, images: 400}
models:
  judge: embedded/pixel-judge
  strong: embedded/pixel-debater
protocols:
  - direct
  - debate: {rounds: 2, turns: sequential}
"""


def shown_count(visitor: Visitor) -> int:
    """How many episodes the card of the live run says are done."""
    text = visitor.page.get_by_text(re.compile(r"[\d,]+ of 1,200 episodes")).first.inner_text()
    return int(text.partition(" of ")[0].replace(",", ""))


def test_a_running_experiment_is_watched_and_read(tmp_path: Path) -> None:
    experiment, store = tmp_path / "live.yaml", tmp_path / "store"
    experiment.write_text(LIVE)
    with serving(store) as address, browsing(address) as visitor:
        visitor.open("/")
        visitor.sees("Nothing here yet")
        run = Running(tmp_path, experiment, "--engine", "local", "--concurrency", "2", "--store", store)
        try:
            run.until(lambda: count(store, "episodes"), "the first episodes to be stored")
            visitor.sees("● running")
            first = shown_count(visitor)
            later = _rises(visitor, first)
            assert later > first
            episode, words = _an_episode(store)
            visitor.open(f"/transcripts?episode={episode}")
            visitor.sees("debater_a")
            visitor.sees(words)
            visitor.open(f"/?episode={episode}")
            visitor.sees(words)
            (run_id,) = oversight.open_store(store).sql("SELECT run_id FROM runs")["run_id"]
            visitor.open(f"/runs?run={run_id}")
            visitor.sees("calls")
            assert visitor.page.get_by_text("Page not found").count() == 0
            visitor.open("/transcripts?find=NoSuchWordAnywhere")
            visitor.sees("Nothing in this store fits all of that.")
        finally:
            run.process.send_signal(2)
            run.ended()
        assert (visitor.strangers, visitor.violations) == ([], [])


def _rises(visitor: Visitor, first: int) -> int:
    for _ in range(60):
        if (now := shown_count(visitor)) > first:
            return now
        visitor.page.wait_for_timeout(500)
    return first


def _an_episode(store: Path) -> tuple[str, str]:
    query = (
        "SELECT episode_id, any_value(\"text\") AS said FROM messages WHERE author = 'debater_a' GROUP BY ALL LIMIT 1"
    )
    row: dict[str, Any] = oversight.open_store(store).arrow(query).to_pylist()[0]
    return row["episode_id"], row["said"].partition("<quote>")[0].strip()


@pytest.fixture(scope="module")
def hostile_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("hostile") / "store"
    hostile.write(store)
    return store


def test_hostile_texts_execute_nothing_and_fetch_nothing(hostile_store: Path) -> None:
    work, spoken, failed = hostile.WORKED, hostile.SPOKEN, hostile.FAILED
    places = {
        "/?run=r-hostile": "1 judged|2 judged",
        f"/transcripts?episode={spoken}": "more characters",
        f"/transcripts?episode={spoken}&view=material": "quotes verified",
        f"/transcripts?episode={spoken}&view=prompts": "Rebuilt from the transcript",
        f"/transcripts?episode={spoken}&view=calls": "Kept and shared calls",
        f"/transcripts?episode={work}": "How the question was divided",
        f"/transcripts?episode={failed}": "failed:",
        "/results?run=r-hostile": "Intervals: 95 %",
        "/results?run=r-hostile&view=lost": "Asked: episodes of the plan",
        "/compare?run=r-hostile": "Compare",
        "/protocols": "Add your own",
    }
    with serving(hostile_store) as address, browsing(address) as visitor:
        visitor.open("/transcripts")
        visitor.sees("3 episodes")
        for label in ("Run", "Arm"):
            visitor.page.get_by_label(label, exact=True).first.click()
            visitor.page.get_by_role("option").first.wait_for()
            assert _intruders(visitor) == [], label
            visitor.page.keyboard.press("Escape")
        for path, words in places.items():
            visitor.open(path)
            visitor.page.get_by_text(re.compile(words)).first.wait_for(state="attached")
            visitor.settled()
            _unfold(visitor)
            assert _intruders(visitor) == [], path
        assert (visitor.strangers, visitor.violations) == ([], [])


def _unfold(visitor: Visitor) -> None:
    visitor.page.evaluate(
        """() => { const walk = (root) => root.querySelectorAll('*').forEach((e) => {
             if (e.tagName === 'DETAILS') e.open = true; if (e.shadowRoot) walk(e.shadowRoot); }); walk(document); }"""
    )


def _intruders(visitor: Visitor) -> list[str]:
    """What would be there if something in a text had been interpreted."""
    found: list[str] = visitor.page.evaluate(
        """(elsewhere) => {
          const found = window.pwned ? ['executed'] : [];
          const walk = (root) => root.querySelectorAll('*').forEach((e) => {
            for (const name of ['src', 'href', 'xlink:href', 'data', 'action', 'style', 'onload', 'onerror']) {
              const value = e.getAttribute(name) || '';
              // The dashboard's own links may carry a name as a parameter.
              if (name === 'href' && e.tagName === 'A' && new URL(e.href).origin === location.origin) continue;
              if (value.includes(elsewhere) || /^\\s*javascript:/i.test(value)) found.push(e.outerHTML.slice(0, 200));
            }
            if (e.id === 'forged' || e.classList.contains('katex') || ['IFRAME', 'OBJECT', 'EMBED'].includes(e.tagName))
              found.push(e.outerHTML.slice(0, 200));
            if (e.shadowRoot) walk(e.shadowRoot);
          });
          walk(document);
          return found;
        }""",
        hostile.ELSEWHERE,
    )
    return found
