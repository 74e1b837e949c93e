"""Two arms on the questions that both judged: how accuracy differs, and on which questions."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from oversight.reports.comparison import ArmComparison, compared, matched, p_text
from oversight.stats.estimate import Estimate

from .. import data, links, palette, untrusted
from ..untrusted import Box
from .choice import Choice, Half

__all__ = ["WAYS", "points", "sought", "summary", "table"]

_SIZE = 50
WAYS = {
    "flipped": "flipped",
    "lost": "right → wrong",
    "gained": "wrong → right",
    "partly": "changed in part",
    "same": "the same",
}
"""The filters by name, with the words for them; ``flipped`` is ``lost`` or ``gained``."""
_INK = {
    WAYS["lost"]: palette.WRONG,
    WAYS["gained"]: palette.RIGHT,
    WAYS["partly"]: palette.OUTCOMES["tie"],
    WAYS["same"]: palette.NEUTRAL,
}
_FIRST = ("lost", "gained", "partly", "same")
_PLACES = ("first", "second")
_STANDINGS = ("right", "mixed", "wrong")


@data.cached
def both_sides(now: data.Moment, choice: Choice) -> pd.DataFrame:
    """Every question that both arms have verdicts on that count."""
    return matched(*(data.standings(now, half.run, half.arm) for half in choice))


@data.cached
def in_numbers(now: data.Moment, choice: Choice) -> ArmComparison | None:
    """The difference between the arms."""
    return compared(both_sides(now, choice))


def sought(now: data.Moment, choice: Choice) -> pd.DataFrame:
    """The questions that the address's filter and search let through; those that changed most come first."""
    both = both_sides(now, choice)
    which, words = links.get("which"), links.get("find")
    if which in WAYS:
        both = both[both["change"].isin(("lost", "gained") if which == "flipped" else (which,))]
    if words:
        both = both[both["question"].isin(data.find_questions(now, choice.one.run, choice.one.arm, words))]
    order = both["change"].map(_FIRST.index)
    return both.assign(order=order).sort_values(["order", "place"], kind="stable").reset_index(drop=True)


def summary(now: data.Moment, choice: Choice) -> bool:
    """Show how the arms compare; whether they have a question in common."""
    both, found = both_sides(now, choice), in_numbers(now, choice)
    if found is None:
        _nothing(now, choice)
        return False
    cards = (
        _card(choice.one, _percent(found.one), f"{found.one.interval}; n = {found.one.n:,} questions"),
        _card(choice.other, _percent(found.other), f"{found.other.interval}; n = {found.other.n:,} questions"),
        _difference(found),
    )
    for place, (column, card) in enumerate(zip(st.columns(3), cards, strict=True)):
        with column:
            untrusted.show([card], key=f"summary-{place}")
    _also(now, choice, both)
    return True


def _card(half: Half, number: str, rests_on: str) -> Box:
    name = Box("row", (Box("chip", (half.arm,), palette.protocol_colour(half.protocol)), Box("faint", (half.run,))))
    return Box("card", (name, Box("title", (number,)), Box("faint", (rests_on,))))


def _difference(found: ArmComparison) -> Box:
    tests = [test for test in (found.test, found.sign) if test is not None and not math.isnan(test.p)]
    return Box(
        "card",
        (
            Box("row", (Box("strong", ("second minus first",)), Box("faint", ("paired by question",)))),
            Box("title", (_points(found.difference),)),
            Box("faint", (f"{found.difference.interval}; n = {found.difference.n:,} questions",)),
            *(Box("faint", (f"{p_text(test)} ({test.test})",)) for test in tests),
        ),
    )


def _percent(number: Estimate) -> str:
    text = f"{100 * number.value:.1f} %"
    if number.low is None or number.high is None:
        return text
    return f"{text}  [{100 * number.low:.1f}, {100 * number.high:.1f}]"


def _points(number: Estimate) -> str:
    text = f"{points(number.value)} points"
    if number.low is None or number.high is None:
        return text
    return f"{text}  [{points(number.low)}, {points(number.high)}]"


def points(difference: float) -> str:
    """A difference between shares in percentage points; nothing has no sign."""
    rounded = round(100 * difference, 1)
    return f"{rounded:+.1f}" if rounded else "0.0"


def _also(now: data.Moment, choice: Choice, both: pd.DataFrame) -> None:
    """What the numbers leave out, and how questions stand on both sides."""
    for place, half in enumerate(choice):
        own = data.standings(now, half.run, half.arm)
        alone, blank = int((own["n"] > 0).sum()) - len(both), int((own["n"] == 0).sum())
        if alone or blank:
            st.caption(
                f"Left out of the {_PLACES[place]} arm: {alone:,} questions that the other has no counting verdict on, "
                f"{blank:,} on which its own episodes failed, abstained or are still to come."
            )
    if len(both) == int((both["n"] == 1).sum()) == int((both["n_other"] == 1).sum()):
        return
    counts = pd.crosstab(both["before"], both["after"]).reindex(index=_STANDINGS, columns=_STANDINGS, fill_value=0)
    with st.expander("Questions with several verdicts (sides, repeats)"):
        st.caption(
            "A question is right in an arm if all of its verdicts are, wrong if none is, else mixed. "
            "Rows are the first arm, columns the second."
        )
        frame = counts.rename_axis(None, axis=1).reset_index(names="first \\ second")
        with st.container(width=420):
            untrusted.table(frame, key="crossed")


def _nothing(now: data.Moment, choice: Choice) -> None:
    empty = [half for half in choice if data.standings(now, half.run, half.arm)["n"].sum() == 0]
    if empty:
        st.info("One of these arms has no verdict that counts yet, so there is nothing to compare.")
        st.caption("Its episodes are still to come, failed or abstained; the same `oversight run` goes on or retries.")
        links.link("transcripts", "Its transcripts", run=empty[0].run, arm=empty[0].arm)
        return
    st.info("These arms have no question in common: pairs are made of the same question, word for word.")
    st.caption("Choose runs of the same task. A question that was edited, or other answers, make another question.")


def table(now: data.Moment, choice: Choice) -> None:
    """Show the questions, a page at a time; a click opens one side by side."""
    _filters(now, choice)
    found = sought(now, choice)
    if found.empty:
        st.info("No question fits that.")
        st.button("Show all questions", on_click=lambda: links.put(which=None, find=None, page=None))
        return
    pages = math.ceil(len(found) / _SIZE)
    asked = links.get("page") or "1"
    number = min(max(int(asked) if asked.isdecimal() else 1, 1), pages)
    part = found.iloc[(number - 1) * _SIZE : number * _SIZE]
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**{len(found):,}** questions; click on one to see both transcripts beside each other")
        if pages > 1:
            st.session_state["page-box"] = number
            st.pagination(pages, key="page-box", on_change=lambda: links.put(page=str(st.session_state["page-box"])))
    _rows(now, part, f"questions-{number}-{len(found)}-{links.get('which')}")


def _filters(now: data.Moment, choice: Choice) -> None:
    counts = both_sides(now, choice)["change"].value_counts().to_dict()
    counts["flipped"] = counts.get("lost", 0) + counts.get("gained", 0)
    st.session_state["which-box"] = links.get("which") if links.get("which") in WAYS else None
    st.session_state["find-box"] = links.get("find") or ""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.segmented_control(
            "Questions",
            list(WAYS),
            format_func=lambda way: f"{WAYS[way]} {counts.get(way, 0):,}",
            key="which-box",
            on_change=lambda: links.put(which=st.session_state["which-box"], page=None),
        )
        st.text_input(
            "Search questions",
            width=300,
            key="find-box",
            placeholder="any words of the prompt or an answer",
            on_change=lambda: links.put(find=st.session_state["find-box"].strip(), page=None),
        )


def _rows(now: data.Moment, part: pd.DataFrame, key: str) -> None:
    keys = tuple(part["question"])
    prompts = data.prompts_of(now, keys)
    frame = pd.DataFrame(
        {
            "what happened": [WAYS[change] for change in part["change"]],
            "question": [prompts[each][1] for each in keys],
            "first": 100 * part["right"].to_numpy(float) / part["n"].to_numpy(float),
            "second": 100 * part["right_other"].to_numpy(float) / part["n_other"].to_numpy(float),
            "verdicts": [f"{row.n:,} + {row.n_other:,}" for row in part.itertuples()],
            "id": [prompts[each][0] for each in keys],
        }
    )
    column = st.column_config
    picked = untrusted.table(
        frame,
        key=key,
        on_select="rerun",
        selection_mode="single-cell",
        height="content",
        column_config={
            "what happened": column.TextColumn(width=120),
            "question": column.TextColumn(width=410),
            **{
                name: column.ProgressColumn(
                    min_value=0,
                    max_value=100,
                    format="%.0f %%",
                    width=100,
                    help=f"share of right verdicts in the {name} arm",
                )
                for name in ("first", "second")
            },
            "verdicts": column.TextColumn(width="small", alignment="right"),
        },
        colours={"what happened": _INK},
    )
    if picked.selection.cells:
        links.put(question=keys[picked.selection.cells[0][0]], left=None, right=None)
        st.rerun()
