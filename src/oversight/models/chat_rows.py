"""Chat-SFT rows: one conversation a line, in the form that TRL and OpenAI's fine-tuning API both document."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from oversight.core.chat import ChatMessage
from oversight.errors import UsageError

__all__ = ["ChatRow", "problems", "problems_in", "read_rows", "write_rows"]

FEWEST_ROWS = 10
"""OpenAI's fine-tuning guide: a training file holds at least ten examples."""
LONGEST_FILE_BYTES = 512 * 1024**2
"""OpenAI's files API: one file is at most 512 MB."""
LONGEST_ROW_TOKENS = 65_536
"""OpenAI's limit of one training example for the models of 2024 and later; what is beyond it is cut off unasked."""

_ROLES = ("system", "user", "assistant")
_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 3  # as OpenAI's cookbook counts them

# What OpenAI's API knows beyond our own rows: tools, and names and weights of messages.
_KNOWN_ROLES = (*_ROLES, "tool")
_ROW_KEYS = frozenset({"messages", "tools", "parallel_tool_calls", "functions"})
_MESSAGE_KEYS = frozenset({"role", "content", "name", "weight", "tool_calls", "tool_call_id", "function_call"})
_CALLS = frozenset({"tool_calls", "function_call"})

# Line ends to some readers, though not to JSON lines.
_LINE_ENDS = {ord(mark): f"\\u{ord(mark):04x}" for mark in "\x85\u2028\u2029"}


class ChatRow(BaseModel):
    """One conversation to learn from; what is learnt is how it ends.

    Attributes:
        messages: in order; the last is the assistant's.
    """

    # What a model said may hold anything, and errors are printed.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    messages: tuple[ChatMessage, ...]

    @field_validator("messages")
    @classmethod
    def _is_a_lesson(cls, messages: tuple[ChatMessage, ...]) -> tuple[ChatMessage, ...]:
        for message in messages:
            if message.role not in _ROLES:
                raise ValueError(f"there is no role '{message.role}'; there are {', '.join(_ROLES)}")
            if not message.content.strip():
                raise ValueError(f"the {message.role} message is empty")
            if not _is_unicode(message.content):
                raise ValueError(f"the {message.role} message is not valid Unicode")
        if not messages or messages[-1].role != "assistant":
            raise ValueError("the last message must be the assistant's")
        return messages

    @classmethod
    def of(cls, prompt: Sequence[ChatMessage], reply: str) -> Self:
        """The lesson to say ``reply`` when told ``prompt``.

        Raises:
            ValueError: a message is empty, has a role that a chat does not know, or is not valid Unicode.
        """
        return cls(messages=(*prompt, ChatMessage("assistant", reply)))

    def to_json(self) -> str:
        """The row as one line of JSON: ``{"messages": [{"role": …, "content": …}, …]}`` and nothing else."""
        row = {"messages": [message._asdict() for message in self.messages]}
        return json.dumps(row, ensure_ascii=False).translate(_LINE_ENDS)


def write_rows(path: Path, rows: Iterable[ChatRow]) -> str:
    """Write ``rows`` to ``path``, which holds the old content or all of the new, whatever happens.

    Returns:
        The SHA-256 of the file in hexadecimal; the same rows give the same.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    written = hashlib.sha256()
    try:
        with os.fdopen(handle, "wb") as file:
            for row in rows:
                line = row.to_json().encode() + b"\n"
                file.write(line)
                written.update(line)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return written.hexdigest()


def read_rows(path: Path) -> tuple[ChatRow, ...]:
    """The rows in a file that `write_rows` wrote, or one like it.

    Raises:
        UsageError: the file cannot be read, or a line is no row; says which line and what.
    """
    rows = []
    for number, line in enumerate(_lines(_content(path)), 1):
        try:
            rows.append(_row(line))
        except ValueError as error:
            raise UsageError(f"{path}, line {number}: {_reason(error)}") from None
    return tuple(rows)


def problems(path: Path) -> list[str]:
    """What OpenAI's fine-tuning API would refuse or cut off in a file, each as one line; nothing if it is fine.

    The rules are those that OpenAI documents: at least ten examples and at most 512 MB (fine-tuning guide, files
    API); the format checks of https://cookbook.openai.com/examples/chat_finetuning_data_prep (each line an object
    with a list of messages; their keys, roles and content; an assistant's message among them), and the keys of
    ``FineTuneChatRequestInput`` in OpenAI's OpenAPI description; the last message is the assistant's; no example
    is longer than the model trains on. Tokens are estimated from characters.
    """
    try:
        return problems_in(_content(path))
    except UsageError as error:
        return [str(error)]


def problems_in(content: bytes) -> list[str]:
    """As `problems`, of a file's content."""
    if len(content) > LONGEST_FILE_BYTES:
        return [f"the file has {len(content):,} bytes; at most {LONGEST_FILE_BYTES:,} are taken"]
    lines = list(_lines(content))
    found = [f"line {number}: {wrong}" for number, line in enumerate(lines, 1) for wrong in _wrong_with(line)]
    if len(lines) < FEWEST_ROWS:
        found.insert(0, f"there are {len(lines)} examples; at least {FEWEST_ROWS} are needed")
    return found


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}") from None


def _lines(content: bytes) -> Iterator[bytes]:
    """The lines; one that follows the last line end and is empty is none."""
    yield from content.removesuffix(b"\n").split(b"\n") if content else ()


def _row(line: bytes) -> ChatRow:
    """The row on a line.

    Raises:
        ValueError: there is none.
    """
    held = json.loads(line.decode())
    if not isinstance(held, Mapping) or held.keys() != {"messages"} or not isinstance(held["messages"], list):
        raise ValueError('it is not of the form {"messages": […]}')
    if not all(isinstance(each, Mapping) and each.keys() == {"role", "content"} for each in held["messages"]):
        raise ValueError("a message has a role and a content, and nothing else")
    return ChatRow(messages=tuple(ChatMessage(each["role"], each["content"]) for each in held["messages"]))


def _reason(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    unreadable = isinstance(error, json.JSONDecodeError | UnicodeDecodeError)
    return "it is not valid JSON in UTF-8" if unreadable else str(error)


def _is_unicode(text: str) -> bool:
    """Whether ``text`` can be written at all; half a surrogate pair, which JSON can spell, cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _wrong_with(line: bytes) -> Iterator[str]:
    """What is wrong with one example."""
    try:
        row = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        yield f"not valid JSON in UTF-8: {error}"
        return
    if not isinstance(row, Mapping):
        yield "an example is a JSON object"
        return
    if unknown := sorted(row.keys() - _ROW_KEYS):
        yield f"unknown key '{unknown[0]}'"
    messages = row.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "'messages' must be a list that is not empty"
        return
    for place, message in enumerate(messages, 1):
        yield from (f"message {place}: {wrong}" for wrong in _wrong_with_message(message))
    roles = [message.get("role") if isinstance(message, Mapping) else None for message in messages]
    if "assistant" not in roles:
        yield "no message is the assistant's, so there is nothing to learn"
    elif roles[-1] != "assistant":
        yield "the last message must be the assistant's"
    if (tokens := _tokens(messages)) > LONGEST_ROW_TOKENS:
        yield f"about {tokens:,} tokens; beyond {LONGEST_ROW_TOKENS:,} an example is cut off"


def _wrong_with_message(message: Any) -> Iterator[str]:
    if not isinstance(message, Mapping):
        yield "a message is a JSON object"
        return
    if unknown := sorted(message.keys() - _MESSAGE_KEYS):
        yield f"unknown key '{unknown[0]}'"
    if (role := message.get("role")) not in _KNOWN_ROLES:
        yield f"there is no role {json.dumps(role)}; there are {', '.join(_KNOWN_ROLES)}"
    content = message.get("content")
    calls = role == "assistant" and any(message.get(key) for key in _CALLS)
    text = isinstance(content, str) and content.strip() and _is_unicode(content)
    if not text and not (content is None and calls):
        yield "'content' must be a text that is not empty"


def _tokens(messages: Sequence[Any]) -> int:
    """How many tokens an example takes, about."""
    texts = [message.get("content") for message in messages if isinstance(message, Mapping)]
    return sum(len(text) // _CHARACTERS_PER_TOKEN + _TOKENS_PER_MESSAGE for text in texts if isinstance(text, str))
