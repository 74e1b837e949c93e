"""How long a page of the dashboard takes to show itself in Chromium, once the app is warm.

    .venv/bin/python benchmarks/first_paint.py STORE [TIMES]

Needs ``playwright`` and Chromium. Each page is opened once to warm the app and then TIMES times by its address, which
loads Streamlit itself anew, from the browser's cache. The clock runs from the request to the first thing of the page
that can be seen, and to what a reader came for: its table, chart or text. Then the pages are gone through by
clicking in the navigation, which is what people do.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple
from urllib.parse import urlencode

from playwright.sync_api import Page, sync_playwright

import oversight

CHROMIUM = "/usr/bin/chromium"
TIMES = 7
TABLE, CHART = "[data-testid=stDataFrame] canvas", "[data-testid=stVegaLiteChart] :is(canvas, svg)"
CLICKED = {"Runs": TABLE, "Results": CHART, "Transcripts": TABLE, "Judge": "text=Begin", "Protocols": TABLE}


def pages(store: Path) -> Iterator[tuple[str, str, str]]:
    """Name, address and what to wait for."""
    opened = oversight.open_store(store)
    run = opened.arrow("SELECT run_id FROM plan GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").to_pylist()[0]["run_id"]
    episode, words = (
        opened.arrow(
            """
            SELECT episode_id, any_value("text") AS said FROM messages JOIN episodes USING (run_id, episode_id)
            WHERE run_id = ? AND messages.kind = 'speech' AND protocol = 'debate' GROUP BY 1 ORDER BY 1 LIMIT 1
            """,
            [run],
        )
        .to_pylist()[0]
        .values()
    )
    arms = opened.arrow("SELECT arm FROM plan WHERE run_id = ? GROUP BY 1 ORDER BY min(arm_no)", [run]).to_pylist()
    two = {"run": run, "one": arms[0]["arm"], "other": arms[1]["arm"]}
    said = re.split(r"[<\n]", words)[0].strip()[:40]
    yield "Runs", "/runs", TABLE
    yield "Runs, one of them", "/runs?" + urlencode({"run": run}), TABLE
    yield "Results", "/results?" + urlencode({"run": run}), CHART
    yield "Transcripts", "/transcripts", TABLE
    yield "Transcripts, one run, wrong", "/transcripts?" + urlencode({"run": run, "verdict": "wrong"}), TABLE
    yield "Transcripts, one transcript", "/transcripts?" + urlencode({"episode": episode, "run": run}), f"text={said}"
    yield "Compare, two arms", "/compare?" + urlencode(two), TABLE
    yield "Judge", "/judge?" + urlencode({"run": run}), "text=Begin"
    yield "Protocols", "/protocols", TABLE


@contextmanager
def serving(store: Path) -> Iterator[str]:
    """The dashboard on a free port."""
    command = [Path(sys.executable).parent / "oversight", "dashboard", "--store", store, "--port", "0", "--no-token"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as app:
        try:
            assert app.stdout is not None
            yield app.stdout.readline().split()[0]
        finally:
            app.terminate()
            app.communicate(timeout=60)  # it says that it stops, and must find somebody to tell


class Taken(NamedTuple):
    """Seconds of one visit."""

    first: float
    whole: float


def visit(page: Page, go: Callable[[], object], first: str, until: str) -> Taken:
    """Go somewhere, and wait until it can be seen."""
    start = time.perf_counter()
    go()
    page.locator(f"[data-testid=stMain] >> {first}").first.wait_for(timeout=60_000)
    seen = time.perf_counter() - start
    page.locator(f"[data-testid=stMain] >> {until}").first.wait_for(timeout=60_000)
    return Taken(seen, time.perf_counter() - start)


def row(name: str, taken: Sequence[Taken]) -> str:
    """One row of the table."""
    whole = [each.whole for each in taken]
    return f"| {name} | {median(each.first for each in taken):.2f} | {median(whole):.2f} | {max(whole):.2f} |"


def main(store: Path, times: int = TIMES) -> None:
    """Print two tables."""
    with serving(store) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        print(f"| by its address | first thing, median s | all, median s | all, worst of {times} |\n|---|---|---|---|")
        for name, path, until in pages(store):
            taken = [visit(page, partial(page.goto, address + path), "h1, button", until) for _ in range(times + 1)]
            print(row(name, taken[1:]), flush=True)
        print(f"\n| by a click | first thing, median s | all, median s | all, worst of {times} |\n|---|---|---|---|")
        clicks: dict[str, list[Taken]] = {}
        for _ in range(times + 1):
            for name, until in CLICKED.items():
                link = page.locator("[data-testid=stSidebarNavLink]").get_by_text(name, exact=True)
                clicks.setdefault(name, []).append(visit(page, link.click, f"h1:has-text('{name}')", until))
        for name, taken in clicks.items():
            print(row(name, taken[1:]))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
