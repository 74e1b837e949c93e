"""Which two arms, of one run or of two, are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from .. import data, formats, links, untrusted
from ..data import ArmOf

__all__ = ["PLACES", "Choice", "Half", "choose", "pick"]

PLACES = ("left", "right", "page", "saidleft", "saidright")
"""Parameters that say where one is in a comparison; another choice takes them out of the address."""


class Half(NamedTuple):
    """One side: an arm of a run."""

    run: str
    arm: str
    protocol: str


class Choice(NamedTuple):
    """What is compared with what."""

    one: Half
    other: Half


def choose(now: data.Moment) -> Choice | None:
    """Ask for both sides; None as long as no run has an arm."""
    runs = data.arms_of_all(now)
    if not runs:
        return None
    names = data.run_names(now)
    shown = {run: formats.run(run, names[run]) for run in runs}
    first, second = (st.columns([6, 4, 1], vertical_alignment="bottom") for _ in range(2))
    # A run that has something to compare comes first: a run with one arm cannot be compared.
    usual = next((run for run, arms in runs.items() if len(arms) > 1), next(iter(runs)))
    with first[0]:
        run = pick("run", "First run", list(runs), usual, shown=shown, resets=("one", *PLACES))
    with first[1]:
        one = _arm("one", "First arm", runs[run], None)
    with second[0]:
        run2 = pick("run2", "Second run", list(runs), run, shown=shown, resets=("other", *PLACES))
    with second[1]:
        other = _arm("other", "Second arm", runs[run2], one.arm, same_run=run == run2)
    halves = Half(run, one.arm, one.protocol), Half(run2, other.arm, other.protocol)
    with second[2]:
        st.button("⇄", help="Swap the sides", on_click=_swap, args=halves, width="stretch")
    for name, known in (("run", runs), ("run2", runs)):
        if links.get(name) not in (None, *known):
            st.warning("There is no run of the name that the address gives; choose one from the list.")
    for name, of in (("one", run), ("other", run2)):
        if links.get(name) not in (None, *(arm.arm for arm in runs[of])):
            st.warning("That run has no arm of the name that the address gives; choose one from the list.")
    return Choice(*halves)


def pick(
    name: str,
    label: str,
    options: Sequence[str],
    usual: str,
    *,
    shown: Mapping[str, str] | None = None,
    resets: Sequence[str] = (),
) -> str:
    """A select box whose value lives in the address, unless it is the ``usual`` one.

    Args:
        name: of the address's parameter.
        label: over the box; ours, never a text from the store.
        options: what can be chosen. Streamlit shows options as plain text.
        usual: what is chosen when the address says nothing, or something that is not there.
        shown: texts for options that are not shown as they are.
        resets: parameters that another choice takes out of the address.
    """
    key, names, asked = f"choose-{name}", shown or {}, links.get(name)
    chosen = asked if asked is not None and asked in options else usual
    st.session_state[key] = chosen

    def changed() -> None:
        links.put(**dict.fromkeys(resets), **{name: st.session_state[key]})

    st.selectbox(label, options, format_func=lambda each: names.get(each, each), key=key, on_change=changed)
    return chosen


def _arm(name: str, label: str, arms: Sequence[ArmOf], beside: str | None, *, same_run: bool = True) -> ArmOf:
    """One arm; on the other side by default another one of the same run, or the one of that name in another run."""
    labels = [arm.arm for arm in arms]
    if beside is None:
        usual = labels[0]
    elif same_run:
        usual = next((label for label in labels if label != beside), labels[0])
    else:
        usual = beside if beside in labels else labels[0]
    texts = {arm.arm: untrusted.one_line(arm.arm, 60) for arm in arms}
    chosen = pick(name, label, labels, usual, shown=texts, resets=PLACES)
    return arms[labels.index(chosen)]


def _swap(one: Half, other: Half) -> None:
    turned = {"left": links.get("right"), "right": links.get("left")}
    links.put(page=None, run=other.run, one=other.arm, run2=one.run, other=one.arm, **turned)
