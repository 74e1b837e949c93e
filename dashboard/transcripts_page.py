"""Transcripts: a list that the database filters and cuts into pages, and one transcript."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from . import data, formats, links, palette, untrusted
from .data import EpisodeFilter, EpisodePage
from .transcript.page import one

__all__ = ["page"]

_SIZE = 50
_FILTERS = ("run", "task", "protocol", "arm", "cast", "verdict", "find")
_BETWEEN = " ← "
"""Between judge and strong model in the name of a cast."""


def page() -> None:
    """The page: a transcript where the address names one, else the list."""
    now = data.moment()
    episode = links.get("episode")
    if episode:
        one(now, episode, lambda: _filter(now))
        return
    st.title("Transcripts")
    _boxes(now)
    wanted = _filter(now)
    number = max(int(links.get("page") or 1), 1) if (links.get("page") or "1").isdecimal() else 1
    listing = data.list_episodes(now, wanted, number, _SIZE)
    if not listing.total:
        _nothing(now)
        return
    if not listing.rows:  # a link to a page that is no more
        number = math.ceil(listing.total / _SIZE)
        listing = data.list_episodes(now, wanted, number, _SIZE)
    _table(listing, number)


def _boxes(now: data.Moment) -> None:
    """What the list is filtered by; every choice is in the address."""
    names = {run_id: formats.run(run_id, name) for run_id, name in data.run_names(now).items()}
    run = links.get("run")
    offered = data.offered(now, run)
    resets = ("page",)
    left, right = st.columns([3, 2])
    with left:
        _search_box()
    with right:
        # Another run has other arms: what was chosen of the old one's goes.
        links.choose(
            "run", "Run", list(names), every="all runs", shown=names, resets=("page", "arm", "cast", "task", "protocol")
        )
    columns = st.columns(5)
    casts = [_cast(*cast) for cast in offered.casts]
    for column, (name, label, options, every) in zip(
        columns,
        (
            ("task", "Task", offered.tasks, "all tasks"),
            ("protocol", "Protocol", offered.protocols, "all protocols"),
            ("arm", "Arm", offered.arms, "all arms"),
            ("cast", "Judge ← strong model", casts, "all casts"),
            ("verdict", "Verdict", list(data.OUTCOMES), "all verdicts"),
        ),
        strict=True,
    ):
        with column:
            links.choose(name, label, options, every=every, resets=resets)


def _search_box() -> None:
    st.session_state["find-box"] = links.get("find") or ""

    def changed() -> None:
        links.put(find=st.session_state["find-box"].strip(), page=None)

    st.text_input(
        "Search questions and what was said", key="find-box", on_change=changed, placeholder="any words, as they stand"
    )


def _cast(judge: str | None, strong: str | None) -> str:
    return _BETWEEN.join(name or "-" for name in (judge, strong))


def _filter(now: data.Moment) -> EpisodeFilter:
    """What the address asks for."""
    run = links.get("run")
    judge = strong = None
    if cast := links.get("cast"):
        judge, strong = next((pair for pair in data.offered(now, run).casts if _cast(*pair) == cast), (cast, cast))
    wanted = EpisodeFilter(
        run, links.get("task"), links.get("protocol"), links.get("arm"), judge, strong, links.get("verdict")
    )
    if wanted.outcome not in (None, *data.OUTCOMES):
        wanted = wanted._replace(outcome=None)
    if words := links.get("find"):
        hits = _hits(now, words, run)
        wanted = wanted._replace(found=hits.episodes, questions=hits.questions)
    return wanted


def _hits(now: data.Moment, words: str, run: str | None) -> data.Hits:
    bar = st.empty()
    hits = data.search(
        now, words, tuple(data.producers(run)), lambda done: bar.progress(done, "Searching what was said")
    )
    bar.empty()
    if not hits.all:
        st.caption("More was found than is listed: the latest 2,000 episodes are. Search within a run for the rest.")
    return hits


def _nothing(now: data.Moment) -> None:
    if any(links.get(name) for name in _FILTERS):
        st.info("Nothing in this store fits all of that.")
        st.button("Show everything", on_click=lambda: links.put(**dict.fromkeys((*_FILTERS, "page"))))
        return
    st.markdown("No episode has finished yet. This makes some, in seconds and without any key:")
    st.code("oversight run experiments/quickstart.yaml", language="bash")


def _table(listing: EpisodePage, number: int) -> None:
    pages = math.ceil(listing.total / _SIZE)
    frame = pd.DataFrame(
        [
            {
                "verdict": row.outcome if row.outcome != "failed" else f"failed: {formats.failure(row.failure)}",
                "p(right)": row.p_gold,
                "question": row.question,
                "arm": row.arm,
                "task": row.task,
                "judge": row.judge,
                "strong": row.strong,
                "seconds": row.duration_s,
                "started": row.started,
                "episode": row.episode_id,
            }
            for row in listing.rows
        ]
    )
    arms = {row.arm: palette.protocol_colour(row.protocol) for row in listing.rows}
    failed = {f"failed: {formats.failure(row.failure)}": palette.FAILED for row in listing.rows if row.failure}
    column = st.column_config
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        first = (number - 1) * _SIZE + 1
        st.markdown(
            f"**{listing.total:,}** episodes, {first:,} to {first + len(listing.rows) - 1:,}; click on one to read it"
        )
        _pages(pages, number)
    picked = untrusted.table(
        frame,
        key=f"episodes-{number}-{listing.total}",
        on_select="rerun",
        selection_mode="single-cell",
        height=36 * (len(frame) + 1),
        column_config={
            "verdict": column.TextColumn(width=150),
            "p(right)": column.ProgressColumn(
                min_value=0,
                max_value=1,
                format="%.2f",
                width="small",
                help="the judge's probability of the right answer",
            ),
            "question": column.TextColumn(width=330),
            "seconds": column.NumberColumn(format="%.1f", width="small"),
            "started": column.DatetimeColumn(format="D MMM, HH:mm:ss"),
        },
        colours={"verdict": palette.OUTCOMES | failed, "arm": arms},
    )
    if picked.selection.cells:
        links.put(episode=listing.rows[picked.selection.cells[0][0]].episode_id)
        st.rerun()


def _pages(pages: int, number: int) -> None:
    if pages < 2 and number == 1:  # noqa: PLR2004
        return
    st.session_state["page-box"] = min(number, pages)
    st.pagination(pages, key="page-box", on_change=lambda: links.put(page=str(st.session_state["page-box"])))
