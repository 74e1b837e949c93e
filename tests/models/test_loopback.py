"""The loopback server, as a plugin author's plain HTTP client sees it."""

from __future__ import annotations

import http.client
import json
import math
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from oversight.core.belief import BeliefSource
from oversight.core.elicitation import instruction, statement_schema
from oversight.errors import FailureClass
from oversight.testing.answering import chat_completion, default_responder
from oversight.testing.loopback import (
    REFUSALS,
    SAME_CONTENT,
    SHAPES,
    Chaos,
    Fault,
    JobOutcome,
    LoopbackServer,
    Reply,
    ServedReply,
    main,
)
from oversight.testing.shapes import ShapeRequest

CANARY = "PRIVATE-THOUGHT-"
LETTERS = "Reply with the letter of one answer and nothing else: A, B."
BELIEF = {"response_format": {"type": "json_schema", "json_schema": {"schema": statement_schema(["A", "B"])}}}
FORM = {
    "response_format": {"json_schema": {"schema": {"type": "object", "properties": {"p_correct": {"type": "number"}}}}}
}
REQUESTS: dict[ShapeRequest, tuple[str, dict[str, Any]]] = {
    ShapeRequest.SPEECH: ("Speak.", {}),
    ShapeRequest.LIMITED_SPEECH: ("Speak. Use at most 50 words; anything beyond is cut.", {}),
    ShapeRequest.LETTER: (LETTERS, {}),
    ShapeRequest.PROBABILITIES: (LETTERS, {"logprobs": True, "top_logprobs": 20}),
    ShapeRequest.BELIEF: ("State.", BELIEF),
    ShapeRequest.FORM: ("Fill.", FORM),
}
"""A request of each kind."""

FITTING = [(name, asked) for name, shape in SHAPES.items() for asked in ShapeRequest if asked in shape.asked]


def post(server: LoopbackServer, content: str, **more: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [{"role": "user", "content": content}]} | more
    request = Request(f"{server.api_base}/chat/completions", json.dumps(body).encode())
    with urlopen(request, timeout=5) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def ended(server: LoopbackServer) -> list[ServedReply]:
    """What became of all requests; a reply may be read before it is noted."""
    while any(each.ended is None for each in server.served):
        time.sleep(0.01)
    return server.served


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
    # The second time a request comes, it is drawn for again.
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


def test_an_object_that_is_asked_for_in_words_alone_is_given(server: LoopbackServer) -> None:
    """A server that refuses schemas is asked so."""

    def said(content: str, **more: Any) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(post(server, content, **more)["choices"][0]["message"]["content"])
        return found

    example = 'Reply with one JSON object and nothing else, for example {"label": "correct", "p_correct": 0.9}.'
    assert said(example).keys() == {"label", "p_correct"}
    belief = said(instruction(BeliefSource.STATED, ["A", "B"]))
    assert belief.keys() == {"A", "B", "abstain"}
    stated = said("State.", **BELIEF)
    assert stated == said("State.", **BELIEF)
    for each in (belief, stated):
        assert each["A"] + each["B"] == pytest.approx(1)
        assert abs(each["A"] - 0.5) > 0.05, "an even belief would hide one that was read wrong"


@cache
def sent(asked: ShapeRequest, name: str | None) -> dict[str, Any]:
    """What a server with that shape alone sends to a request of a kind."""
    content, more = REQUESTS[asked]
    with LoopbackServer(shape=name) as server:
        answer = post(server, content, **more)
        assert server.served[0].shape == name
        return {key: answer[key] for key in ("choices", "usage") if key in answer}


@pytest.mark.parametrize(("name", "asked"), FITTING, ids=lambda value: value)
def test_every_shape_is_sent_to_the_requests_it_fits_the_same_each_time(name: str, asked: ShapeRequest) -> None:
    plain, odd = sent(asked, None), sent(asked, name)
    assert repr(odd) != repr(plain), "repr, because NaN differs from itself"
    assert repr(written(name, asked)) == repr(written(name, asked))
    content = plain["choices"][0]["message"]["content"]
    if name.startswith("usage_"):
        assert odd["choices"] == plain["choices"]
    if "think" in name or "harmony" in name or "reasoning" in name or "thought" in name or name == "content_parts":
        assert (CANARY in repr(odd)) == (name != "think_empty")
    if name.startswith("tokens_"):
        assert odd["choices"][0]["logprobs"] != plain["choices"][0]["logprobs"] or name == "tokens_beside_a_thought"
    elif name in SAME_CONTENT and asked not in (ShapeRequest.BELIEF, ShapeRequest.FORM):
        text = odd["choices"][0]["message"]["content"]
        assert content in (text if isinstance(text, str) else text[-1]["text"])


def test_shapes_say_what_a_reader_must_make_of_them() -> None:
    for name, shape in SHAPES.items():
        outcomes = [shape.same_content, shape.falls_back, shape.failure is not None]
        assert outcomes.count(True) == 1, name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tokens_nan", '"logprob": NaN'),
        ("tokens_minus_infinity", '"logprob": -Infinity'),
        ("tokens_null", '"logprob": null'),
        ("tokens_positive", '"logprob": 0.'),
    ],
)
def test_numbers_that_are_no_log_probabilities_are_sent_bare(name: str, said: str) -> None:
    with LoopbackServer(shape=name) as server:
        body = {"model": "m", "messages": [{"role": "user", "content": LETTERS}], "logprobs": True, "top_logprobs": 5}
        request = Request(f"{server.api_base}/chat/completions", json.dumps(body).encode())
        with urlopen(request, timeout=5) as response:
            assert said in response.read().decode()


def written(name: str, asked: ShapeRequest, reply: Reply | None = None) -> list[dict[str, Any]]:
    """What a shape makes of one reply in many draws, without a server."""
    content, more = REQUESTS[asked]
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    reply = reply or default_responder(body)
    plain = chat_completion(body, reply, 0) | {"created": 0}
    return [SHAPES[name].write(body, reply, Random(seed)).applied_to(plain) for seed in range(40)]


@pytest.mark.parametrize("name", ["tokens_of_two_ids", "tokens_repeated", "tokens_with_spaces", "tokens_among_words"])
def test_shapes_of_the_same_content_hold_the_plain_probabilities(name: str) -> None:
    for odd in written(name, ShapeRequest.PROBABILITIES, Reply("B", first_token={"B": 0.7, "A": 0.3})):
        entries = odd["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found = dict.fromkeys("AB", 0.0)
        for token, logprob in {(entry["token"], entry["logprob"]) for entry in entries}:
            if token.strip() in found:
                found[token.strip()] += math.exp(logprob)
        assert found["B"] / sum(found.values()) == pytest.approx(0.7)


@pytest.mark.parametrize("share", [0.5, 0.97, 0.2])
def test_a_decoy_is_another_belief_and_stands_beside_the_one_that_is_meant(share: float) -> None:
    stated = {"A": share, "B": 1 - share, "abstain": False}
    decoys = 0
    for name, asked in FITTING:
        if (
            asked is not ShapeRequest.BELIEF
            or SHAPES[name].failure is FailureClass.SERVER_ERROR
            or name == "object_cut_off"
        ):
            continue
        for odd in written(name, asked, Reply(json.dumps(stated))):
            message = json.dumps(odd["choices"][0]["message"]).replace("\\", "")
            objects = [json.loads(found) for found in re.findall(r'\{"A": [^{}]*"B": [^{}]*\}', message)]
            others = [each for each in objects if each != stated]
            decoys += len(others)
            if name not in ("percentages", "nested"):
                assert all(abs(each["A"] - share) > 0.04 for each in others), name
            if name in SAME_CONTENT and name not in ("python_dict", "percentages", "nested", "object_in_fence"):
                assert stated in objects, name
    assert decoys


def drawn_shapes(seed: int, contents: list[str], **chaos: Any) -> list[tuple[str, str]]:
    with LoopbackServer(chaos=Chaos(seed=seed, **chaos)) as server:
        for content in contents:
            post(server, content)
        return sorted((each.digest, each.shape or "plain") for each in server.served)


def test_shapes_at_random_depend_on_the_seed_and_the_request_but_not_on_the_order() -> None:
    contents = [f"question {n % 30}" for n in range(60)]
    names = ("think", "harmony", "letter_bold")
    drawn = drawn_shapes(0, contents, shapes=0.5, shape_names=names)
    assert drawn == drawn_shapes(0, contents[::-1], shapes=0.5, shape_names=names)
    assert drawn != drawn_shapes(1, contents, shapes=0.5, shape_names=names)
    assert {shape for _, shape in drawn} == {"plain", "think", "harmony"}, "a speech is no letter"
    assert any(first != second for (_, first), (_, second) in zip(drawn[::2], drawn[1::2], strict=True))
    everything = {shape for _, shape in drawn_shapes(0, [f"question {n}" for n in range(300)], shapes=1.0)}
    assert everything == {name for name, asked in FITTING if asked is ShapeRequest.SPEECH}


def test_a_request_that_meets_a_fault_meets_no_shape() -> None:
    with LoopbackServer(shape="think", chaos=Chaos(1.0, kinds=("blank",))) as server:
        assert post(server, "x")["choices"][0]["message"]["content"] == ""
        assert (server.served[0].fault, server.served[0].shape) == ("blank", None)


def test_only_a_shape_that_says_the_same_is_usual() -> None:
    for name in ("think", "usage_negative", "think_never_closed", "error_in_choice"):
        with LoopbackServer(shape=name) as server:
            post(server, "x")
            [served] = ended(server)
        assert (served.complete, served.usual) == (True, SHAPES[name].same_content), name


@pytest.mark.parametrize("reply", [Reply("", refusal="No."), Reply("Cut", "length"), Reply("")])
def test_replies_that_are_no_plain_ones_keep_their_form(reply: Reply) -> None:
    with LoopbackServer(lambda body: reply, chaos=Chaos(shapes=1.0)) as server:
        post(server, "x")
    assert server.served[0].shape is None


def test_a_shape_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no shape thinks"):
        LoopbackServer(shape="thinks")


@pytest.mark.parametrize("name", REFUSALS)
def test_a_server_refuses_what_it_does_not_take_and_answers_all_else(name: str) -> None:
    asks: dict[str, Any] = {
        "logprobs": {"logprobs": True, "top_logprobs": 5},
        "schema": BELIEF,
        "system": {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": LETTERS}]},
        "max_tokens": {"max_tokens": 1},
        "max_completion_tokens": {"max_completion_tokens": 1},
    }
    extra, _, how = name.rpartition("_")
    extra, status = (extra.removesuffix("_not"), 200) if how == "json" else (extra, int(how))
    with LoopbackServer(refuses=[name]) as server:
        for other, more in asks.items():
            if other == extra and status == 200:
                with pytest.raises(json.JSONDecodeError):
                    post(server, LETTERS, **more)
            elif other == extra:
                with pytest.raises(HTTPError) as caught:
                    post(server, LETTERS, **more)
                with caught.value as error:
                    assert error.code == status
                    assert json.load(error)["error"]["message"]
            else:
                assert post(server, LETTERS, **more)["choices"]
        served = ended(server)
    assert [each.refusal for each in served] == [name if other == extra else None for other in asks]
    assert [each.usual for each in served] == [other != extra for other in asks]


def test_the_command_takes_shapes_and_refusals(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong, said in (
        (["--shape", "thinks"], "--shape: there is no thinks; there are all, same, reasoning_content, "),
        (["--refuse", "logits"], "--refuse: there is no logits; there are logprobs_400, "),
        (["--kinds", "none"], "--kinds: there is no none; there are slow, "),
        (["--shapes", "2"], "--shapes: a share between 0 and 1"),
        (["--faults", "-1"], "--faults: a share between 0 and 1"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        assert ended.value.code == 2
        assert said in capsys.readouterr().err


def test_it_runs_by_itself_with_shapes_and_lists_them() -> None:
    options = ["--port=0", "--shape=letter_boxed,same", "--shapes=1", "--refuse=logprobs_403,schema_400"]
    with subprocess.Popen(
        [sys.executable, "-m", "oversight.testing.loopback", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        api_base = process.stdout.readline().removeprefix("serving at ").split(";")[0]
        messages = [{"role": "user", "content": LETTERS}]
        for more in ({}, {"logprobs": True}):
            with suppress(HTTPError):
                body = json.dumps({"model": "m", "messages": messages, **more}).encode()
                urlopen(Request(f"{api_base}/chat/completions", body), timeout=5).close()
        with urlopen(api_base.replace("/v1", "/requests"), timeout=5) as response:
            first, second = map(json.loads, response)
        process.terminate()
    assert SHAPES[first["shape"]].same_content
    assert (first["refusal"], second["refusal"], second["shape"]) == (None, "logprobs_403", None)


PAGE = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", re.findall(r"^python -m oversight\.testing\.loopback (.*)$", PAGE, re.MULTILINE))
def test_the_commands_in_the_docs_start_a_server(command: str) -> None:
    options = [*shlex.split(command), "--port=0"]  # the last one counts
    with subprocess.Popen(
        [sys.executable, "-m", "oversight.testing.loopback", *options], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("serving at http://127.0.0.1:")
        process.terminate()


def test_every_shape_and_refusal_is_in_the_docs() -> None:
    assert "loopback --port" in PAGE
    assert [name for name in (*SHAPES, *REFUSALS) if f"`{name}`" not in PAGE] == []
    told = re.findall(r"`(\w+)`", PAGE[PAGE.index("| kind |") : PAGE.index("`tests/models/test_shapes.py` plays")])
    classes = set(FailureClass)
    assert {name for name in told if name not in classes} == {*SHAPES, *REFUSALS}


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


UPLOAD = {"Content_Type": "multipart/form-data; boundary=limit"}


def upload(server: LoopbackServer, content: bytes) -> str:
    file = call(server, "files", form(content), **UPLOAD)
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
    assert [entry["token"] for entry in token["top_logprobs"]] == ["B", "Well"]
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
    assert shares == pytest.approx({"B": 0.95 * 12 / 16, "A": 0.95 * 4 / 16, "Well": 0.05})


def test_files_and_jobs_that_cannot_be_are_refused(server: LoopbackServer) -> None:
    assert refused(server, "files", form(lessons(), "assistants"), **UPLOAD)[0] == 400
    assert refused(server, "files", form(lessons(), filename="rows.csv"), **UPLOAD)[0] == 400
    assert refused(server, "files", form(b""), **UPLOAD)[0] == 400
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
    server.tuning.fates.extend(
        [JobOutcome.failed("why"), JobOutcome.cancelled(), JobOutcome.stuck(), JobOutcome.gone(), JobOutcome()]
    )
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
