"""A language model from a GGUF file or a Hugging Face folder, and what is known of its tokens."""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch

from oversight.core.chat import ChatMessage
from oversight.models.embedded.language.chat_prompt import Prompter
from oversight.models.reply.probabilities import bare_token
from oversight.models.reply.thought import opens_thought

__all__ = ["Checkpoint", "DType"]

DType = Literal["auto", "float32", "bfloat16", "float16"]

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end_of_turn|>", "<end_of_turn>", "<|end|>", "<turn|>")
"""Tokens that end a turn in common chat templates; not every checkpoint says so itself."""

_CONTEXT = 2048
"""Tokens: for the rare model that does not say how many it can take."""


class Checkpoint:
    """A loaded model with its tokenizer.

    Args:
        path: a GGUF file, or a folder in Hugging Face's format. Nothing is downloaded, and no code in it is run.
        dtype: of the weights; ``auto`` is float32 on a CPU and bfloat16 on a GPU.

    Raises:
        Exception: it cannot be loaded; the libraries raise what they like.
    """

    def __init__(self, path: Path, dtype: DType = "auto") -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind = "bfloat16" if self.device.type == "cuda" else "float32"
        where: dict[str, Any] = {"pretrained_model_name_or_path": path, "local_files_only": True}
        if path.is_file():
            where |= {"pretrained_model_name_or_path": path.parent, "gguf_file": path.name}
        with _quiet():
            self.tokenizer: Any = AutoTokenizer.from_pretrained(**where)
            model: Any = AutoModelForCausalLM.from_pretrained(
                **where, dtype=_DTYPES[kind if dtype == "auto" else dtype]
            )
        self.model: Any = model.eval().to(self.device)
        self._prompter = Prompter(self.tokenizer)
        accepted = inspect.signature(self.model.forward).parameters
        # Transformers renamed the argument in 5.2x; older models keep the older name.
        self.cache_argument = "cache" if "cache" in accepted else "past_key_values"
        self.extras: dict[str, Any] = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}

    @property
    def context(self) -> int:
        """Tokens that a prompt and its reply may have together."""
        config = self.model.config.get_text_config(decoder=True)
        return int(getattr(config, "max_position_embeddings", None) or _CONTEXT)

    def encode(self, messages: Sequence[ChatMessage]) -> tuple[list[int], bool]:
        """Return a chat's tokens, and whether the template opens a thought, so that the reply begins inside it."""
        text = self._prompter.text(messages)
        tokens = list(self.tokenizer(text, add_special_tokens=not self.tokenizer.chat_template)["input_ids"])
        last = text.rstrip().rpartition("\n")[2]
        return tokens, last.startswith("<") and last.endswith(">") and opens_thought(last)

    def decode(self, tokens: Sequence[int]) -> str:
        """Return what tokens say, control tokens left out."""
        text = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return str(text)

    @cached_property
    def ends(self) -> frozenset[int]:
        """The tokens that end a turn."""
        named = [self.model.generation_config.eos_token_id, self.model.config.eos_token_id]
        named.append(self.tokenizer.eos_token_id)
        found = {int(each) for one in named if one is not None for each in (one if isinstance(one, list) else [one])}
        vocabulary = self.tokenizer.get_added_vocab()
        return frozenset(found | {int(vocabulary[mark]) for mark in _TURN_ENDS if mark in vocabulary})

    @cached_property
    def wordless(self) -> torch.Tensor:
        """The numbers of all tokens that say nothing by themselves: spaces and control tokens."""
        silent = [number for number, text in enumerate(self._texts) if not text.strip()]
        return torch.tensor(sorted({*silent, *self.ends}), device=self.device)

    def variants(self, label: str) -> torch.Tensor:
        """Return the numbers of all tokens that are ``label`` but for spaces and punctuation around it."""
        return torch.tensor(self._by_bare_text.get(bare_token(label), []), dtype=torch.long, device=self.device)

    @cached_property
    def _texts(self) -> list[str]:
        """What each token says; the model may have more outputs than the tokenizer has tokens."""
        numbers = [[number] for number in range(len(self.tokenizer))]
        texts = self.tokenizer.batch_decode(numbers, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        size = int(self.model.get_output_embeddings().weight.shape[0])
        return [*texts, *[""] * (size - len(texts))][:size]

    @cached_property
    def _by_bare_text(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for number, text in enumerate(self._texts):
            if text.strip():
                found[bare_token(text)].append(number)
        return found


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Transformers' progress bars and advice off stderr while a model is loaded."""
    from transformers import modeling_gguf_pytorch_utils as gguf_reader
    from transformers.utils import logging as talk

    level, bars, gguf_bar = talk.get_verbosity(), talk.is_progress_bar_enabled(), getattr(gguf_reader, "tqdm", None)
    talk.set_verbosity(logging.ERROR)
    talk.disable_progress_bar()
    if gguf_bar is not None:  # this one obeys no setting
        gguf_reader.tqdm = partial(gguf_bar, disable=True)
    try:
        yield
    finally:
        talk.set_verbosity(level)
        if bars:
            talk.enable_progress_bar()
        if gguf_bar is not None:
            gguf_reader.tqdm = gguf_bar
