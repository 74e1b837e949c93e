"""The next token of every row, each by its own draw."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from oversight.models.embedded.language.batch_row import BatchRow

__all__ = ["first_token_probs", "next_tokens"]

_CANDIDATES = 1024
"""Tokens looked at first for ``top_p``: sorting a whole vocabulary takes as long as computing it."""


def next_tokens(logits: Tensor, rows: Sequence[BatchRow], wordless: Tensor) -> list[int]:
    """Choose a token for each row from its logits (rows, vocabulary).

    A row that has said nothing yet does not end: a blank reply is of no use.

    Args:
        logits: float32; overwritten.
        rows: in the same order.
        wordless: tokens that say nothing.
    """
    for place, row in enumerate(rows):
        if row.blank:
            logits[place].index_fill_(0, wordless, float("-inf"))
    greedy = logits.argmax(dim=-1).tolist()
    return [greedy[place] if row.job.temperature == 0 else _drawn(logits[place], row) for place, row in enumerate(rows)]


def first_token_probs(logits: Tensor, variants: Sequence[Tensor]) -> list[float]:
    """Return the probability that each of several sets of tokens has together; ``logits`` is (vocabulary,)."""
    probs = torch.softmax(logits.double(), dim=-1)
    return [float(probs[tokens].sum()) for tokens in variants]


def _drawn(logits: Tensor, row: BatchRow) -> int:
    """Draw one token by the inverse of the distribution function, at this row's next number."""
    # Less the largest first: a tiny temperature must not make infinities of all of them.
    probs = torch.softmax((logits.double() - logits.max()) / row.job.temperature, dim=-1)
    if row.job.top_p >= 1:
        return _at(probs, row.draw(), 1.0)
    best, numbers = probs.topk(min(_CANDIDATES, len(probs)))
    if float(best.sum()) < row.job.top_p:
        best, numbers = probs.sort(descending=True)
    shares = best.cumsum(dim=-1)
    # The smallest set that has at least top_p together, so the token that passes it belongs to it.
    count = min(int((shares < row.job.top_p).sum()) + 1, len(best))
    return int(numbers[_at(best[:count], row.draw(), float(shares[count - 1]))])


def _at(probs: Tensor, number: float, total: float) -> int:
    place = int(torch.searchsorted(probs.cumsum(dim=-1), torch.tensor(number * total, device=probs.device)))
    # Rounding may leave the sum a little below the number; a token without probability is never taken.
    return min(place, int(probs.nonzero()[-1]))
