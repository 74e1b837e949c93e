"""The tasks by themselves: what H does, what the facts decide, and the split."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from oversight.training.embedded import FactoredTask, PermutationPowering, UnionFind
from oversight.training.embedded.factored_task import Mask, Tokens

TASKS: dict[str, Callable[[str], FactoredTask]] = {
    "permutation": lambda split: PermutationPowering(
        PermutationPowering.Settings.model_validate({"size": 7, "bits": 4, "split": split})
    ),
    "union_find": lambda split: UnionFind(
        UnionFind.Settings.model_validate({"size": 9, "values": 5, "depth": 4, "split": split})
    ),
}


@pytest.fixture(params=TASKS)
def make(request: pytest.FixtureRequest) -> Callable[[str], FactoredTask]:
    return TASKS[request.param]


def _drawn(task: FactoredTask, instances: int = 200, each: int = 12) -> tuple[Tokens, Tokens, Tokens]:
    rng = np.random.default_rng(5)
    facts = task.instances(rng, instances)
    wanted = rng.integers(1, task.difficulties + 1, (instances, each))
    return facts, task.questions(rng, facts, wanted), wanted


def _perfect(task: FactoredTask) -> Callable[[Tokens, Tokens, Mask], Tokens]:
    def ask(facts: Tokens, questions: Tokens, where: Mask) -> Tokens:
        return np.where(where, task.truth(facts, questions), 0)

    return ask


def test_powers_are_those_of_applying_the_permutation_one_by_one() -> None:
    task = TASKS["permutation"]("train")
    facts, questions, _ = _drawn(task)
    truth = task.truth(facts, questions)
    for row, (known, asked) in enumerate(zip(facts.tolist(), questions.tolist(), strict=True)):
        sigma = dict(known)
        for place, (x, *bits) in enumerate(asked):
            reached = x
            for _ in range(sum(bit << position for position, bit in enumerate(bits))):
                reached = sigma[reached]
            assert truth[row, place] == reached


def test_values_are_those_at_the_roots() -> None:
    task = TASKS["union_find"]("train")
    facts, questions, wanted = _drawn(task)
    truth = task.truth(facts, questions)
    for row, (known, asked) in enumerate(zip(facts.tolist(), questions.tolist(), strict=True)):
        said = dict(known)
        for place, (x,) in enumerate(asked):
            target, steps = said[x], 1
            while target < 9:
                target, steps = said[target], steps + 1
            assert (truth[row, place], wanted[row, place]) == (target - 9, steps)


def test_questions_have_the_difficulty_that_was_wanted(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    facts, questions, wanted = _drawn(task)
    assert np.array_equal(task.difficulty_of(facts, questions), wanted)
    assert set(wanted.ravel()) == set(range(1, task.difficulties + 1))


def test_tokens_fit_the_encoding(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    facts, questions, _ = _drawn(task)
    for tokens, limits in ((facts, task.encoding.facts), (questions, task.encoding.question)):
        assert tokens.shape[-1] == len(limits)
        assert np.all(tokens >= 0)
        assert np.all(tokens < limits)
    assert np.all(task.truth(facts, questions) < task.encoding.answers)


def test_h_with_perfect_help_is_always_right(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    facts, questions, _ = _drawn(task)
    answers = task.amplify(facts, questions, _perfect(task), rng=np.random.default_rng(0))
    assert np.array_equal(answers, task.truth(facts, questions))


def test_h_asks_only_easier_questions_and_none_of_the_easiest(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    facts, questions, wanted = _drawn(task)
    asked = np.zeros(wanted.shape, bool)

    def ask(known: Tokens, asking: Tokens, where: Mask) -> Tokens:
        asked[where] = True
        assert np.all(task.difficulty_of(known, asking)[where] < wanted[where])
        return task.truth(known, np.where(where[..., None], asking, questions))

    task.amplify(facts, questions, ask, rng=np.random.default_rng(0))
    assert np.array_equal(asked, wanted > 1)


def test_h_is_as_good_as_its_help_where_it_needs_any(make: Callable[[str], FactoredTask]) -> None:
    """With answers that say nothing, H is right about what it can look up and else about as often as chance."""
    task = make("train")
    facts, questions, wanted = _drawn(task, 2000)
    rng = np.random.default_rng(1)

    def ask(known: Tokens, asking: Tokens, where: Mask) -> Tokens:
        return rng.integers(0, task.encoding.answers, where.shape)

    right = task.amplify(facts, questions, ask, rng=rng) == task.truth(facts, questions)
    assert right[wanted == 1].all()
    assert right[wanted > 1].mean() == pytest.approx(1 / task.encoding.answers, abs=0.02)


@pytest.mark.parametrize("error_rate", [0.1, 0.5, 1.0])
def test_h_errs_as_often_as_it_is_said_to(make: Callable[[str], FactoredTask], error_rate: float) -> None:
    task = make("train")
    facts, questions, wanted = _drawn(task, 2000)
    rng = np.random.default_rng(2)
    right = task.amplify(facts, questions, _perfect(task), rng=rng, error_rate=error_rate) == task.truth(
        facts, questions
    )
    expected = 1 - error_rate * (1 - 1 / task.encoding.answers)
    for difficulty in range(1, task.difficulties + 1):
        assert right[wanted == difficulty].mean() == pytest.approx(expected, abs=0.025)


def test_no_training_instance_is_ever_held_out(make: Callable[[str], FactoredTask]) -> None:
    train, held_out = make("train"), make("held_out")
    learned = set(train.keys(train.instances(np.random.default_rng(1), 100_000)))
    evaluated = set(held_out.keys(held_out.instances(np.random.default_rng(1), 5_000)))
    assert len(evaluated) > 500
    assert not learned & evaluated


def test_a_fifth_of_the_space_is_held_out() -> None:
    """Of all 5,040 permutations, the two splits draw every one, each in one of them."""
    drawn = {"train": 60_000, "held_out": 15_000}
    tasks = {split: TASKS["permutation"](split) for split in drawn}
    keys = [set(task.keys(task.instances(np.random.default_rng(3), drawn[split]))) for split, task in tasks.items()]
    assert len(keys[0] | keys[1]) == 5040
    assert len(keys[1]) == pytest.approx(5040 / 5, rel=0.1)


def test_the_order_of_facts_changes_neither_key_nor_truth_nor_h(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    facts, questions, _ = _drawn(task)
    shuffled = np.random.default_rng(4).permuted(np.arange(facts.shape[1])[None].repeat(len(facts), 0), axis=1)
    other = np.take_along_axis(facts, shuffled[..., None], axis=1)
    assert not np.array_equal(other, facts)
    assert task.keys(other) == task.keys(facts)
    assert len(set(task.keys(facts))) > 1
    assert np.array_equal(task.truth(other, questions), task.truth(facts, questions))
    rngs = [np.random.default_rng(0), np.random.default_rng(0)]
    answers = [
        task.amplify(known, questions, _perfect(task), rng=rng) for known, rng in zip((facts, other), rngs, strict=True)
    ]
    assert np.array_equal(*answers)


def test_symbols_say_nothing_by_themselves(make: Callable[[str], FactoredTask]) -> None:
    """The answer is spread evenly whichever symbol is asked about, and so is what facts say of each symbol."""
    task = make("train")
    rng = np.random.default_rng(6)
    facts = task.instances(rng, 20_000)
    wanted = np.full((len(facts), 1), task.difficulties)
    questions = task.questions(rng, facts, wanted)
    truth = task.truth(facts, questions)
    asked, answers = questions[:, 0, 0], truth[:, 0]
    if isinstance(task, PermutationPowering):
        # sigma^k(x) = x is commoner than chance, and that is about the powers, not about any symbol.
        answers = (answers - asked) % task.encoding.answers
    for symbol in range(task.encoding.question[0]):
        share = np.bincount(answers[asked == symbol], minlength=task.encoding.answers) / np.sum(asked == symbol)
        overall = np.bincount(answers, minlength=task.encoding.answers) / len(answers)
        assert share == pytest.approx(overall, abs=0.04)
    for symbol in range(facts.shape[1]):
        said = facts[:, symbol, 1]
        assert np.mean(said == (symbol + 1) % facts.shape[1]) == pytest.approx(
            np.mean(facts[:, :, 1] == (np.arange(facts.shape[1]) + 1) % facts.shape[1]), abs=0.02
        )


def test_the_same_generator_draws_the_same(make: Callable[[str], FactoredTask]) -> None:
    task = make("train")
    first, second = _drawn(task), _drawn(task)
    assert all(np.array_equal(*pair) for pair in zip(first, second, strict=True))
