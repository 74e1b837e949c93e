"""The two embedded models: a judge that has learned from a few pixels, and a debater that plays it perfectly.

They are the experiment of Irving, Christiano and Amodei 2018 (arXiv 1805.00899, section 3) run for real on
8x8 digits: no competence is simulated, and both read the same prompts a language model gets.
"""

from __future__ import annotations

import json
import random
import time
from abc import abstractmethod
from typing import Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from oversight.core.chat import ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass
from oversight.models.base import ChatModel, ModelSettings
from oversight.models.embedded.digits.chat_reading import GameView, read_chat
from oversight.models.embedded.digits.classifier import Classifier, trained
from oversight.models.embedded.digits.images import Pixel
from oversight.models.embedded.digits.minimax import Payoff
from oversight.models.embedded.digits.solver import Solver
from oversight.models.embedded.embedded_reply import embedded_reply
from oversight.util.digest import draw

__all__ = ["PixelDebater", "PixelJudge", "PixelSettings"]

Image = NDArray[np.uint8]


class _Side(NamedTuple):
    """The digit a seat's game is about, and whether it argues for it or against it."""

    digit: int
    defends: bool


class PixelSettings(ModelSettings):
    """What both models may be told. The debater plays against the judge these settings describe.

    Attributes:
        belief: ``logprob`` or ``stated``; both give the same numbers, so there is nothing to sample.
        pixels: how many pixels the judge has seen when it decides, those the question shows included. A
            debate of r rounds reveals 2r, a consultancy of r rounds r. Up to 4 is fast; 6 takes seconds and
            about a gigabyte per image.
        seed: of the judge's training; None for the experiment's seed.
        play: how the debater plays, ``exact`` or ``random``: a pixel drawn uniformly from those not revealed, another
            one for each sample, which is what best-of-n chooses from.
    """

    belief: Literal["logprob", "stated"] = "logprob"
    pixels: int = Field(4, ge=1, le=6)
    seed: int | None = None
    play: Literal["exact", "random"] = "exact"


class _PixelModel(ChatModel):
    """Reads the chat, answers in whichever form is asked, and counts words where others count tokens."""

    Settings = PixelSettings
    metered = False

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self._judge = Classifier.from_state(state)

    @classmethod
    def prepare(cls, settings: ModelSettings, seed: int) -> object:
        """Train the judge, or load its weights: a dictionary of arrays for the constructor."""
        asked = cast(PixelSettings, settings)
        return trained(asked.pixels, seed if asked.seed is None else asked.seed).state

    @classmethod
    def price(cls, settings: ModelSettings, prompt_tokens: int, completion_tokens: int) -> float | None:
        """Nothing: it runs here."""
        return 0.0

    async def chat(self, request: ChatRequest) -> ChatReply:
        """Answer from the text of the chat alone; a belief if choices or labels are asked for.

        Raises:
            CallFailed: invalid_request, because the answers are not digits, or a form is asked for that is
                no belief over the labels.
        """
        started = time.perf_counter()
        sight = read_chat(request.messages)
        probs: dict[str, float] | None = None
        if request.choices:
            probs = self._over(request.choices, sight)
            text = max(probs, key=probs.__getitem__)
        elif request.json_schema is not None:
            wanted = [name for name in request.json_schema.get("properties", {}) if name != "abstain"]
            text = json.dumps(self._over(wanted, sight) | {"abstain": False})
        else:
            text = self.speak(sight, draw(request.seat, request.sample, request.messages))
        return embedded_reply(self.settings.model, request, text, started, probs)

    @abstractmethod
    def speak(self, sight: GameView, rng: random.Random) -> str:
        """Answer a request in plain words; ``rng`` is the sample's own."""

    @abstractmethod
    def belief(self, sight: GameView) -> NDArray[np.float64]:
        """How likely each of the ten digits is, in log-odds over any common reference: (10,)."""

    def _over(self, labels: tuple[str, ...] | list[str], sight: GameView) -> dict[str, float]:
        """The belief restricted to the answers presented, by label."""
        if set(labels) != set(sight.answers):
            raise CallFailed(
                FailureClass.INVALID_REQUEST,
                f"{self.settings.model} can choose among the question's answers, but fill in no other form",
            )
        scores = self.belief(sight)[[sight.answers[label] for label in labels]]
        weights = np.exp(scores - scores.max())
        return dict(zip(labels, (weights / weights.sum()).tolist(), strict=True))


class PixelJudge(_PixelModel):
    """A weak judge: a classifier trained on ``pixels`` random nonzero pixels of other images.

    It takes into account the pixels the question shows, those in verified quotes, and the material if it
    sees it; it is deaf to everything else that is said.
    """

    def speak(self, sight: GameView, rng: random.Random) -> str:
        """Ask for evidence; a plain reply is never a belief."""
        return "Show me the most telling pixel."

    def belief(self, sight: GameView) -> NDArray[np.float64]:
        """The classifier's logits."""
        return self._judge.logits(sight.known).astype(np.float64)


class PixelDebater(_PixelModel):
    """A strong seat that sees the image and reveals one pixel a turn, by exact minimax against the judge.

    What it maximises is the judge's log-odds, at the end, of the answer it argues for: over its opponent's
    if both are committed, over the best other answer presented if its opponent is not or if there is none;
    arguing against a digit without a commitment, it minimises that digit's. It expects its opponent to
    answer every turn with a pixel, and itself to be the next to move: in simultaneous turns it plays as if
    it moved first. Every reveal counts as a turn even if wasted; once ``pixels`` turns are over, each
    further one is played as if it were the last.

    Free to choose, it argues for what it believes. It believes the digit with the highest mean
    log-probability over all sets of ``pixels`` nonzero pixels: what the judge would conclude if it could
    look at the image again and again (0.94 accurate, where the judge is 0.50).
    """

    def __init__(self, settings: ModelSettings, state: object = None) -> None:
        super().__init__(settings, state)
        self._pixels = cast(PixelSettings, settings).pixels
        self._random = cast(PixelSettings, settings).play == "random"
        self._solver = Solver(self._judge)

    def speak(self, sight: GameView, rng: random.Random) -> str:
        """Reveal a pixel."""
        image = sight.image
        if image is None:
            return "I cannot see the image."
        side = self._side(sight)
        label = next(label for label, digit in sight.answers.items() if digit == side.digit)
        claim = f"The answer is {label}" if side.defends else f"The answer is not {label}"
        revealed = {pixel.place for pixel in _seen(sight, image)}
        if revealed.issuperset(np.flatnonzero(image).tolist()):
            return f"{claim}; every pixel is on the table."
        if self._random:
            place = rng.choice(sorted(set(np.flatnonzero(image).tolist()) - revealed))
        else:
            place = self._reveal(sight, image, revealed, side)
        return f"{claim}: <quote>{Pixel(place, int(image[place]))}</quote>"

    def belief(self, sight: GameView) -> NDArray[np.float64]:
        """Mean log-probability over sets of pixels, scaled as if disjoint sets were independent evidence."""
        if sight.image is None:
            return self._judge.logits(sight.known).astype(np.float64)
        present = np.count_nonzero(sight.image)
        count = min(self._pixels, int(present))
        logits = self._solver.outcomes(sight.image, (), count).astype(np.float64)
        digits = list(sight.answers.values())
        scores = np.full(logits.shape[1], -np.inf)
        shown = logits[:, digits] - logits[:, digits].max(axis=1, keepdims=True)
        shown -= np.log(np.exp(shown).sum(axis=1, keepdims=True))
        scores[digits] = shown.mean(axis=0) * (present / max(count, 1))
        return scores

    def _side(self, sight: GameView) -> _Side:
        stance = sight.stance
        if stance.argues is not None:
            return _Side(stance.argues, True)
        if stance.against is not None:
            return _Side(stance.against, False)
        return _Side(int(self.belief(sight).argmax()), True)

    def _reveal(self, sight: GameView, image: Image, revealed: set[int], side: _Side) -> int:
        """The place that the rest of the game is best begun with."""
        stance = sight.stance
        if side.defends and stance.against is not None:
            rivals: tuple[int, ...] = (stance.against,)
        else:
            rivals = tuple(digit for digit in sorted(sight.answers.values()) if digit != side.digit)
        shown = {place for place in sight.public if image[place]}
        planned = self._pixels - len(shown)
        made = sight.own_turns + (sight.other_turns if stance.contested else 0)
        left = max(planned - made, 1)
        # While no move was wasted the position lies in the game both sides began, solved once for all turns.
        on_plan = made < planned and len(revealed - shown) == made
        base, before = (shown, made) if on_plan else (revealed, 0)
        turns = tuple(
            side.defends if (turn - before) % 2 == 0 or not stance.contested else not side.defends
            for turn in range(before + left)
        )
        game = self._solver.game(image, Payoff(side.digit, rivals), turns, base)
        return game.best(revealed - base)


def _seen(sight: GameView, image: Image) -> list[Pixel]:
    """The pixels on the table, as far as they are the image's."""
    table = sight.public | sight.revealed
    return [Pixel(place, value) for place, value in table.items() if image[place] == value and value]
