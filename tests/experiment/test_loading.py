"""What is wrong with an experiment file is one line: file, line, what, and the nearest valid word."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.running import here

from experiment.files import TINY, planned, specs, write

TASK, JUDGE, DEBATE = 2, 4, 8
END = TINY.count("\n") + 1


def complaint(folder: Path, text: str, *more: str) -> str:
    """What ``plan`` says about a file, without the folder; a run says the same and writes nothing."""
    path = write(folder, text)
    said = here("plan", path, *more).complaint()
    store = folder / "store"
    assert here("run", path, "--engine", "local", "--store", store, *more).complaint() == said
    assert not store.exists()
    return said.replace(f"{folder}/", "")


def entry(text: str) -> str:
    return TINY.replace("debate: {rounds: 1}", text)


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        pytest.param(TINY + "repeat: 2\n", END, "'repeats'", id="top level"),
        pytest.param(TINY.replace("protocols:", "protcols:"), 6, "'protocols'", id="a required key misspelt"),
        pytest.param(TINY.replace("task:", "taks:"), TASK, "'task'", id="another required key misspelt"),
        pytest.param(TINY.replace("images", "imags"), TASK, "'images'", id="task option"),
        pytest.param(TINY.replace("rounds", "rouns"), DEBATE, "'rounds'", id="protocol option"),
        pytest.param(
            TINY.replace("judge: embedded/pixel-judge", "judge: {model: embedded/pixel-judge, pixel: 4}"),
            JUDGE,
            "'pixels'",
            id="embedded model's setting",
        ),
        pytest.param(
            TINY.replace("judge: embedded/pixel-judge", "judge: {model: openai/gpt-5, temprature: 1}"),
            JUDGE,
            "'temperature'",
            id="API model's setting",
        ),
        pytest.param(entry("{debate: {}, taks: {images: 2}}"), DEBATE, "'task'", id="entry"),
        pytest.param(entry("{debate: {}, task: {imags: 2}}"), DEBATE, "'images'", id="entry's task option"),
        pytest.param(
            entry("{debate: {}, models: {strong: {model: embedded/pixel-debater, pixel: 4}}}"),
            DEBATE,
            "'pixels'",
            id="entry's model setting",
        ),
        pytest.param(
            entry("{debate: {}, models: {strng: embedded/pixel-debater}}"), DEBATE, "'strong'", id="entry's role"
        ),
        pytest.param(TINY + "report: {unt: cluster}\n", END, "'unit'", id="report"),
        pytest.param(TINY + "report: {by: [arn]}\n", END, "'arm'", id="report column"),
        pytest.param(
            TINY + "published: [{arm: debate, acuracy: 0.5}]\n", END, "'accuracy'", id="published number's key"
        ),
        pytest.param(TINY + "published: [{arm: debat, accuracy: 0.5}]\n", END, "'debate'", id="published arm"),
        pytest.param(TINY.replace("debate:", "debat:"), DEBATE, "'debate'", id="protocol"),
        pytest.param(TINY.replace("digits", "digit"), TASK, "'digits'", id="task"),
        pytest.param(TINY.replace("pixel-judge", "pixel-juge"), JUDGE, "'pixel-judge'", id="embedded model"),
        pytest.param(TINY.replace("judge:", "juge:"), 3, "'juge'", id="role"),
        pytest.param(
            TINY.replace("- direct", "- oversight.protocols.direct:Dirct"), 7, "'Direct'", id="class in a module"
        ),
    ],
)
def test_a_misspelt_word_is_met_with_the_nearest(tmp_path: Path, text: str, line: int, word: str) -> None:
    said = complaint(tmp_path, text)
    assert said.startswith(f"e.yaml:{line}: ")
    assert f"did you mean {word}?" in said


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        pytest.param(TINY + "name: again\n", END, "'name' is given twice", id="key twice"),
        pytest.param(entry("debate: {rounds: 1, rounds: 2}"), DEBATE, "'rounds' is given twice", id="option twice"),
        pytest.param(TINY + "grid: [1\n", END + 1, "not valid YAML", id="a bracket left open"),
        pytest.param(TINY + "grid:\n\t- a\n", END + 1, "not valid YAML", id="a tab"),
        pytest.param(TINY + 'description: "\x07"\n', END, "not valid YAML", id="a control character"),
        pytest.param("", 1, "a mapping with name, task, models and protocols", id="nothing"),
        pytest.param("- name: tiny\n", 1, "a mapping with name, task, models and protocols", id="a list"),
        pytest.param(TINY.replace("  strong: embedded/pixel-debater\n", ""), 3, "role 'strong'", id="missing role"),
        pytest.param(TINY.replace("judge: embedded/pixel-judge", "judge: []"), JUDGE, "model", id="no model in a role"),
        pytest.param(TINY.replace("judge: embedded/pixel-judge", "judge:"), JUDGE, "model: NAME", id="empty model"),
        pytest.param(entry("debate: {rounds: 0}"), DEBATE, "greater than or equal to 1, not 0", id="option too small"),
        pytest.param(entry("debate: [rounds]"), DEBATE, "options are a mapping", id="options in a list"),
        pytest.param(entry("{as: mine}"), DEBATE, "{name: {options}}", id="entry without a protocol"),
        pytest.param(TINY + "repeats: 0\n", END, "repeats: ", id="no repeats"),
        pytest.param(TINY + "grid: {task.images: 3}\n", END, "a list of values", id="grid value that is no list"),
        pytest.param(TINY + "grid: {task: {images: []}}\n", END, "a list of values", id="grid value that is empty"),
        pytest.param(TINY.replace("images: 4", "images: 4, limit: 0"), TASK, "limit is a number", id="limit"),
        pytest.param(TINY.replace("images: 4", "images: 4, limit: yes"), TASK, "limit is a number", id="limit-yes"),
        pytest.param(TINY.replace("name: tiny", "name: ../tiny"), 1, "name: ", id="a name that is a path"),
        pytest.param(TINY.replace("- direct", "- ./none.py:None"), 7, "there is no file", id="missing plugin file"),
    ],
)
def test_what_cannot_be_used_is_said_with_its_line(tmp_path: Path, text: str, line: int, word: str) -> None:
    said = complaint(tmp_path, text)
    assert said.startswith(f"e.yaml:{line}: ")
    assert word in said


def test_a_file_that_holds_itself_is_refused(tmp_path: Path) -> None:
    assert complaint(tmp_path, TINY + "published: &again [*again]\n").startswith(f"e.yaml:{END}: ")


def test_a_plugin_file_that_does_not_import_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import nothing_of_this_name\n")
    said = complaint(tmp_path, TINY.replace("- direct", "- ./broken.py:Direct"))
    assert said.startswith("e.yaml:7: ")
    assert "broken.py" in said
    assert "nothing_of_this_name" in said


def test_shipped_experiments_go_by_their_names(tmp_path: Path) -> None:
    assert planned(Path("quickstart")).run_id.startswith("quickstart-")
    assert "did you mean 'quickstart'?" in here("plan", "quickstar").complaint()


def test_every_form_of_an_entry(tmp_path: Path) -> None:
    text = TINY.replace(
        "  - debate: {rounds: 1}\n",
        """\
  - consultancy:
  - debate: {rounds: 1}
  - oversight.protocols.direct:Direct: {sees: material}
  - {direct: {}, as: ten answers, task: {lies: open, images: 2}}
  - {debate: {rounds: 2}, as: weaker, models: {strong: {model: embedded/pixel-debater, pixels: 3}}}
""",
    )
    arms = planned(write(tmp_path, text)).arms
    assert [arm.label for arm in arms] == [
        "direct",
        "consultancy",
        "debate",
        "direct sees=material",
        "ten answers",
        "weaker",
    ]
    assert [arm.protocol.options for arm in arms] == [{}, {}, {"rounds": 1}, {"sees": "material"}, {}, {"rounds": 2}]
    episodes = specs(planned(write(tmp_path, text)))
    assert {len(spec.question.answers) for spec in episodes["ten answers"]} == {10}
    assert len(episodes["ten answers"]) == 2
    assert [arm.cast["strong"][0].settings.get("pixels") for arm in arms if "strong" in arm.cast] == [None, None, 3]


def test_two_arms_that_ask_for_the_same_episodes_both_have_them(tmp_path: Path) -> None:
    """An arm must not come out smaller than asked because another arm shares its episodes."""
    text = TINY.replace("- direct", "- {direct: {}, task: {limit: 2}, as: few}\n  - {direct: {}, as: all}")
    ran = here("plan", write(tmp_path, text), "--format", "json")
    if ran.code == 0:  # refusing them is as good
        asked = {row["arm"]: row["episodes"] for row in ran.rows}
        assert (asked["few"], asked["all"]) == (2, 4)
    else:
        ran.complaint()
