"""X: a small transformer that reads an instance as a set of facts and answers questions about it.

The only module that needs PyTorch.
"""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from oversight.errors import UsageError
from oversight.training.embedded.amplified_rows import check_key
from oversight.training.embedded.factored_task import Encoding, Tokens
from oversight.training.embedded.learner_settings import LearnerSettings

try:
    import torch
    from torch import Tensor, nn
except ImportError as error:
    raise UsageError("embedded distillation needs PyTorch: pip install 'oversight[ida]'") from error

__all__ = ["Learner"]

_BETAS = (0.9, 0.95)
_LARGEST_GRADIENT = 1.0
_UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError)
_ANSWERED_AT_ONCE = 256
"""Instances; it bounds memory and changes no answer."""


class Learner:
    """X in training, and X as it answers.

    X is a running mean of the weights in training (Polyak averaging), so that it moves slowly, as the paper's
    teacher does. The learning rate falls with the root of the steps made, so that how many rounds are still to
    come changes nothing.

    The same seed, rows and number of threads give the same weights on the same machine. A GPU is used where
    there is one, and promises less: its sums may differ in the last bits.

    Args:
        encoding: the task's.
        settings: the network and its training.
        seed: of the first weights.
    """

    def __init__(self, encoding: Encoding, settings: LearnerSettings, seed: int) -> None:
        self.steps = 0
        self._settings = settings
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Network(encoding, settings)
        self._network = network.to(self._device)
        self._average = copy.deepcopy(self._network)
        self._optimiser = torch.optim.AdamW(
            self._network.parameters(), lr=settings.learning_rate, betas=_BETAS, weight_decay=settings.weight_decay
        )

    @property
    def device(self) -> str:
        """Where it computes: "cpu" or "cuda"."""
        return self._device.type

    def load(self, path: Path, key: str) -> dict[str, Any] | None:
        """Go on from what `save` wrote.

        Returns:
            The notes that were saved with it; None, and nothing is loaded, if there is no whole file.

        Raises:
            UsageError: it was saved under another key.
        """
        try:
            state = torch.load(path, map_location=self._device, weights_only=True)
        except _UNREADABLE:
            return None
        check_key(path, state["key"], key)
        self._network.load_state_dict(state["network"])
        self._average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps = state["steps"]
        notes: dict[str, Any] = state["notes"]
        return notes

    def save(self, path: Path, key: str, notes: dict[str, Any]) -> None:
        """Write everything that going on takes, so that a reader sees a whole file or none.

        Args:
            path: the file; its folder must be there.
            key: stands for everything that determined the weights.
            notes: numbers, strings and dictionaries to keep with them.
        """
        state = {
            "key": key,
            "notes": notes,
            "steps": self.steps,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
        }
        temporary = path.with_suffix(".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def train(self, facts: Tokens, questions: Tokens, targets: Tokens, places: Tokens) -> float:
        """Learn the targets (B, Q) of questions (B, Q, slots), one step for each row of ``places``.

        Args:
            facts: (B, F, slots).
            questions: what to answer.
            targets: the answers to learn.
            places: (steps, batch), which of the B instances each step learns from.

        Returns:
            The mean cross-entropy over the steps, in nats.
        """
        total = 0.0
        with _threads(self._settings.threads):
            for batch in places:
                self.steps += 1
                for group in self._optimiser.param_groups:
                    group["lr"] = self._learning_rate()
                logits = self._network(self._tensor(facts[batch]), self._tensor(questions[batch]))
                loss = nn.functional.cross_entropy(logits.flatten(0, 1), self._tensor(targets[batch]).flatten())
                self._optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(self._network.parameters(), _LARGEST_GRADIENT)
                self._optimiser.step()
                self._move_average()
                total += loss.item()
        return total / len(places)

    def answer(self, facts: Tokens, questions: Tokens) -> Tokens:
        """X's answers (B, Q) to questions (B, Q, slots) about instances (B, F, slots)."""
        answers = np.empty(questions.shape[:2], np.int64)
        with _threads(self._settings.threads), torch.inference_mode():
            for start in range(0, len(facts), _ANSWERED_AT_ONCE):
                part = slice(start, start + _ANSWERED_AT_ONCE)
                logits = self._average(self._tensor(facts[part]), self._tensor(questions[part]))
                answers[part] = logits.argmax(dim=-1).cpu().numpy()
        return answers

    def _learning_rate(self) -> float:
        rising = self.steps / self._settings.warm_up
        falling: float = (self._settings.hold / self.steps) ** 0.5
        return self._settings.learning_rate * min(1.0, rising, falling)

    @torch.no_grad()
    def _move_average(self) -> None:
        for mean, weight in zip(self._average.parameters(), self._network.parameters(), strict=True):
            mean.lerp_(weight, 1 - self._settings.averaging)

    def _tensor(self, tokens: Tokens) -> Tensor:
        return torch.from_numpy(tokens).to(self._device)


class _Network(nn.Module):
    """Facts attend to facts, each question to the facts and to no other question; then a question gives logits.

    Nothing tells one place among the facts from another, so their order cannot change an answer.
    """

    def __init__(self, encoding: Encoding, settings: LearnerSettings) -> None:
        super().__init__()
        self.facts = _Slots(encoding.facts, settings.width)
        self.question = _Slots(encoding.question, settings.width)
        self.layers = nn.ModuleList(_Layer(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)
        self.answer = nn.Linear(settings.width, encoding.answers)

    def forward(self, facts: Tensor, questions: Tensor) -> Tensor:
        """Logits (B, Q, answers)."""
        stream = torch.cat([self.facts(facts), self.question(questions)], dim=1)
        for layer in self.layers:
            stream = layer(stream, facts.shape[1])
        logits: Tensor = self.answer(self.norm(stream[:, facts.shape[1] :]))
        return logits


class _Slots(nn.Module):
    """One embedding for a fact or a question: the sum of one per slot."""

    def __init__(self, values: tuple[int, ...], width: int) -> None:
        super().__init__()
        self.slots = nn.ModuleList(nn.Embedding(count, width) for count in values)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, slots) to (B, N, width)."""
        return torch.stack([slot(tokens[..., place]) for place, slot in enumerate(self.slots)]).sum(dim=0)


class _Layer(nn.Module):
    """Attention to the facts, then a feed-forward block, each on its own norm (pre-norm)."""

    def __init__(self, settings: LearnerSettings) -> None:
        super().__init__()
        width = settings.width
        self.heads = settings.heads
        self.before_attention = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key_value = nn.Linear(width, 2 * width, bias=False)
        self.attended = nn.Linear(width, width, bias=False)
        self.before_forward = nn.LayerNorm(width)
        self.expand = nn.Linear(width, settings.hidden)
        self.contract = nn.Linear(settings.hidden, width)
        with torch.no_grad():
            for last in (self.attended, self.contract):
                last.weight.mul_((2 * settings.layers) ** -0.5)

    def forward(self, stream: Tensor, facts: int) -> Tensor:
        """(B, N, width) to the same; the first ``facts`` of the N are what is attended to."""
        normed = self.before_attention(stream)
        queries = self._split(self.query(normed))
        keys, values = (self._split(half) for half in self.key_value(normed[:, :facts]).chunk(2, dim=-1))
        weights = torch.softmax(queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5, dim=-1)
        stream = stream + self.attended((weights @ values).transpose(1, 2).flatten(2))
        changed: Tensor = stream + self.contract(torch.relu(self.expand(self.before_forward(stream))))
        return changed

    def _split(self, vectors: Tensor) -> Tensor:
        """(B, N, width) to (B, heads, N, width per head)."""
        return vectors.view(*vectors.shape[:2], self.heads, -1).transpose(1, 2)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch on so many threads, and as many as before afterwards: the number decides in which order it sums."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
