"""Reading YAML as plain data: whatever stands in it, an answer in one line with its place, or the data."""

from __future__ import annotations

import math
from datetime import date

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from oversight.errors import YamlError
from oversight.experiment.plain_yaml import check_plain, read_yaml

BOMB = "\n".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x, x]",
        *(f"{to}: &{to} [{', '.join([f'*{at}'] * 10)}]" for at, to in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
)
MERGES = "\n".join(
    [
        "a: &a {k: 1}",
        *(
            f"{to}: &{to} {{<<: [{', '.join([f'*{at}'] * 10)}], {to}k: 1}}"
            for at, to in zip("abcdefgh", "bcdefghi", strict=True)
        ),
    ]
)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: {c: [0, 2020-13-45]}", 2, "b.c.1: '2020-13-45' is no date"),
        ("a: 2024-02-28", 1, "a: a date has no place here: write it in quotes"),
        ("a: 2001-12-14t21:59:43.10-05:00", 1, "a: a date has no place here"),
        ("a: !!int foo", 1, "a: 'foo' is no whole number"),
        ("a: !!float one", 1, "a: 'one' is no number"),
        ("a: !!bool maybe", 1, "a: 'maybe' is no truth value"),
        ("a: !!timestamp x", 1, "a: 'x' is no date"),
        ("a: !!int " + "9" * 5_000, 1, "is no whole number"),
        ("a: 9223372036854775808", 1, "a: a whole number has at most 64 bits here"),
        ("a: -0x8000000000000001", 1, "a: a whole number has at most 64 bits here"),
        ("a: [.inf]", 1, "a.0: a number is finite here"),
        ("a: .nan", 1, "a: a number is finite here"),
        ("a: !!binary aGk=", 1, "a: a binary value has no place here"),
        ("a: !!set {x, y}", 1, "a: the tag set has no place here"),
        ("a: !!omap [x: 1]", 1, "a: the tag omap has no place here"),
        ("a: !!python/object/apply:os.system [x]", 1, "has no place here"),
        ("a: !mine x", 1, "could not determine a constructor for the tag '!mine'"),
        ("a: 1\n2020-01-01: 1", 2, "2020-01-01: a date has no place here"),
        ("true: 1", 1, "True is no name for a key: write it in quotes"),
        ("~: 1", 1, "None is no name for a key"),
        ("? [a]\n: 1", 1, "a list or a mapping is no name for a key"),
        ("a: 1\nb: 2\na: 3", 3, "'a' is given twice"),
        ("a: {b: 1, b: 1}", 1, "a: 'b' is given twice"),
        ("a: &x\n  b: *x", 1, "this part holds itself"),
        ("[" * 500, 1, "nested more than 32 deep"),
        ("[" * 100_000, 1, "nested more than 32 deep"),
        ("a:\n" + "".join(f"{' ' * n}- \n" for n in range(1, 60)), 32, "nested more than 32 deep"),
        (BOMB, 6, "stands for 1,111,111 values once aliases are replaced"),
        (MERGES, 6, "once aliases are replaced"),
        ("x" * (9 << 20), 1, "is longer than 8 MB"),
        ("a: b: c", 1, "not valid YAML: mapping values are not allowed here"),
        ("a: \x00", 1, "not valid YAML: special characters are not allowed"),
        ("--- 1\n--- 2", 2, "not valid YAML: but found another document"),
        ("*nothing", 1, "not valid YAML: found undefined alias 'nothing'"),
    ],
)
def test_what_is_no_plain_data_is_told_with_its_line_and_place(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.line == line


def test_aliases_and_merges_within_reason_are_what_they_stand_for() -> None:
    data, lines = read_yaml("base: &base {a: 1, b: [x]}\nmore:\n  <<: *base\n  b: 2\n7: seven")
    assert data == {"base": {"a": 1, "b": ["x"]}, "more": {"a": 1, "b": 2}, 7: "seven"}
    assert lines["more", "b"] == 4


def test_an_empty_document_is_nothing() -> None:
    assert read_yaml("# only a remark\n") == (None, {})


def test_a_value_that_python_gives_is_held_to_the_same_rules() -> None:
    assert check_plain({"a": [1, "x", None, True, 0.5]}) is None
    assert check_plain({"a": [1 << 63]}) == (("a", 0), "a whole number has at most 64 bits here")
    assert check_plain({"a": math.inf}, ("b",)) == (("b", "a"), "a number is finite here")
    assert check_plain([date(2024, 2, 28)]) == ((0,), "a date has no place here: write it in quotes if it is a text")
    assert check_plain({("a",): 1}) is not None


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 63) - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_data_come_back_as_they_were_written(value: object) -> None:
    assert read_yaml(yaml.safe_dump(value, allow_unicode=True)).data == value


@given(st.text(st.sampled_from(list("a1:-[]{}&*!?|>%@`\"',#\n ~.<tx0e")), max_size=40))
def test_any_text_is_data_or_one_line(text: str) -> None:
    said = ""
    try:
        read_yaml(text)
    except YamlError as error:
        said = str(error)
    assert "\n" not in said
