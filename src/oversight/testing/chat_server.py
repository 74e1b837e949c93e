"""A real chat-completions server on 127.0.0.1 that fails on demand, for tests that patch nothing."""

from __future__ import annotations

import json
import math
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

from oversight.testing.answering import Responder, chat_completion, default_responder
from oversight.testing.faults import Chaos, Fault, Reply
from oversight.testing.fine_tuning_endpoint import FineTuningEndpoint
from oversight.testing.holding import ReplyHold, has_gone
from oversight.testing.shapes import REFUSALS, SHAPES, draw_shape
from oversight.util.digest import digest

__all__ = ["LoopbackServer", "ReceivedRequest", "ServedReply"]

_REQUESTS = "/requests"
_HOLD, _RELEASE = "/hold", "/release"
_POLL_S = 0.02


class ReceivedRequest(NamedTuple):
    """One request as it came in; header names are lower case."""

    path: str
    body: Mapping[str, Any]
    headers: Mapping[str, str]


class ServedReply(NamedTuple):
    """What became of one request for a completion.

    Attributes:
        number: its place among all, from 0.
        digest: of its body.
        model: the model that was asked for.
        at: when it came, in seconds since 1970.
        fault: the fault's name if `Chaos` drew one, or ``told`` if it was one of `LoopbackServer.faults`.
        status: the HTTP status sent; None while there is no answer.
        ended: when the last byte was sent or the connection was found closed; None until then.
        complete: whether all of the response was sent to a client that was still there.
        usual: whether that response says what a request like this is told when nothing goes wrong, in whatever shape.
        shape: the name of the shape that the reply was written in, if any; see `oversight.testing.shapes`.
        refusal: which of `LoopbackServer.refuses` the request met, if any.
    """

    number: int
    digest: str
    model: str
    at: float
    fault: str | None = None
    status: int | None = None
    ended: float | None = None
    complete: bool = False
    usual: bool = False
    shape: str | None = None
    refusal: str | None = None


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # many workers connect at once

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hung up, which is what killed ones do."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class LoopbackServer:
    """Speaks the OpenAI chat completions API (without streaming) and its fine-tuning API on a local port.

    Use as a context manager and give a model ``api_base=server.api_base``. Every request for a completion
    takes the next of ``faults``, if any is left; with the others, ``chaos`` may have something go wrong; the
    rest are answered by the responder. ``GET /requests`` lists `served` as JSON lines, ``?from=N`` those
    from that number on. ``POST /hold`` keeps every reply back until ``POST /release``.

    Args:
        responder: says what the model answers; see `default_responder`.
        unsupported: request parameters that are answered with 400.
        chaos: faults and shapes at random.
        shape: the name of a shape that every reply is written in to which it can be given.
        refuses: names of what the server as a whole does not take; see `oversight.testing.shapes.REFUSALS`.
        port: to listen on; 0 takes a free one.
        keep: whether `received` holds every request; without, a server can run for days.

    Attributes:
        faults: what goes wrong with the coming requests, in order; None lets one through. Append at any time.
        received: every completion request so far, refused ones too.
        served: what became of each.
        tuning: the files and fine-tuning jobs, and what goes wrong with them.
        holding: keeps replies back.
    """

    def __init__(
        self,
        responder: Responder | None = None,
        *,
        unsupported: tuple[str, ...] = (),
        chaos: Chaos | None = None,
        shape: str | None = None,
        refuses: Sequence[str] = (),
        port: int = 0,
        keep: bool = True,
    ) -> None:
        self.responder = responder or default_responder
        self.unsupported = unsupported
        self.chaos = chaos or Chaos()
        if shape is not None:
            self.chaos = self.chaos._replace(shapes=1.0, shape_names=(shape,))
        self.refuses = {name: REFUSALS[name] for name in refuses}
        if unknown := set(self.chaos.shape_names) - SHAPES.keys():
            raise ValueError(f"there is no shape {', '.join(sorted(unknown))}")
        self.faults: deque[Fault | None] = deque()
        self.received: list[ReceivedRequest] = []
        self.served: list[ServedReply] = []
        self.tuning = FineTuningEndpoint()
        self._keep = keep
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self.holding = ReplyHold()
        self._http = _HTTPServer(("127.0.0.1", port), _handler_of(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(_POLL_S,), daemon=True)

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
        self.holding.release()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def _take(self, request: ReceivedRequest) -> tuple[ServedReply, Fault, int]:
        """Put a request on record and draw its fault; also returns how often its body came before."""
        key = digest(request.body)
        with self._lock:
            told = self.faults.popleft() if self.faults else None
            before = self._asked[key]
            kind, fault = ("told", told) if told else self.chaos.draw(key, before)
            self._asked[key] += 1
            served = ServedReply(len(self.served), key, str(request.body.get("model")), time.time(), kind)
            self.served.append(served)
            if self._keep:
                self.received.append(request)
        return served, fault, before

    def _answer(self, body: Mapping[str, Any], fault: Fault, served: ServedReply, before: int) -> tuple[Fault, str]:
        """What to send for a request, and its text."""
        self._delay(fault)
        model = str(body.get("model"))
        if (base := self.tuning.base_of(model)) is None:
            fault = Fault.error(404, f"The model `{model}` does not exist or you do not have access to it.")
        for name in self.unsupported:
            if name in body:
                fault = Fault.error(400, f"Unsupported parameter: '{name}' is not supported with this model.")
        for name, refusal in self.refuses.items():
            if refusal.asks(body):
                fault = refusal.fault
                self._note(served.number, refusal=name)
                break
        if fault.body is not None:
            return fault, fault.body
        if fault.reply is not None:
            return fault, json.dumps(chat_completion(body, fault.reply, served.number))
        reply = self.tuning.recall(body) or self.responder(body if base == model else {**body, "model": base})
        reply = Reply(reply) if isinstance(reply, str) else reply
        shape, sent = draw_shape(self.chaos, served.digest, before, body, reply)
        self._note(served.number, shape=shape)
        return fault, json.dumps(sent.applied_to(chat_completion(body, reply, served.number)))

    def _delay(self, fault: Fault) -> None:
        """Wait for as long as a fault says, or until the server closes."""
        if fault.delay_s:
            self._closing.wait(None if math.isinf(fault.delay_s) else fault.delay_s)

    def _note(self, number: int, **became: Any) -> None:
        """Put on record what became of a request."""
        with self._lock:
            self.served[number] = self.served[number]._replace(**became)

    def _end(self, number: int, status: int, *, complete: bool, usual: bool) -> None:
        """Put on record how the response to a request ended."""
        served = self.served[number]
        says_it = served.refusal is None and (served.shape is None or SHAPES[served.shape].same_content)
        usual = usual and complete and says_it and status == HTTPStatus.OK
        self._note(number, status=status, ended=time.time(), complete=complete, usual=usual)

    def _log(self, first: int) -> str:
        """`served` from a number on, as JSON lines."""
        with self._lock:
            served = self.served[first:]
        return "".join(json.dumps(each._asdict()) + "\n" for each in served)


def _handler_of(server: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    """The request handler class bound to one server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write per response, else Nagle's algorithm costs 40 ms each

        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            if self._tunes(b""):
                return
            if asked.path.rstrip("/") == _REQUESTS:
                first = parse_qs(asked.query).get("from", ["0"])[-1]
                log = server._log(int(first) if first.isdecimal() else 0)
                self._send(Fault(headers={"Content-Type": "application/x-ndjson"}), log)
            else:
                self._send(Fault(), json.dumps({"object": "list", "data": [{"id": "loopback", "object": "model"}]}))

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self._tunes(raw):
                return
            if self.path in {_HOLD, _RELEASE}:
                server.holding.hold() if self.path == _HOLD else server.holding.release()
                self._send(Fault(), "{}")
                return
            body = json.loads(raw)
            headers = {name.lower(): value for name, value in self.headers.items()}
            served, fault, before = server._take(ReceivedRequest(self.path, body, headers))
            usual = fault._replace(delay_s=0, pace_s=0, headers=Fault().headers) == Fault()
            fault, text = server._answer(body, fault, served, before)
            sent = False
            with server.holding.sending():
                try:
                    if not has_gone(self.connection):
                        self._send(fault, text)
                        sent = True
                finally:
                    server._end(served.number, fault.status, complete=sent and not fault.cut, usual=usual)
            self.close_connection |= not sent

        def _tunes(self, raw: bytes) -> bool:
            """Answer a request that is about fine-tuning; False: it is not."""
            answer = server.tuning.answer(self.command, self.path, dict(self.headers), raw)
            if answer is not None:
                server._delay(answer[0])
                self._send(*answer)
            return answer is not None

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
            """Say nothing: the requests are in ``served``."""

    return Handler
