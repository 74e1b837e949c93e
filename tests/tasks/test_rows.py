"""Reading files of rows: what every format makes of odd input, and where it says the fault is."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from oversight.errors import UsageError
from oversight.tasks.row_files import Row, read_csv, read_rows, row_problems


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def fields(path: Path) -> list[tuple[int, dict[str, object]]]:
    return [(row.number, row.fields) for row in read_rows(path)]


def read(path: Path) -> None:
    for row in read_rows(path):
        with row_problems(row):
            assert isinstance(row.fields, dict)


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        read(path)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(str(path))
    return said.removeprefix(str(path))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.jsonl", '\ufeff{"q": "Où?", "n": "1"}\r\n\r\n{"q": "two\u2028lines", "n": "2"}'),
        ("a.JSON", '\ufeff[{"q": "Où?", "n": "1"}, {"q": "two\u2028lines", "n": "2"}]'),
        ("a.csv", '\ufeffq,n\r\nOù?,1\r\n\r\n"two\u2028lines",2\r\n'),
        ("a.tsv", "q \tn\nOù?\t1\ntwo\u2028lines\t2\n"),
    ],
)
def test_byte_order_marks_line_ends_and_unicode(tmp_path: Path, name: str, text: str) -> None:
    path = written(tmp_path, name, text)
    assert [row for _, row in fields(path)] == [{"q": "Où?", "n": "1"}, {"q": "two\u2028lines", "n": "2"}]


def test_rows_go_by_the_line_they_begin_on(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", 'q,n\n"two\r\nlines",1\n\nnext,2\n"a ""quoted"" word, and a comma",3\n')
    assert fields(path) == [
        (2, {"q": "two\r\nlines", "n": "1"}),
        (5, {"q": "next", "n": "2"}),
        (6, {"q": 'a "quoted" word, and a comma', "n": "3"}),
    ]


def test_a_story_fits_in_a_cell(tmp_path: Path) -> None:
    ((_, row),) = fields(written(tmp_path, "a.csv", f'q\n"{"word " * 60_000}"\n'))
    assert len(str(row["q"])) == 300_000


def test_parquet_keeps_lists_and_numbers(tmp_path: Path) -> None:
    records = [{"q": "P?", "answers": ["a", "b"], "gold": 1, "inner": {"text": ["x"]}}] * 3
    pq.write_table(pa.Table.from_pylist(records), tmp_path / "a.parquet", row_group_size=2)
    assert fields(tmp_path / "a.parquet") == [(number, records[0]) for number in (1, 2, 3)]


SEVERAL_LINES = "; a line holds one whole object, so JSON that goes over several lines cannot be read"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"q": 1}\n{"q": }', ":2: not valid JSON: Expecting value at column 7"),
        ("a.jsonl", '{"q": 1}\n[]', ":2: a row is a JSON object"),
        ("a.jsonl", '[\n{"q": 1}]', f":1: not valid JSON: Expecting value at column 1{SEVERAL_LINES}"),
        ("a.jsonl", '{"q":\n1}', f":1: not valid JSON: Expecting value at column 1{SEVERAL_LINES}"),
        ("a.jsonl", '{"q": "\\ud83d"}', ":1: holds half of a character"),
        ("a.jsonl", "[" * 100_000, ":1: not valid JSON: nested more than 64 deep"),
        ("a.jsonl", '{"q": ' + "[" * 64 + "]" * 64 + "}", ":1: not valid JSON: nested more than 64 deep"),
        ("a.jsonl", '{"q": 1, "n": 2, "q": 1}', ":1: not valid JSON: the key 'q' is given twice"),
        ("a.jsonl", '{"q": {"n": 1, "n": 2}}', ":1: not valid JSON: the key 'n' is given twice"),
        ("a.json", '[{"q": 1, "q": 2}]', ": not valid JSON: the key 'q' is given twice"),
        ("a.jsonl", '{"q": NaN}', ":1: not valid JSON: NaN is no number"),
        ("a.jsonl", '{"q": 1e400}', ":1: not valid JSON: 1e400 is no number"),
        ("a.jsonl", '{"q": -Infinity}', ":1: not valid JSON: -Infinity is no number"),
        ("a.jsonl", b'{"q": "O\xf9?"}', ": is not UTF-8 text (invalid start byte)"),
        ("a.json", '[{"q": 1},\n{"q": }]', ":2: not valid JSON: Expecting value at column 7"),
        ("a.json", '{"q": 1}', ": a JSON file of rows holds one list of objects"),
        ("a.json", '[{"q": 1}, 2]', ": record 2: a row is a JSON object"),
        ("a.json", b"\xff", ": is not UTF-8"),
        ("a.csv", "q,n\n1,2\n3\n", ":3: has 1 cells, but there are 2 columns"),
        ("a.csv", "q,n\n1,2,3\n", ":2: has 3 cells, but there are 2 columns"),
        ("a.csv", "q,n,q\n1,2,3\n", ":1: two columns are called 'q'"),
        ("a.csv", 'q,n\n1,2\n3,"4\n5,6\n', ":3: not valid ','-separated values"),
        ("a.csv", b"q\nO\xf9\n", ": is not UTF-8"),
        ("a.parquet", "PAR1 it is not", ": is not a Parquet file"),
        ("a.parquet", "", ": is not a Parquet file"),
        ("a.xlsx", "", ": what kind of file is it? The name of one that can be read ends in .jsonl, .json, .csv"),
    ],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, name: str, text: str | bytes, said: str) -> None:
    assert refused(written(tmp_path, name, text)).startswith(said)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv", "tsv", "parquet"])
def test_no_such_file(tmp_path: Path, suffix: str) -> None:
    assert refused(tmp_path / f"none.{suffix}").startswith(": cannot be read: ")


def test_half_a_character_is_whole_with_its_other_half(tmp_path: Path) -> None:
    assert fields(written(tmp_path, "a.jsonl", '{"q": "\\ud83d\\ude00"}')) == [(1, {"q": "\N{GRINNING FACE}"})]


def test_a_bad_row_can_be_passed_over(tmp_path: Path) -> None:
    rows = list(read_rows(written(tmp_path, "a.jsonl", '{"q": 1}\noh\n{"q": 2}\n')))
    assert [isinstance(row.content, ValueError) for row in rows] == [False, True, False]
    with pytest.raises(ValueError, match="not valid JSON"):
        _ = rows[1].fields


def test_columns_without_a_line_of_names(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "1,2\n3,4\n")
    assert list(read_csv(path, columns=("a", "b"))) == [
        Row(f"{path}:1", 1, {"a": "1", "b": "2"}),
        Row(f"{path}:2", 2, {"a": "3", "b": "4"}),
    ]
