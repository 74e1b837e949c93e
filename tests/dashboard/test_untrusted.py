"""Texts of models and datasets reach the screen in one way, in which nothing in them is interpreted."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from dashboard import hostile
from dashboard.browsing import boxes, opened, texts
from dashboard.conftest import watch
from dashboard.making import ROOT

FOLDER = ROOT / "dashboard"

# What Streamlit reads as Markdown or HTML: these may show what we wrote, and numbers. (``st.code``, ``st.text`` and
# ``st.dataframe`` show texts as they are; the options of a select box too.)
_NAMES = """
markdown write title header subheader caption info warning error success toast html metric button link_button
download_button page_link checkbox toggle radio pills segmented_control selectbox multiselect slider select_slider
text_input text_area number_input expander tabs popover status spinner badge latex form_submit_button feedback
chat_message
"""
MARKDOWN = frozenset(_NAMES.split())
OURS = {"wording", "len", "_ADVICE", "_MEANS"}


def _is_ours(node: ast.expr) -> bool:
    """Whether a text was written by us: constants, numbers in a format that takes only numbers, our own wording."""
    match node:
        case ast.Constant():
            ours = True
        case ast.IfExp():
            ours = _is_ours(node.body) and _is_ours(node.orelse)
        case ast.BinOp():
            ours = _is_ours(node.left) and _is_ours(node.right)
        case ast.JoinedStr() | ast.BoolOp():
            ours = all(map(_is_ours, node.values))
        case ast.FormattedValue():
            spec = ast.unparse(node.format_spec) if node.format_spec else ""
            ours = any(mark in spec for mark in (",", ".", "d", "%")) or _is_ours(node.value)
        case ast.List() | ast.Tuple():
            ours = all(map(_is_ours, node.elts))
        case ast.Call():
            ours = _is_ours(node.func)
        case ast.Subscript() | ast.Attribute():
            ours = _is_ours(node.value)
        case _:
            ours = isinstance(node, ast.Name) and (node.id in OURS or node.id.isupper())
    return ours


def _calls(path: Path) -> list[tuple[int, str, ast.expr]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MARKDOWN:
            shown = [*node.args[:1], *(word.value for word in node.keywords if word.arg in ("label", "help", "body"))]
            found += [(node.lineno, node.func.attr, each) for each in shown]
    return found


QUERY = re.compile(r"\bselect\b.*\bfrom\b|\binsert\s+into\b|\border\s+by\b|\bwhere\b[^.]*[=?<>]", re.I | re.S)

# A parameter named ``label`` is passed on by `links`, whose own callers are looked at below.
PASSED_ON = {("links.py", "page_link"), ("links.py", "selectbox"), ("choice.py", "selectbox")}


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_nothing_that_streamlit_interprets_is_given_a_text_from_the_store(path: Path) -> None:
    if path.name in ("untrusted.py", "judge.py") or "judging" in path.parts:
        return
    wrong = [
        f"{path.name}:{line} {name}({ast.unparse(shown)})"
        for line, name, shown in _calls(path)
        if (path.name, name) not in PASSED_ON and not _is_ours(shown)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_no_html_is_switched_on_and_no_query_is_formatted(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for word in ("unsafe_allow", "st.html", "components.v1", "iframe", "innerHTML"):
        assert word not in source
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            assert not QUERY.search(ast.unparse(node))


def test_the_component_makes_text_nodes_only() -> None:
    script = (FOLDER / "untrusted.js").read_text(encoding="utf-8")
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "Function(",
        "setAttribute",
        "href",
    ):
        assert word not in script
    assert "createTextNode" in script
    assert "url(" not in (FOLDER / "untrusted.css").read_text(encoding="utf-8")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    hostile.write(tmp_path)
    watch(tmp_path, monkeypatch)
    return tmp_path


VIEWS = [
    (name, view)
    for name in (hostile.SPOKEN, hostile.WORKED, hostile.FAILED)
    for view in ("", "material", "prompts", "calls")
]


def test_hostile_texts_stay_texts(store: Path) -> None:
    for page in ("runs", "transcripts"):
        opened(page, run="r-hostile")
    for name, view in VIEWS:
        at = opened("transcripts", episode=name, view=view)
        shown = list(texts(boxes(at)))
        assert not any(mark in text for text in shown for mark in "\x1b\x00\u202e\u2066")
        assert all(len(text) < 2_000_000 for text in shown)
        for element in (*at.markdown, *at.caption, *at.info, *at.warning, *at.error):
            assert hostile.ELSEWHERE not in element.value
        if view == "" and name == hostile.SPOKEN:
            assert hostile.ATTACKS[0] in "\n".join(shown)
            assert "more characters" in "\n".join(shown)


def test_what_decides_an_elements_look_never_comes_from_a_store() -> None:
    from oversight.dashboard.untrusted import Box, show

    for box in (Box("a b"), Box("fold", colour="red"), Box("x", colour="url(http://evil)"), Box("X")):
        with pytest.raises(ValueError, match="neither kinds nor colours"):
            show([box], key="x")
