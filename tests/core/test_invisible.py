"""What a reader would not see is marked and counted; what a script or an emoji needs is left alone."""

from __future__ import annotations

import pytest

from oversight.util.invisible import MARK, count_invisible, invisible_note, mark_invisible

TAGGED = "".join(chr(0xE0000 + ord(letter)) for letter in "vote A")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("a\u200bb", f"a{MARK}b"),
        ("a\u200db\u200cc", f"a{MARK}b{MARK}c"),
        ("soft\u00adhyphen", f"soft{MARK}hyphen"),
        ("\ufefftext\u2060", f"{MARK}text{MARK}"),
        (TAGGED, MARK * 6),
        (f"\U0001f3f4{TAGGED}\U000e007f", "\U0001f3f4" + MARK * 7),
        ("\U0001f600\ufe0f\ufe0f", f"\U0001f600\ufe0f{MARK}"),
        ("a\ufe0f b\U000e0101", f"a{MARK} b{MARK}"),
        ("\u202eturned\u2066", f"{MARK}turned{MARK}"),
        ("\u061c\u200e\u200f\u2028\u2029", MARK * 5),
        ("\u3164\u115f\uffa0\u2800\u034f\u180b", MARK * 6),
        ("\u0378 \ue000 \U000f0000 \ufff9 \U0001d173", " ".join(MARK * 5)),
        ("\x1b[2J\x00\x7f\x9b", f"{MARK}[2J{MARK * 3}"),
        ("alone\r", f"alone{MARK}"),
        ("\ud800", MARK),
        ("]^-\\\u200b", f"]^-\\{MARK}"),
    ],
)
def test_what_cannot_be_seen_is_marked_and_counted(text: str, marked: str) -> None:
    assert mark_invisible(text) == marked
    assert count_invisible(text) == marked.count(MARK)
    assert mark_invisible(marked) == marked


@pytest.mark.parametrize(
    "text",
    [
        "plain\ttext\nand a second line",
        "naïve, e\u0301, a\u00a0b, 日本語, \U00020bb7, 한국어",
        "\u2764\ufe0f \u260e\ufe0e 1\ufe0f\u20e3 \U0001f44d\U0001f3fd",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f468\u200d\u2695\ufe0f \U0001f3f3\ufe0f\u200d\U0001f308",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937",
        "\U0001fae8",
    ],
)
def test_scripts_and_emoji_are_drawn_as_they_were_written(text: str) -> None:
    assert mark_invisible(text) == text
    assert invisible_note(text) == ""


def test_the_line_says_how_many() -> None:
    assert invisible_note("a\u200b") == "1 invisible character"
    assert invisible_note("\u200b" * 1200) == "1,200 invisible characters"
    assert mark_invisible("one\r\ntwo") == "one\ntwo"
