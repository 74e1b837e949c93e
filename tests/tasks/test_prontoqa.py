"""Invented rules: what the text says is what the gold answer says."""

from __future__ import annotations

import re
from itertools import product
from typing import Any

import pytest
from pydantic import ValidationError

from oversight.core.question import Item
from oversight.tasks.prontoqa import PrOntoQA

Rules = dict[str, set[tuple[str, bool]]]

RULE = re.compile(r"(?:(?:Every|Each) (\w+us) is|(\w+us)es are) (not )?(?:an? )?(\w+?)(?:es)?\.")
FACT = re.compile(r"([A-Z][a-z]+) is an? (\w+us)\.")
QUERY = re.compile(r"True or false: ([A-Z][a-z]+) is (not )?(\w+)\.")


def items(seed: int = 0, **options: Any) -> list[Item]:
    return list(PrOntoQA(PrOntoQA.Options(**options)).items(seed))


def read(item: Item) -> tuple[list[tuple[str, str, bool]], str, str, bool]:
    """The rules as (concept, what is said, whether it holds), the creature's kind, the property, and the claim."""
    text = f"{item.question.material or ''} {item.question.prompt}"
    rules = [((one or many).lower(), said, not denial) for one, many, denial, said in RULE.findall(text)]
    ((name, kind),) = FACT.findall(text)
    ((asked, denial, said),) = QUERY.findall(text)
    assert name == asked
    return rules, kind, said, not denial


def consequences(rules: list[tuple[str, str, bool]], kind: str) -> dict[tuple[str, bool], int]:
    """All that follows for something of one kind, with the number of rules its shortest proof applies."""
    known = {(kind, True): 0}
    while True:
        new = {
            (said, holds): known[concept, True] + 1
            for concept, said, holds in rules
            if (concept, True) in known and known[concept, True] + 1 < known.get((said, holds), 99)
        }
        if not new:
            return known
        known |= new


def truth(item: Item) -> bool:
    """Whether the claim follows from the text; its denial must follow where it does not."""
    rules, kind, said, claim = read(item)
    known = consequences(rules, kind)
    assert ((said, True) in known) != ((said, False) in known)
    return (said, claim) in known


def gold(item: Item) -> bool:
    return {"True": True, "False": False}[item.question.answers[item.gold].text]


def test_the_text_proves_the_gold_answer() -> None:
    asked = [
        item
        for place, (hops, ordering, rules, negation) in enumerate(
            product((1, 2, 3, 4, 5), ("shuffled", "forward", "backward"), ("shown", "hidden"), (True, False))
        )
        for item in items(seed=place, questions=9, hops=hops, ordering=ordering, rules=rules, negation=negation)
    ]
    assert len(asked) == 540
    assert [truth(item) for item in asked] == [gold(item) for item in asked]


@pytest.mark.parametrize("hops", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("distractors", [0, 1, 10])
def test_a_proof_applies_as_many_rules_as_asked_and_nothing_contradicts_itself(hops: int, distractors: int) -> None:
    for item in items(questions=40, hops=hops, distractors=distractors):
        rules, kind, said, _ = read(item)
        assert len(rules) == hops + distractors
        known = consequences(rules, kind)
        assert {known.get((said, holds)) for holds in (True, False)} == {hops, None}
        for concept, _, _ in rules:
            inside = consequences(rules, concept)
            assert not [word for word, holds in inside if (word, not holds) in inside]


def test_the_first_distractor_says_the_opposite_of_something_else() -> None:
    for item in items(questions=60, distractors=1):
        rules, kind, said, _ = read(item)
        about = {holds: concept for concept, word, holds in rules if word == said}
        assert set(about) == {True, False}
        known = consequences(rules, kind)
        assert [(concept, True) in known for concept in about.values()].count(True) == 1


def test_half_are_true_and_neither_id_nor_wording_tells_which() -> None:
    asked = items(questions=200)
    assert sum(gold(item) for item in asked) == 100
    assert [item.question.id for item in asked] == [f"question-{number}" for number in range(200)]
    assert 30 < sum(gold(item) for item in asked[::2]) < 70
    says_not = [not read(item)[3] for item in asked]
    assert 60 < sum(told == gold(item) for told, item in zip(says_not, asked, strict=True)) < 140
    assert {tuple(answer.text for answer in item.question.answers) for item in asked} == {("True", "False")}


def test_without_negation_no_rule_denies_anything() -> None:
    for item in items(questions=50, negation=False):
        assert all(holds for _, _, holds in read(item)[0])


def test_the_order_of_the_proof_s_rules() -> None:
    for ordering, expected in (("forward", [0, 1, 2, 3]), ("backward", [3, 2, 1, 0])):
        for item in items(questions=20, hops=4, ordering=ordering, distractors=6):
            rules, kind, said, _ = read(item)
            known = consequences(rules, kind)
            steps = [known.get((concept, True)) for concept, word, _ in rules if leads(rules, word, said)]
            assert [step for step in steps if step is not None] == expected, item.question.prompt
    drawn = [[rule[0] for rule in read(item)[0]] for item in items(questions=20)]
    assert drawn != [[rule[0] for rule in read(item)[0]] for item in items(questions=20, ordering="forward")]


def leads(rules: list[tuple[str, str, bool]], word: str, said: str) -> bool:
    """Whether ``word`` is the property, or a concept from which it follows."""
    return word == said or any(name == said for name, _ in consequences(rules, word))


def test_rules_are_hidden_only_if_asked() -> None:
    for shown, hidden in zip(items(questions=20), items(questions=20, rules="hidden"), strict=True):
        assert shown.question.material is None
        assert hidden.question.material
        assert not RULE.findall(hidden.question.prompt)
        assert hidden.question.material in shown.question.prompt
        assert (shown.gold, shown.question.id) == (hidden.gold, hidden.question.id)


def test_the_seed_decides_and_a_larger_set_contains_a_smaller() -> None:
    assert items(questions=30) == items(questions=50)[:30]
    assert items(questions=30) != items(seed=1, questions=30)
    assert len({item.question.prompt for item in items(questions=500)}) == 500


def test_unknown_options_are_refused() -> None:
    for wrong in ({"hop": 3}, {"hops": 6}, {"hops": 0}, {"distractors": 11}, {"questions": 0}, {"rules": "some"}):
        with pytest.raises(ValidationError):
            PrOntoQA.Options(**wrong)
