"""Whatever the user did wrong is one line on stderr and exit code 2, and nothing is written."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from cli.conftest import Seen
from cli.running import Ran, here, oversight, start


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and when it was changed."""
    return {str(f.relative_to(folder)): (f.stat().st_size, f.stat().st_mtime_ns) for f in folder.rglob("*")}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("reprot", ("reprot",)),
        ("run", ("EXPERIMENT",)),
        ("run {experiment} --engin local", ("--engin",)),
        ("run {experiment} --engine slurm", ("engine", "local")),
        ("run {experiment} --limit 0", ("limit",)),
        ("run {experiment} --limit few", ("limit",)),
        ("run {experiment} --concurrency 0", ("concurrency",)),
        ("run {experiment} --max-cost -1", ("max-cost",)),
        ("run {experiment} --store", ("--store",)),
        ("run none.yaml", ("none.yaml", "no such file")),
        ("run {experiment} --address nowhere", ("--address nowhere", "HOST:PORT")),
        ("run {experiment} --address 127.0.0.1:1", ("--address 127.0.0.1:1", "no Ray cluster")),
        ("plan {experiment} --set limit", ("--set limit", "key=value")),
        ("report --by arn", ("--by: ", "'arn'", "did you mean 'arm'?")),
        ("report --by honest,", ("--by",)),
        ("report --run seen", ("no run 'seen'",)),
        ("report --unit clusters", ("unit", "cluster")),
        ("report --format xml", ("format", "json")),
        ("report --store none", ("no store in", "oversight run")),
        ("show", ("EPISODE",)),
        ("show zzz", ("no episode", "'zzz'")),
        ("show ''", ("several episodes",)),
        ("show zzz --store none", ("no store in",)),
        ("sql", ("SELECT",)),
        ("sql 'DELETE FROM runs'", ("exactly one SELECT, not DELETE",)),
        ("sql 'SELECT 1; SELECT 2'", ("exactly one SELECT",)),
        ("sql ''", ("exactly one SELECT",)),
        ("sql 'SELECT nothing'", ("nothing",)),
        ("sql 'SELEC 1'", ("SELEC",)),
        ("sql \"SELECT TIMESTAMP 'infinity'\"", ("a value cannot be shown", "CAST(column AS VARCHAR)")),
        ("sql \"SELECT TIMESTAMP '290000-01-01 00:00:00' AS then\"", ("a value cannot be shown",)),
        ("sql 'WITH x AS (INSERT INTO runs SELECT * FROM runs RETURNING 1) SELECT * FROM x'", ()),
        ("sql \"SELECT * FROM read_csv('/etc/passwd')\"", ()),
        ("sql 'SELECT 1' --store none", ("no store in",)),
        ("protocols debat", ("unknown protocol 'debat'", "did you mean 'debate'?")),
        ("tasks digit", ("unknown task 'digit'", "did you mean 'digits'?")),
    ],
)
def test_one_line_and_nothing_written(
    seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OVERSIGHT_STORE", str(seen.store))
    before = contents(seen.store)
    said = here(*shlex.split(arguments.format(experiment=seen.experiment))).complaint()
    assert all(word in said for word in words), said
    assert contents(seen.store) == before
    assert not os.listdir(tmp_path)


@pytest.mark.long
def test_a_process_says_the_same_and_exits_with_2(seen: Seen, tmp_path: Path) -> None:
    said = oversight("run", seen.experiment, "--set", "task.imags=3", "--store", "new", cwd=tmp_path).complaint()
    assert said == f"{seen.experiment}:2: task.imags: unknown key - did you mean 'images'?"
    assert not os.listdir(tmp_path)


def test_a_wrong_option_is_no_traceback_in_a_process_either(tmp_path: Path) -> None:
    assert "--bogus" in oversight("report", "--bogus", cwd=tmp_path).complaint()


def test_a_report_by_several_columns_is_not_refused(seen: Seen) -> None:
    assert seen.report("--by", "arm, honest").code == 0


def test_the_version_is_that_of_the_package() -> None:
    import oversight as package

    ran = here("--version")
    assert (ran.code, ran.out.split()) == (0, ["oversight", package.__version__])


def test_help_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("--help",), ("run", "--help"), ()):
        ran: Ran = here(*arguments)
        assert "Usage" in ran.out + ran.err
        assert ran.code == 0 or not arguments


def test_a_store_that_is_no_database_is_one_line(tmp_path: Path, seen: Seen) -> None:
    (tmp_path / "oversight.duckdb").write_text("This is a diary.\n" * 500)
    for arguments in (("report",), ("run", seen.experiment, "--engine", "local")):
        assert str(tmp_path) in here(*arguments, "--store", tmp_path).complaint()


@pytest.mark.long
def test_a_reader_that_leaves_early_sees_no_traceback(seen: Seen, tmp_path: Path) -> None:
    """As in ``oversight sql … | head -1``."""
    process = start("sql", "SELECT range FROM range(100000)", "--format", "csv", "--store", seen.store, cwd=tmp_path)
    assert process.stdout
    assert process.stderr
    process.stdout.readline()
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(30)
    process.stderr.close()
