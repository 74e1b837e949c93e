"""The transformer by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oversight.errors import UsageError
from oversight.training.embedded import LearnerSettings, UnionFind
from oversight.training.embedded.factored_task import Tokens

pytest.importorskip("torch", reason="needs PyTorch (pip install 'oversight[ida]'): there is no learner")

from oversight.training.embedded.learner import Learner

SETTINGS = LearnerSettings(layers=2, width=32, hidden=64, learning_rate=0.01, warm_up=20, averaging=0.9)
TASK = UnionFind(UnionFind.Settings(size=6, values=4, depth=2))


def _data() -> tuple[Tokens, Tokens, Tokens]:
    rng = np.random.default_rng(0)
    facts = TASK.instances(rng, 300)
    questions = TASK.questions(rng, facts, rng.integers(1, 3, (300, 6)))
    return facts, questions, TASK.truth(facts, questions)


def _places(steps: int) -> Tokens:
    return np.random.default_rng(1).integers(0, 300, (steps, 32))


def _learner(seed: int = 0) -> Learner:
    return Learner(TASK.encoding, SETTINGS, seed)


def test_the_order_of_facts_does_not_change_an_answer() -> None:
    learner, (facts, questions, truth) = _learner(), _data()
    learner.train(facts, questions, truth, _places(40))
    order = np.random.default_rng(2).permuted(np.arange(6)[None].repeat(300, 0), axis=1)
    answers = learner.answer(facts, questions)
    assert len(np.unique(answers)) == 4
    assert np.array_equal(learner.answer(np.take_along_axis(facts, order[..., None], axis=1), questions), answers)


def test_a_question_is_answered_alike_in_any_company() -> None:
    learner, (facts, questions, truth) = _learner(), _data()
    learner.train(facts, questions, truth, _places(40))
    alone = np.concatenate([learner.answer(facts, questions[:, [place]]) for place in range(6)], axis=1)
    assert np.array_equal(alone, learner.answer(facts, questions))


def test_going_on_from_a_file_is_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    (facts, questions, truth), places = _data(), _places(40)
    whole = _learner()
    whole.train(facts, questions, truth, places[:20])
    whole.save(tmp_path / "x.pt", "key", {"some": {"number": 0.5}})
    loss = whole.train(facts, questions, truth, places[20:])
    other = _learner(seed=1)
    assert other.load(tmp_path / "x.pt", "key") == {"some": {"number": 0.5}}
    assert other.steps == 20
    assert other.train(facts, questions, truth, places[20:]) == loss
    assert np.array_equal(other.answer(facts, questions), whole.answer(facts, questions))
    assert other.steps == 40
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_the_seed_decides_the_first_weights() -> None:
    facts, questions, _ = _data()
    first, same, other = (_learner(seed).answer(facts, questions) for seed in (0, 0, 1))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_training_disturbs_neither_torchs_threads_nor_its_generator() -> None:
    import torch

    facts, questions, truth = _data()
    torch.set_num_threads(2)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    _learner().train(facts, questions, truth, _places(2))
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 2


def test_a_file_that_is_not_there_or_not_this_learners(tmp_path: Path) -> None:
    assert _learner().load(tmp_path / "x.pt", "key") is None
    (tmp_path / "x.pt").write_bytes(b"PK\x03\x04 half a file")
    assert _learner().load(tmp_path / "x.pt", "key") is None
    larger = Learner(TASK.encoding, SETTINGS.model_copy(update={"layers": 3}), 0)
    larger.save(tmp_path / "x.pt", "another key", {})
    with pytest.raises(UsageError, match="a folder of its own"):
        _learner().load(tmp_path / "x.pt", "key")


def test_heads_must_share_the_width() -> None:
    with pytest.raises(ValueError, match=r"width \(64\) must be a multiple of heads \(3\)"):
        LearnerSettings(heads=3)
