"""The published rooms of Michael et al. (2023) as questions about stories."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.tasks.nyu2023 import Nyu2023, readable
from tasks.reading import complaint, items, published, right, texts

WORDS = ["``", "No", ",", "''", "said", "Ann", ".", "\n", "\n", "It", "was", "n't", "so", "."]


def room(question: str = "Who?", gold: int = 0, story: str = "101", **changes: Any) -> dict[str, Any]:
    source = {"articleId": story, "title": f"Story {story}", "contents": WORDS}
    setup = {
        "rules": {"scoringFunction": {}},
        "sourceMaterial": {"QuALITYSourceMaterial": source},
        "question": question,
        "answers": ["Ann ", "Ben"],
        "correctAnswerIndex": gold,
        "roles": {"Judge": "somebody"},
        **changes,
    }
    return {"setup": setup, "rounds": [], "feedback": {}, "scratchpads": {}}


def publish(folder: Path, rooms: dict[str, dict[str, Any]], left_out: tuple[str, ...] = ()) -> Path:
    """Write files as the authors do: each room on one line, the last line of the list without an end."""
    (folder / "debates" / "official").mkdir(parents=True, exist_ok=True)
    for name, content in rooms.items():
        (folder / "debates" / "official" / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    listed = [json.dumps({"name": name, "includedInPaper": name not in left_out}) for name in rooms]
    (folder / "debates-metadata.jsonl").write_text("\n".join(listed), encoding="utf-8")
    return folder


def test_a_room_as_a_question(tmp_path: Path) -> None:
    (item,) = items(Nyu2023, path=publish(tmp_path, {"story-0": room(" Who?\n", gold=1)}))
    assert item.question.prompt == 'Who?\n\nThe question is about the story "Story 101".'
    assert item.question.material == '"No," said Ann.\n\nIt wasn\'t so.'
    assert texts(item) == ["Ann", "Ben"]
    assert right(item) == "Ben"
    assert item.question.cluster == "101"


def test_rooms_that_ask_the_same_are_one_question(tmp_path: Path) -> None:
    rooms = {
        "a-1": room("Who?", gold=1, answers=["Ann", "Ben"]),
        "a-0": room("Who?\n", gold=0, answers=["Ben", "Ann"]),
        "a-2": room("Why?"),
        "b-0": room("Who?", story="102"),
    }
    asked = items(Nyu2023, path=publish(tmp_path, rooms))
    assert [(item.question.cluster, item.question.prompt[:4], right(item)) for item in asked] == [
        ("101", "Who?", "Ben"),
        ("101", "Why?", "Ann"),
        ("102", "Who?", "Ann"),
    ]
    assert len({item.question.id for item in asked}) == 3
    assert len({item.question.material for item in asked}) == 1


def test_rooms_that_the_paper_leaves_out_are_asked_for_apart(tmp_path: Path) -> None:
    rooms = {"a-0": room("Who?"), "a-1": room("Who?"), "a-2": room("Why?")}
    path = publish(tmp_path, rooms, left_out=("a-0", "a-2"))
    assert len(items(Nyu2023, path=path)) == 1
    assert len(items(Nyu2023, path=path, in_paper=False)) == 2


def test_a_story_is_taken_from_the_room_that_has_it_word_by_word(tmp_path: Path) -> None:
    rooms = {"a-0": room("Who?"), "a-1": room("Why?")}
    source = rooms["a-0"]["setup"]["sourceMaterial"]["QuALITYSourceMaterial"]
    rooms["a-0"]["setup"]["sourceMaterial"]["QuALITYSourceMaterial"] = {**source, "contents": ["", "\n", ' "No,"\n']}
    path = publish(tmp_path, rooms, left_out=("a-1",))
    (item,) = items(Nyu2023, path=path)
    assert item.question.material == '"No," said Ann.\n\nIt wasn\'t so.'


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("He said , `` You 're late -- again . ''", 'He said, "You\'re late—again."'),
        ("-LSB- Note : 5 % of $ 3.80 ; see p. 4 -RRB- -RSB-", "[Note: 5% of $3.80; see p. 4)]"),
        ("I can not and wo n't , Mr. Ames Jr. . Are you gon na ?", "I cannot and won't, Mr. Ames Jr. Are you gonna?"),
        ("Wait ... . `` ` Now ' ? '' nothin ' -LRB- yet -RRB- !", "Wait.... \"'Now'?\" nothin' (yet)!"),
        ("THEY 'LL see , they 'd 've seen", "THEY'LL see, they'd've seen"),
        (" chapter  one.", "chapter one."),
    ],
)
def test_tokens_become_readable_text(tokens: str, text: str) -> None:
    assert readable(tuple(tokens.split(" "))) == text


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = publish(tmp_path, {"a-0": room(), "a-1": room(correctAnswerIndex=2)})
    place = f"{path}/debates/official/a-1.json"
    assert complaint(Nyu2023, path=path).startswith(f"{place}:1: setup.correctAnswerIndex: ")
    publish(tmp_path, {"a-0": room(), "a-1": room(answers=["Ann"])})
    assert complaint(Nyu2023, path=path).startswith(f"{place}:1: setup.answers")
    publish(tmp_path, {"a-0": room(), "a-1": room("Why?", answers=["Ann", " Ann"])})
    assert complaint(Nyu2023, path=path).startswith(f"{place}:1: answers: two of the answers are the same")
    Path(place).unlink()
    assert complaint(Nyu2023, path=path).startswith(f"{place}: cannot be read")
    (path / "debates-metadata.jsonl").write_text('{"name": "a-0"}')
    assert "debates-metadata.jsonl:1: there is no field 'includedInPaper'" in complaint(Nyu2023, path=path)
    assert "none/debates-metadata.jsonl: cannot be read" in complaint(Nyu2023, path=path / "none")
    for wrong in ({}, {"path": path, "in_papr": True}):
        with pytest.raises(ValidationError):
            Nyu2023.Options(**wrong)


def test_the_example_is_ours_and_needs_no_file() -> None:
    item = Nyu2023.example()
    assert item is not None
    assert (right(item), item.question.material) == ("Ann let it go", "Ann didn't wait: she let the boat go.")


@pytest.mark.long
def test_the_published_questions() -> None:
    path = published("nyu2023")
    in_paper, everything = items(Nyu2023, path=path), items(Nyu2023, path=path, in_paper=False)
    assert (len(in_paper), len({item.question.cluster for item in in_paper})) == (247, 96)
    assert (len(everything), len({item.question.cluster for item in everything})) == (342, 96)
    assert len({item.question.material for item in everything}) == 96
    assert {item.question.id for item in in_paper} < {item.question.id for item in everything}
    leftovers = Counter(
        mark
        for item in everything
        for mark in ("``", "-LSB-", "-RRB-", " n't ", " 's ", " , ", " . ")
        if mark in str(item.question.material)
    )
    assert not leftovers


def test_every_published_room_agrees_with_its_question() -> None:
    path = published("nyu2023")
    asked = items(Nyu2023, path=path, in_paper=False)
    known = {(item.question.cluster, item.question.prompt): item for item in asked}
    tellings: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    rooms = sorted((path / "debates" / "official").glob("*.json"))
    for file in rooms:
        setup = json.loads(file.read_text(encoding="utf-8"))["setup"]
        story = setup["sourceMaterial"]["QuALITYSourceMaterial"]
        tellings[story["articleId"]].add(tuple(story["contents"]))
        prompt = f'{setup["question"].strip()}\n\nThe question is about the story "{story["title"]}".'
        item = known[story["articleId"], prompt]
        assert right(item) == setup["answers"][setup["correctAnswerIndex"]].strip()
    assert (len(rooms), len(tellings)) == (631, 96)
    twice = [sorted(those, key=len) for those in tellings.values() if len(those) > 1]
    assert len(twice) == 4
    # Where the same story is also there as its authors wrote it, what we make of its words is all but that.
    for sentences, words in twice:
        written, made = " ".join(sentences).split(), readable(words).split()
        assert SequenceMatcher(None, written, made, autojunk=False).ratio() > 0.99
