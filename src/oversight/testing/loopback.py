"""A real chat-completions server on 127.0.0.1 that fails on demand, for tests that patch nothing."""

from __future__ import annotations

import hashlib
import json
import math
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from oversight.models.rehearsal import fitting

__all__ = ["Fault", "LoopbackServer", "Received", "Reply", "Responder", "default_responder"]

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_LABEL = re.compile(r"^\s*\(?([A-Z])[).:]", re.MULTILINE)
_CHOICES = re.compile(r"nothing else: ([A-Z](?:, [A-Z])*)\.\s*$")


class Reply(NamedTuple):
    """What the served model says.

    Attributes:
        text: the reply's content.
        finish_reason: OpenAI's word for why it ended.
        first_token: probabilities of first tokens, sent as log probabilities to a request that asks for them.
        refusal: the text of OpenAI's ``refusal`` field; the content is null then.
        cached_tokens: how many prompt tokens count as cached.
    """

    text: str
    finish_reason: str = "stop"
    first_token: Mapping[str, float] | None = None
    refusal: str | None = None
    cached_tokens: int = 0


Responder = Callable[[Mapping[str, Any]], Reply | str]
"""Answers one request body."""


class Received(NamedTuple):
    """One request as it came in; header names are lower case."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class Fault(NamedTuple):
    """What goes wrong with one request; each class method is a well-known way.

    Attributes:
        status: the HTTP status.
        body: the exact response body; None: the responder's usual one.
        headers: response headers to add.
        reply: replaces what the responder would say.
        delay_s: seconds to wait before answering.
        pace_s: seconds between one byte of the body and the next.
        cut: send half of the body, then drop the connection.
    """

    status: int = 200
    body: str | None = None
    headers: Mapping[str, str] = _NO_HEADERS
    reply: Reply | None = None
    delay_s: float = 0.0
    pace_s: float = 0.0
    cut: bool = False

    @classmethod
    def error(
        cls, status: int, message: str, *, code: str | None = None, headers: Mapping[str, str] = _NO_HEADERS
    ) -> Fault:
        """An OpenAI error object under any status; 200 is one that hides its failure."""
        error = {"message": message, "type": "error", "param": None, "code": code}
        return cls(status, json.dumps({"error": error}), headers)

    @classmethod
    def rate_limited(cls, retry_after: str | float | None = None) -> Fault:
        """429; ``retry_after`` is seconds or an HTTP date."""
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls.error(429, "Rate limit reached", code="rate_limit_exceeded", headers=headers)

    @classmethod
    def unauthorized(cls, key: str = "sk-wrong") -> Fault:
        """401 that repeats the key, as OpenAI's does."""
        return cls.error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key")

    @classmethod
    def context_length(cls) -> Fault:
        """400 for a prompt that is too long."""
        message = "This model's maximum context length is 8192 tokens. However, your messages are 9000 tokens."
        return cls.error(400, message, code="context_length_exceeded")

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """The usual reply, late."""
        return cls(delay_s=seconds)

    @classmethod
    def hang(cls) -> Fault:
        """No reply until the server closes."""
        return cls(delay_s=math.inf)

    @classmethod
    def trickle(cls, seconds: float = 0.05) -> Fault:
        """The usual reply, a byte at a time."""
        return cls(pace_s=seconds)

    @classmethod
    def reset(cls) -> Fault:
        """The connection drops in the middle of the body."""
        return cls(cut=True)

    @classmethod
    def not_json(cls) -> Fault:
        """200 with a body that does not parse."""
        return cls(body='{"id": "chatcmpl-1", "choices": [')

    @classmethod
    def no_choices(cls) -> Fault:
        """200 with an empty list of choices."""
        return cls(body='{"id": "chatcmpl-1", "object": "chat.completion", "choices": []}')

    @classmethod
    def blank(cls) -> Fault:
        """A finished reply of nothing."""
        return cls(reply=Reply(""))

    @classmethod
    def truncated(cls, text: str = "The passage clearly") -> Fault:
        """A reply that met the token limit."""
        return cls(reply=Reply(text, "length"))

    @classmethod
    def refusal(cls) -> Fault:
        """A reply in the refusal field."""
        return cls(reply=Reply("", refusal="I cannot help with that."))

    @classmethod
    def content_filter(cls) -> Fault:
        """A reply that the provider's filter stopped."""
        return cls(reply=Reply("", "content_filter"))


class LoopbackServer:
    """Speaks the OpenAI chat completions API (without streaming) on a free local port.

    Use as a context manager and give a model ``api_base=server.api_base``. Every request for a completion
    takes the next of ``faults``, if any is left; the rest are answered by the responder.

    Args:
        responder: says what the model answers; see `default_responder`.
        unsupported: request parameters that are answered with 400.

    Attributes:
        faults: what goes wrong with the coming requests, in order; None lets one through. Append at any time.
        received: every completion request so far, refused ones too.
    """

    def __init__(self, responder: Responder | None = None, *, unsupported: tuple[str, ...] = ()) -> None:
        self.responder = responder or default_responder
        self.unsupported = unsupported
        self.faults: deque[Fault | None] = deque()
        self.received: list[Received] = []
        self._closing = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def api_base(self) -> str:
        """The URL that OpenAI clients call their base URL."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def bodies(self) -> list[Mapping[str, Any]]:
        """The bodies of `received`."""
        return [request.body for request in self.received]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _answer(self, body: Mapping[str, Any]) -> tuple[Fault, str]:
        """What to send for a request, and its text."""
        fault = (self.faults.popleft() if self.faults else None) or Fault()
        if fault.delay_s:
            self._closing.wait(None if math.isinf(fault.delay_s) else fault.delay_s)
        for name in self.unsupported:
            if name in body:
                fault = Fault.error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        if fault.body is not None:
            return fault, fault.body
        reply = fault.reply or self.responder(body)
        reply = Reply(reply) if isinstance(reply, str) else reply
        return fault, json.dumps(_completion(body, reply, number=len(self.received)))


def default_responder(body: Mapping[str, Any]) -> Reply:
    """Answer plausibly, the same for the same request: an object that fits, a labelled answer, or prose.

    A request with ``logprobs`` whose last message lists labels (as the framework does, or ``A)``, ``(A)`` or ``A.``
    at a line's start) gets one of them, chosen by the message's hash, with probabilities.
    """
    prompt = str(body["messages"][-1]["content"])
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if schema is not None:
        return Reply(json.dumps(fitting(schema)))
    asked = _CHOICES.search(prompt)
    labels = asked[1].split(", ") if asked else sorted(set(_LABEL.findall(prompt)))
    if body.get("logprobs") and labels:
        chosen = labels[int(hashlib.sha256(prompt.encode()).hexdigest(), 16) % len(labels)]
        others = 0.3 / max(1, len(labels) - 1)
        return Reply(chosen, first_token={label: 0.7 if label == chosen else others for label in labels})
    return Reply("The second paragraph settles it: the date given there rules out the other reading.")


def _completion(body: Mapping[str, Any], reply: Reply, number: int) -> dict[str, Any]:
    """A ``chat.completion`` object."""
    content = None if reply.refusal else reply.text
    message = {"role": "assistant", "content": content, "refusal": reply.refusal}
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}
    if body.get("logprobs") and reply.first_token:
        ranked = sorted(reply.first_token.items(), key=lambda item: -item[1])
        tokens = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in ranked]
        choice["logprobs"] = {"content": [{**tokens[0], "top_logprobs": tokens[: body.get("top_logprobs", 0)]}]}
    prompt, completion = sum(len(str(m["content"]).split()) for m in body["messages"]), len(reply.text.split())
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body["model"],
        "choices": [choice],
        "usage": {**usage, "prompt_tokens_details": {"cached_tokens": reply.cached_tokens}},
    }


def _handler_of(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    """The request handler class bound to one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write per response, else Nagle's algorithm costs 40 ms each

        def do_GET(self) -> None:
            self._send(Fault(), json.dumps({"object": "list", "data": [{"id": "loopback", "object": "model"}]}))

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.received.append(Received(self.path, body, headers))
            self._send(*server._answer(body))

        def _send(self, fault: Fault, text: str) -> None:
            data = text.encode()
            self.send_response(fault.status)
            for name, value in {"Content-Type": "application/json", **fault.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            data = data[: len(data) // 2] if fault.cut else data
            step = 1 if fault.pace_s else max(1, len(data))
            for start in range(0, len(data), step):
                self.wfile.write(data[start : start + step])
                self.wfile.flush()
                server._closing.wait(fault.pace_s)
            self.close_connection = fault.cut

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the requests are in ``received``."""

    return Handler
