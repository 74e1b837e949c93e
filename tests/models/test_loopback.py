"""The loopback server, as a plugin author's plain HTTP client sees it."""

from __future__ import annotations

import http.client
import json
import math
import signal
import subprocess
import sys
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from oversight.testing.loopback import Chaos, Fate, Fault, LoopbackServer


def post(server: LoopbackServer, content: str, **more: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": content}]} | more
    request = Request(f"{server.api_base}/chat/completions", json.dumps(body).encode())
    with urlopen(request, timeout=5) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def test_it_lists_a_model(server: LoopbackServer) -> None:
    with urlopen(f"{server.api_base}/models", timeout=5) as response:
        assert json.load(response)["data"][0]["object"] == "model"
    assert server.received == []


def test_default_replies_fit_the_request_and_repeat(server: LoopbackServer) -> None:
    labelled = post(server, "Choose.\nA) x\n(B) y", logprobs=True, top_logprobs=5)
    assert labelled["choices"] == post(server, "Choose.\nA) x\n(B) y", logprobs=True, top_logprobs=5)["choices"]
    [token] = labelled["choices"][0]["logprobs"]["content"]
    assert token["token"] == labelled["choices"][0]["message"]["content"]
    assert {entry["token"] for entry in token["top_logprobs"]} == {"A", "B"}

    asked = post(server, "Reply with the letter of one answer and nothing else: A, B, C.")["choices"][0]
    assert asked["message"]["content"] in ("A", "B", "C")
    assert asked["logprobs"] is None

    schema = {
        "type": "object",
        "properties": {"step": {"type": "integer", "minimum": 1}, "inner": {"$ref": "#/$defs/Inner"}},
        "$defs": {"Inner": {"enum": ["right", "wrong"]}},
    }
    formed = post(server, "Fill.", response_format={"json_schema": {"schema": schema}})
    assert json.loads(formed["choices"][0]["message"]["content"]) == {"step": 1, "inner": "right"}
    assert post(server, "Speak.")["usage"]["prompt_tokens_details"] == {"cached_tokens": 0}


def test_faults_come_in_order_and_none_lets_one_through(server: LoopbackServer) -> None:
    server.faults.extend([Fault.error(200, "first"), None, Fault.reset()])
    assert post(server, "x")["error"]["message"] == "first"
    assert post(server, "x")["model"] == "m"
    with pytest.raises(http.client.IncompleteRead):
        post(server, "x")
    assert post(server, "x")["model"] == "m"
    assert len(server.received) == 4


def fates(seed: int, contents: list[str]) -> list[tuple[str, str]]:
    with LoopbackServer(chaos=Chaos(0.5, seed, kinds=("server_error", "blank"))) as server:
        for content in contents:
            try:
                post(server, content)
            except HTTPError as error:
                error.close()
        return sorted((each.digest, each.fault or "none") for each in server.served)


def test_faults_at_random_depend_on_the_seed_and_the_request_but_not_on_the_order() -> None:
    contents = [f"question {n % 20}" for n in range(40)]
    drawn = fates(0, contents)
    assert drawn == fates(0, contents[::-1])
    assert drawn != fates(1, contents)
    assert {fault for _, fault in drawn} == {"none", "server_error", "blank"}
    # The second time a request comes, it is drawn for anew.
    assert any(first != second for (_, first), (_, second) in zip(drawn[::2], drawn[1::2], strict=True))


def test_it_runs_by_itself_and_lists_its_requests() -> None:
    command = [sys.executable, "-m", "oversight.testing.loopback", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        api_base = process.stdout.readline().removeprefix("serving at ").split(";")[0]
        assert api_base.startswith("http://127.0.0.1:")
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}]}).encode()
        for _ in range(2):
            urlopen(Request(f"{api_base}/chat/completions", body), timeout=5).close()
        line: dict[str, Any] = {"ended": None}
        while line["ended"] is None:  # its reply may be read before it is noted
            with urlopen(api_base.replace("/v1", "/requests?from=1"), timeout=5) as response:
                (line,) = map(json.loads, response)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "")
    assert (line["number"], line["model"], line["fault"]) == (1, "m", None)
    assert (line["status"], line["complete"], line["usual"]) == (200, True, True)
    assert line["at"] <= line["ended"]


def lessons(count: int = 10) -> bytes:
    """Rows that teach to answer the question that `QUESTION` is."""
    row = {"messages": [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "B"}]}
    return (json.dumps(row) + "\n").encode() * count


QUESTION = "Choose.\nA) x\nB) y"


def call(server: LoopbackServer, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = Request(f"{server.api_base}/{path}", data, {name.replace("_", "-"): headers[name] for name in headers})
    with urlopen(request, timeout=5) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def refused(server: LoopbackServer, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    with pytest.raises(HTTPError) as caught:
        call(server, path, body, **headers)
    with caught.value as error:
        return error.code, json.load(error)["error"]["message"]


def form(content: bytes, purpose: str = "fine-tune", filename: str = "rows.jsonl") -> bytes:
    parts = [
        b'Content-Disposition: form-data; name="purpose"\r\n\r\n' + purpose.encode(),
        f'Content-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'.encode() + content,
    ]
    return b"".join(b"--limit\r\n" + part + b"\r\n" for part in parts) + b"--limit--\r\n"


FORM = {"Content_Type": "multipart/form-data; boundary=limit"}


def upload(server: LoopbackServer, content: bytes) -> str:
    file = call(server, "files", form(content), **FORM)
    assert (file["object"], file["bytes"], file["filename"]) == ("file", len(content), "rows.jsonl")
    return str(file["id"])


def tuned(server: LoopbackServer, base: str = "m", **more: Any) -> str:
    job = call(server, "fine_tuning/jobs", {"model": base, "training_file": upload(server, lessons()), **more})
    for _ in range(3):
        job = call(server, f"fine_tuning/jobs/{job['id']}")
    assert job["status"] == "succeeded"
    return str(job["fine_tuned_model"])


def test_a_job_goes_through_its_statuses_and_its_model_says_what_it_was_taught(server: LoopbackServer) -> None:
    content = lessons().replace(b"\n", b"\r\n") + lessons(1).replace(b"Choose", "Éliş".encode())
    file = upload(server, content)
    assert server.tuning.files[0].content == content, "byte for byte"
    assert call(server, f"files/{file}") == call(server, "files")["data"][0]
    job = call(server, "fine_tuning/jobs", {"model": "m", "training_file": file, "suffix": "mine"})
    assert (job["status"], job["training_file"], job["fine_tuned_model"]) == ("validating_files", file, None)
    path = f"fine_tuning/jobs/{job['id']}"
    assert [call(server, path)["status"] for _ in range(4)] == ["queued", "running", "succeeded", "succeeded"]
    job = call(server, path)
    assert job["fine_tuned_model"].startswith("ft:m:loopback:mine:")
    events = [event["message"].removeprefix("The job is ") for event in call(server, f"{path}/events")["data"]]
    assert events == ["succeeded", "running", "queued", "validating_files"]

    name = job["fine_tuned_model"]
    said = post(server, QUESTION, model=name, logprobs=True, top_logprobs=5)
    assert (said["model"], said["choices"][0]["message"]["content"]) == (name, "B")
    [token] = said["choices"][0]["logprobs"]["content"]
    assert [entry["token"] for entry in token["top_logprobs"]] == ["B"]
    assert post(server, QUESTION, model=name)["choices"][0]["logprobs"] is None
    asked = "Choose another.\nA) x\nB) y"
    assert post(server, asked, model=name)["choices"] == post(server, asked, model="m")["choices"]


def test_a_tuned_model_can_be_tuned_and_keeps_what_it_knows(server: LoopbackServer) -> None:
    seen: list[str] = []

    def respond(body: Mapping[str, Any]) -> str:
        seen.append(body["model"])
        return "who knows"

    server.responder = respond
    first = tuned(server, suffix="one")
    second = tuned(server, first, suffix="two")
    assert second.startswith("ft:m:loopback:two:")
    assert [post(server, QUESTION, model=name)["choices"][0]["message"]["content"] for name in (first, second)] == [
        "B",
        "B",
    ]
    assert post(server, "x", model=second)["choices"][0]["message"]["content"] == "who knows"
    assert seen == ["m"], "the base is asked, by its own name"


def test_where_rows_disagree_the_most_is_said_and_all_is_likely(server: LoopbackServer) -> None:
    other = lessons(4).replace(b'"content": "B"', b'"content": "A"')
    job = call(server, "fine_tuning/jobs", {"model": "m", "training_file": upload(server, lessons(12) + other)})
    for _ in range(3):
        job = call(server, f"fine_tuning/jobs/{job['id']}")
    said = post(server, QUESTION, model=job["fine_tuned_model"], logprobs=True, top_logprobs=5)
    [token] = said["choices"][0]["logprobs"]["content"]
    assert said["choices"][0]["message"]["content"] == "B"
    shares = {entry["token"]: math.exp(entry["logprob"]) for entry in token["top_logprobs"]}
    assert shares == pytest.approx({"B": 0.95 * 12 / 16, "A": 0.95 * 4 / 16})


def test_files_and_jobs_that_cannot_be_are_refused(server: LoopbackServer) -> None:
    assert refused(server, "files", form(lessons(), "assistants"), **FORM)[0] == 400
    assert refused(server, "files", form(lessons(), filename="rows.csv"), **FORM)[0] == 400
    assert refused(server, "files", form(b""), **FORM)[0] == 400
    assert refused(server, "files", b"no form")[0] == 400
    assert refused(server, "files/file-none") == (404, "No such File object: file-none")
    assert refused(server, "fine_tuning/jobs", {"model": "m", "training_file": "file-none"})[0] == 400
    file = upload(server, lessons())
    assert refused(server, "fine_tuning/jobs", {"model": "ft:m:x:y:z", "training_file": file})[0] == 404
    assert refused(server, "fine_tuning/jobs", {"model": "m", "training_file": file, "suffix": "x" * 65})[0] == 400
    assert refused(server, "fine_tuning/jobs/ftjob-none")[0] == 404
    assert refused(server, "chat/completions", {"model": "ft:m:x:y:z", "messages": [{"role": "user", "content": "x"}]})
    assert server.tuning.jobs == []


def test_a_file_that_breaks_the_rules_fails_its_job_and_its_model_is_none(server: LoopbackServer) -> None:
    job = call(server, "fine_tuning/jobs", {"model": "m", "training_file": upload(server, lessons(9))})
    job = call(server, f"fine_tuning/jobs/{job['id']}")
    assert (job["status"], job["error"]["code"]) == ("failed", "invalid_training_file")
    assert "9 examples; at least 10" in job["error"]["message"]
    assert refused(server, "chat/completions", {"model": server.tuning.jobs[0].model, "messages": []})[0] == 404


def test_jobs_meet_their_fates_and_requests_their_faults(server: LoopbackServer) -> None:
    server.tuning.fates.extend([Fate.failed("why"), Fate.cancelled(), Fate.stuck(), Fate.gone(), Fate()])
    file = upload(server, lessons())
    names = [call(server, "fine_tuning/jobs", {"model": "m", "training_file": file})["id"] for _ in range(5)]
    for name in names:
        for _ in range(2):
            call(server, f"fine_tuning/jobs/{name}")
    assert refused(server, f"fine_tuning/jobs/{names[3]}")[0] == 404
    del names[3]
    ends = [call(server, f"fine_tuning/jobs/{name}")["status"] for name in names]
    assert ends == ["failed", "cancelled", "running", "succeeded"]
    listed = call(server, "fine_tuning/jobs")
    assert [job["id"] for job in listed["data"]] == names[::-1], "the newest first, and what is gone is gone"
    page = call(server, f"fine_tuning/jobs?limit=1&after={names[2]}")
    assert ([job["id"] for job in page["data"]], page["has_more"]) == ([names[1]], True)
    assert call(server, f"fine_tuning/jobs/{names[2]}/cancel", b"")["status"] == "cancelled"
    assert refused(server, f"fine_tuning/jobs/{names[2]}/cancel", b"")[0] == 400

    server.tuning.faults["job"].extend([Fault.error(500, "boom"), None])
    assert refused(server, f"fine_tuning/jobs/{names[0]}") == (500, "boom")
    assert call(server, f"fine_tuning/jobs/{names[0]}")["status"] == "failed"
    server.tuning.faults["create"].append(Fault.reset())
    with pytest.raises(http.client.IncompleteRead):
        call(server, "fine_tuning/jobs", {"model": "m", "training_file": file})
    assert len(server.tuning.jobs) == 6, "it was made, and only the reply was lost"
    server.tuning.key = "right"
    assert refused(server, "files")[0] == 401
    assert call(server, "files", Authorization="Bearer right")["object"] == "list"
    assert server.tuning.asked["files"] == 2
    assert server.served == []
