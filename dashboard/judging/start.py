"""Before and after judging: who judges what, and what is left."""

from __future__ import annotations

from urllib.parse import urlencode

import streamlit as st

from oversight.core.outcome import is_person
from oversight.judging import About, JudgingSession, Queue, SessionSettings, new_person

from .. import data, links
from . import address_of

__all__ = ["nothing_left", "show"]

_WHO = "judging-who"


def show(refused: str | None) -> None:
    """Ask who judges what; ``refused`` is an id in the address that is not a valid one."""
    st.title("Judge")
    if refused is not None:
        st.warning("The id in the address is not a valid one.")
    invited = links.get("run") is not None and links.get("mode") is not None
    settings = _invitation() if invited else _set_up()
    if settings is None:
        return
    who = _who()
    ready = is_person(who)
    if not ready:
        st.text("An id has 3 to 40 lower-case letters, digits and hyphens, and begins with a letter.")
    if st.button("Begin", type="primary", disabled=not ready, shortcut="Ctrl+Enter"):
        links.put(**address_of(settings.model_copy(update={"judge": who})))
        st.rerun()
    if not invited:
        with st.expander("Invite others"):
            st.text("A person who opens this page with the following in its address judges with these settings:")
            address = {name: value for name, value in address_of(settings).items() if value}
            st.code(f"?{urlencode(address)}", language=None, wrap_lines=True)


def nothing_left(session: JudgingSession, queue: Queue, done: int) -> None:
    """Say that the queue is empty, and what else there is."""
    settings = session.settings
    if not done and not queue.seen:
        st.title("Nothing to judge")
        st.text("There is no such run, it has judged no episode yet, or no judge of it could be you.")
    else:
        _thank(session, queue, done)
    if st.button("Judge something else"):
        links.put(**dict.fromkeys(address_of(settings)))
        st.rerun()


def _thank(session: JudgingSession, queue: Queue, done: int) -> None:
    settings = session.settings
    st.title("Thank you")
    what = "solutions" if settings.about == "steps" else "transcripts"
    st.text(f"There is nothing left for you here. You have judged {done:,} {what} of this run.")
    if queue.seen and not settings.again and settings.about == "verdict":
        st.text(f"{queue.seen:,} more are about questions that you know by now; such verdicts are marked.")
        if st.button("Go on with those"):
            links.put(again="yes")
            st.rerun()


def _who() -> str:
    if _WHO not in st.session_state:
        st.session_state[_WHO] = new_person()
    return st.text_input(
        "Your anonymous id",
        key=_WHO,
        help="Keep it to go on later, here or in another browser. Do not use your name: the id is stored.",
        max_chars=40,
    ).strip()


def _invitation() -> SessionSettings:
    """What the address asks for, without saying what it is: that could tell something."""
    st.text("You will read what others argued about a question, and say how likely each answer is.")
    arms_named = links.get("arms")
    return SessionSettings(
        judge="",
        run_id=links.get("run") or "",
        about="steps" if links.get("about") == "steps" else "verdict",
        stepped=links.get("mode") != "end",
        feedback=links.get("feedback") == "yes",
        arms=tuple(arms_named.split("|")) if arms_named else (),
    )


def _set_up() -> SessionSettings | None:
    now = data.moment()
    runs = list(data.run_names(now))
    if not runs:
        st.text("There is no run in this store yet.")
        return None
    st.text("Read what others argued, and say how likely each answer is.")
    run = links.choose("run", "Run", runs, every=None) or runs[0]
    about = _about(now, run)
    if about is None:
        return None
    stepped = True
    if about == "verdict":
        stepped = st.radio("Ask", ["after each turn", "once at the end"], horizontal=True) == "after each turn"
    feedback = st.toggle("Tell the right answer after each verdict", value=False)
    there = data.arms_to_judge(now, run, about)
    chosen = st.multiselect("Arms", there, placeholder="all of them") if len(there) > 1 else []
    return SessionSettings(judge="", run_id=run, about=about, stepped=stepped, feedback=feedback, arms=tuple(chosen))


def _about(now: data.Moment, run: str) -> About | None:
    decided, solved = data.arms_to_judge(now, run, "verdict"), data.arms_to_judge(now, run, "steps")
    if decided and solved:
        chosen = st.radio("Judge", ["whole transcripts", "the steps of solutions"], horizontal=True)
        return "steps" if chosen == "the steps of solutions" else "verdict"
    if not decided and not solved:
        st.text("No transcript of this run has a judge in whose place you could be, and no solution to label.")
        st.text("As soon as the run has judged its first episode there will be some.")
        return None
    return "verdict" if decided else "steps"
