"""Protocols: the installed plugins, with what an experiment may set, who sees what, and every prompt in full."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from oversight.core.protocol import Distillable, Protocol
from oversight.prompting.templates import Templates
from oversight.tasks.task import Task

from . import data, links, palette, untrusted
from .installed import Found, SeatSeen, experiment_with, find_all, seats_of
from .untrusted import Box

__all__ = ["NEEDS_STORE", "page"]

NEEDS_STORE = False
"""Plugins are there before anything has run."""

_KINDS: dict[str, type] = {"protocols": Protocol, "tasks": Task}
_MOST_SEATS = 12


def page() -> None:
    """The page."""
    st.title("Protocols")
    kind = _kind()
    all_found = find_all(_KINDS[kind])
    _list(all_found, kind)
    name = links.get("name")
    found = next((each for each in all_found if each.name == name), None)
    if found is not None:
        _one(found, kind)
    elif name:
        st.warning("Nothing of that name is installed; choose from the table. A new plugin is seen after a restart.")
    else:
        st.caption("Click on one to see its options and prompts.")
    if kind == "protocols":
        _add()


def _kind() -> str:
    """Protocols or tasks."""
    key = "kind-box"
    st.session_state[key] = asked if (asked := links.get("kind")) in _KINDS else "protocols"

    def changed() -> None:
        chosen = st.session_state[key]
        links.put(kind=None if chosen in (None, "protocols") else chosen, name=None)

    st.segmented_control(
        "Plugins", list(_KINDS), format_func=str.title, key=key, on_change=changed, label_visibility="collapsed"
    )
    return st.session_state[key] or "protocols"


def _list(all_found: list[Found], kind: str) -> None:
    if not all_found:
        st.info("No plugin is installed. `pip install --force-reinstall oversight` brings the built-in ones back.")
        return
    frame = pd.DataFrame(
        [
            {
                "name": each.name,
                "what it does": each.description.partition("\n")[0] if each.error is None else each.error,
                "from": _package(each),
                "status": "installed" if each.error is None else "broken",
            }
            for each in all_found
        ]
    )
    column = st.column_config
    picked = untrusted.table(
        frame,
        key=f"plugins-{kind}",
        on_select="rerun",
        selection_mode="single-cell",
        height="content",
        column_config={
            "name": column.TextColumn(width=160),
            "what it does": column.TextColumn(width=505),
            "from": column.TextColumn(width=115),
            "status": column.TextColumn(width=80),
        },
        colours={
            "name": {each.name: palette.protocol_colour(each.name) for each in all_found}
            if kind == "protocols"
            else {},
            "status": {"installed": palette.RIGHT, "broken": palette.WRONG},
        },
    )
    cells = picked.selection.cells
    if cells and all_found[cells[0][0]].name != links.get("name"):
        links.put(name=all_found[cells[0][0]].name)
        st.rerun()


def _package(found: Found) -> str:
    return " ".join(found.package).strip() or "unknown"


def _one(found: Found, kind: str) -> None:
    colour = palette.protocol_colour(found.name) if kind == "protocols" else palette.NEUTRAL
    head = [Box("title", (found.name,)), Box("chip", (_package(found),), colour)]
    if found.error is not None or found.cls is None:
        untrusted.show([Box("row", (*head, Box("verdict", ("broken",), palette.WRONG)))], key="head")
        _broken(found)
        return
    if kind == "protocols":
        head.append(Box("chip", (f"version {found.cls.version}",), colour))
        if issubclass(found.cls, Distillable):
            head.append(Box("chip", ("a model can be distilled from it",), palette.RIGHT))
    untrusted.show([Box("row", tuple(head)), *_paragraphs(found.description)], key="head")
    if kind == "protocols" and data.exists():
        links.link("transcripts", "Its transcripts", protocol=found.name)
    _options(found)
    if kind == "protocols":
        _seats(found)
        _example(found)
        _prompts(found)


def _paragraphs(description: str) -> list[Box]:
    """A docstring as text: lines within a paragraph were broken for an editor."""
    return [
        Box("prose", (" ".join(part.replace("``", "`").split()),)) for part in description.split("\n\n") if part.strip()
    ]


def _broken(found: Found) -> None:
    st.error("**This plugin is installed, but it cannot be used.** Everything else can.")
    untrusted.verbatim(found.error or "")
    st.markdown("Installing it again, or a newer release of it, is the usual cure; then restart the dashboard.")
    name = found.package[0] or "THE-PACKAGE"
    st.code(f"pip install --upgrade --force-reinstall {name}", language=None)
    st.markdown("It is yours, or there is no newer release: this shows where it breaks. Or do without it:")
    st.code(f"oversight protocols {found.name}\npip uninstall {name}", language=None)


def _options(found: Found) -> None:
    untrusted.show([Box("heading", ("Options",))], key="options-heading")
    if not found.options:
        st.caption("It has none.")
        return
    # Not a data frame: its cells have one line, and what an option means is worth reading to the end.
    rows = [Box("option-names", tuple(Box("prose", (each,)) for each in ("option", "type", "default", "meaning")))]
    rows += [
        Box(
            "option",
            (
                Box("strong", (option.name,)),
                Box("prose", (option.kind,)),
                Box("prose", (option.default.strip('"'),)),
                Box("prose", (option.meaning,)),
            ),
        )
        for option in found.options
    ]
    untrusted.show([Box("options", tuple(rows))], key="options")


@st.cache_data(max_entries=64, show_spinner=False)
def _tried(name: str, fingerprint: str, _found: Found) -> list[SeatSeen] | str:
    return seats_of(_found)


def _seats(found: Found) -> None:
    assert found.cls is not None
    assert found.plugin is not None
    untrusted.show(
        [
            Box("heading", ("Roles and seats",)),
            Box("row", (Box("faint", ("models it needs",)), *(Box("chip", (role,)) for role in found.cls.roles))),
        ],
        key="roles",
    )
    seats = _tried(found.name, found.plugin.fingerprint, found)
    if isinstance(seats, str):
        st.caption("Its seats are not known: on a made-up question, without models, its default options end so.")
        untrusted.verbatim(seats)
        return
    frame = pd.DataFrame([{**seat._asdict(), "material": "sees it" if seat.material else ""} for seat in seats])
    column = st.column_config
    untrusted.table(
        frame.iloc[:_MOST_SEATS],
        key=f"seats-{found.name}",
        column_config={
            **{name: column.TextColumn(width=110) for name in ("seat", "role", "argues", "material")},
            "writes": column.TextColumn("writes, to whom", width=280),
            "reads": column.TextColumn("reads what was written by", width=220),
        },
    )
    st.caption(
        "As a dry run went: one made-up question, the default options, no model called."
        + (f" The first {_MOST_SEATS} of {len(seats):,} seats." if len(seats) > _MOST_SEATS else "")
    )


def _example(found: Found) -> None:
    untrusted.show([Box("heading", ("In an experiment",))], key="example-heading")
    st.code(experiment_with(found), language="yaml")
    st.caption("Options stand at their defaults and may be left out; `oversight plan` says what it would cost.")


def _prompts(found: Found) -> None:
    assert found.plugin is not None
    own = found.plugin.prompts
    every = Templates(own).sources
    boxes = [Box("heading", ("Prompts",))]
    boxes += [Box("open", (f"{name}.j2", Box("pre", (own[name].strip(),)))) for name in sorted(own)]
    rest = sorted(name for name in every if name not in own)
    boxes += [Box("fold", (f"{name}.j2, the framework's", Box("pre", (every[name].strip(),)))) for name in rest]
    untrusted.show(boxes, key="prompts", whole=True)
    st.caption("Jinja2 templates, as they are. A plugin's own file of the same name replaces the framework's.")


def _add() -> None:
    boxes = [
        Box("heading", ("Add your own",)),
        Box("prose", ("This writes a protocol that works, with its prompts, a test and an experiment that runs it:",)),
        # Not st.code, whose highlighter is 1.5 MB that the table would wait for.
        Box("pre", ("oversight new protocol my_protocol",)),
    ]
    untrusted.show(boxes, key="add")
    st.caption(
        "An experiment can name it by its file (`./my_protocol.py:MyProtocol`). Installed with an entry point in the "
        "group `oversight.protocols`, it is listed here after a restart of the dashboard."
    )
