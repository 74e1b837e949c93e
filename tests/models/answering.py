"""A server that answers whatever a test says, in any provider's shape."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[Mapping[str, Any]], tuple[int, Any]]
"""From a request's body to the status and the response's body; a text is sent as it stands."""


def completion(content: Any = "B", *, message: Any = None, usage: Any = None, **choice: Any) -> dict[str, Any]:
    """A chat completion in OpenAI's shape."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12} if usage is None else usage
    said = {"role": "assistant", "content": content, **(message or {})}
    listed = [{"index": 0, "message": said, "finish_reason": "stop", "logprobs": None, **choice}]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": listed, "usage": usage}


def top(*entries: tuple[str, float | None]) -> dict[str, Any]:
    """Log probabilities of the first token, which was the first of ``entries``."""
    listed = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in entries]
    return {"content": [{**listed[0], "top_logprobs": listed}]}


@contextmanager
def answering(answer: Answer) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve ``answer``; gives the server's address and the bodies of the requests so far."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.append(body)
            status, content = answer(body)
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", received
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
