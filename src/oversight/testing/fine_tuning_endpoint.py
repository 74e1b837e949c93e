"""The loopback server's side of OpenAI's files and fine-tuning API, which learns by heart and fails on demand."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, urlsplit

from oversight.models.chat_rows import problems_in
from oversight.testing.faults import Fault, Reply
from oversight.testing.fine_tuning_jobs import ENDS, JobOutcome, TunedFile, TuningJob
from oversight.util.digest import digest

__all__ = ["FineTuningEndpoint"]

_ROUTE = re.compile(r"/v1/(files|fine_tuning/jobs)(?:/([^/]+))?(?:/(cancel|events))?/?")
_PART_NAME = re.compile(rb'name="([^"]*)"(?:;\s*filename="([^"]*)")?')
_BOUNDARY = re.compile(r'boundary="?([^";]+)')
_JOBS_A_PAGE = 20
_LONGEST_SUFFIX = 64
_SURE = 0.95
_UNTAUGHT = "Well"
"""How likely a tuned model's first token is what it was taught; the rest belongs to no answer."""


class FineTuningEndpoint:
    """Takes files, makes jobs of them, and knows what the tuned models have learnt.

    A job moves on by one status whenever it is asked after. A tuned model answers what it was trained on as it
    was taught, and everything else as its base.

    Attributes:
        files: all uploads so far.
        jobs: all jobs so far, vanished ones too.
        fates: what becomes of the coming jobs, in order; then they succeed. Append at any time.
        faults: what goes wrong with the coming requests of one kind (``upload``, ``file``, ``files``, ``create``,
            ``job``, ``jobs``, ``cancel``, ``events``), in order; None lets one through. One with a body of its own
            is a refusal, and nothing is done; with any other the request is carried out and its reply delayed or
            lost.
        asked: how many requests of each kind came so far.
        key: the only one that is let in; None lets everybody in.
    """

    def __init__(self) -> None:
        self.files: list[TunedFile] = []
        self.jobs: list[TuningJob] = []
        self.fates: deque[JobOutcome] = deque()
        self.faults: defaultdict[str, deque[Fault | None]] = defaultdict(deque)
        self.asked: Counter[str] = Counter()
        self.key: str | None = None
        self._lessons: dict[str, dict[str, Counter[str]]] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> tuple[Fault, str] | None:
        """What to send for a request, and its text; None if it is about something else."""
        asked = urlsplit(path)
        if (route := _ROUTE.fullmatch(asked.path)) is None:
            return None
        place, name, action = route.groups()
        told = {name.lower(): value for name, value in headers.items()}
        with self._lock:
            kind = _kind(method, place, name, action)
            self.asked[kind] += 1
            faults = self.faults[kind]
            fault = (faults.popleft() if faults else None) or Fault()
            if self.key is not None and told.get("authorization") != f"Bearer {self.key}":
                fault = Fault.unauthorized(told.get("authorization", "none"))
            if fault.body is not None:
                return fault, fault.body
            try:
                if place == "files":
                    reply = self._upload(told.get("content-type", ""), body) if method == "POST" else self._file(name)
                elif method == "POST" and not action:
                    reply = self._create(json.loads(body))
                elif name:
                    reply = self._job(name, action)
                else:
                    reply = self._list(parse_qs(asked.query))
            except _Refused as refused:
                fault = fault._replace(status=refused.fault.status)
                return fault, refused.fault.body or ""
        return fault, json.dumps(reply)

    def recall(self, body: Mapping[str, Any]) -> Reply | None:
        """What a tuned model has learnt to say to a request for a completion; None where it has learnt nothing."""
        said = self._lessons_of(str(body.get("model"))).get(_prompt(body["messages"]))
        if not said:
            return None
        text = said.most_common(1)[0][0]
        first: Counter[str] = Counter()
        for reply, count in said.items():
            first[reply.split(maxsplit=1)[0]] += count
        taught = {token: _SURE * count / said.total() for token, count in first.items()}
        # As from a real model there are always alternatives; without any, probabilities tell nothing of the others.
        return Reply(text, first_token={_UNTAUGHT: 1 - _SURE, **taught})

    def base_of(self, model: str) -> str | None:
        """The untuned model that a model comes from; None where it is said to be a tuned one, and is not."""
        while model.startswith("ft:"):
            job = next((job for job in self.jobs if job.model == model and job.statuses[-1] == "succeeded"), None)
            if job is None:
                return None
            model = job.base
        return model

    def _lessons_of(self, model: str) -> Mapping[str, Counter[str]]:
        """What was said to which prompt in a model's rows and, where not in those, in its base's."""
        with self._lock:
            job = next((job for job in self.jobs if job.model == model), None)
        if job is None or job.statuses[-1] != "succeeded":
            return {}
        if model not in self._lessons:
            lessons: dict[str, Counter[str]] = defaultdict(Counter)
            for line in job.file.content.removesuffix(b"\n").split(b"\n"):
                *prompt, reply = json.loads(line)["messages"]
                lessons[_prompt(prompt)][reply["content"]] += 1
            self._lessons[model] = {**self._lessons_of(job.base), **lessons}
        return self._lessons[model]

    def _upload(self, content_type: str, body: bytes) -> dict[str, Any]:
        parts = _parts(content_type, body)
        filename, content = parts.get("file", ("", b""))
        if parts.get("purpose", ("", b""))[1] != b"fine-tune":
            raise _Refused(400, "'purpose' is not one that this server takes: it takes 'fine-tune'", "purpose")
        if not filename.endswith(".jsonl") or not content:
            raise _Refused(400, "Invalid file format for Fine-Tuning API. Must be .jsonl and not empty", "file")
        file = TunedFile(f"file-loopback{len(self.files)}", filename, content, int(time.time()))
        self.files.append(file)
        return file.to_json()

    def _file(self, name: str | None) -> dict[str, Any]:
        if name is None:
            return _page([file.to_json() for file in reversed(self.files)], has_more=False)
        return _named(self.files, name, "No such File object: {}").to_json()

    def _create(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name, base, suffix = (asked.get(key) for key in ("training_file", "model", "suffix"))
        file = next((file for file in self.files if file.id == name), None)
        if file is None:
            raise _Refused(400, f"invalid training_file: {name}", "training_file")
        if not base or self.base_of(base) is None:
            raise _Refused(404, f"The model `{base}` does not exist or you do not have access to it.", "model")
        if len(suffix or "") > _LONGEST_SUFFIX:
            raise _Refused(400, f"'suffix' is longer than {_LONGEST_SUFFIX} characters", "suffix")
        fate = self.fates.popleft() if self.fates else JobOutcome()
        if wrong := problems_in(file.content):
            fate = JobOutcome.failed(
                f"The job failed due to an invalid training file: {wrong[0]}", "invalid_training_file"
            )
        name = f"ftjob-{digest([len(self.jobs), file.id], 8)}"
        self.jobs.append(TuningJob(name, asked, file, fate, int(time.time())))
        return self.jobs[-1].to_json()

    def _job(self, name: str, action: str | None) -> dict[str, Any]:
        job = _named(self._known(), name, "Could not find fine tune: {}")
        if action == "events":
            events = [
                {"object": "fine_tuning.job.event", "id": f"ftevent-{number}", "created_at": job.created_at}
                | {"level": "info", "type": "message", "message": f"The job is {status}", "data": None}
                for number, status in enumerate(job.statuses)
            ]
            return _page(events[::-1], has_more=False)
        if action == "cancel":
            if job.statuses[-1] in ENDS:
                raise _Refused(400, f"Job has already completed: {name}", None)
            job.statuses.append("cancelled")
        else:
            job.move()
            _named(self._known(), name, "Could not find fine tune: {}")
        return job.to_json()

    def _list(self, asked: Mapping[str, Sequence[str]]) -> dict[str, Any]:
        jobs = self._known()[::-1]
        if "after" in asked:
            jobs = jobs[[job.id for job in jobs].index(asked["after"][0]) + 1 :]
        limit = int(asked.get("limit", [_JOBS_A_PAGE])[0])
        return _page([job.to_json() for job in jobs[:limit]], has_more=len(jobs) > limit)

    def _known(self) -> list[TuningJob]:
        return [job for job in self.jobs if job.statuses[-1] != "gone"]


class _Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, param: str | None) -> None:
        super().__init__(message)
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
        self.fault = Fault(status, json.dumps({"error": error}))


def _kind(method: str, place: str, name: str | None, action: str | None) -> str:
    """What `FineTuningEndpoint.faults` calls a request."""
    if method == "POST":
        return action or ("upload" if place == "files" else "create")
    return action or (("file" if name else "files") if place == "files" else ("job" if name else "jobs"))


class _Has(Protocol):
    @property
    def id(self) -> str: ...


Thing = TypeVar("Thing", bound=_Has)


def _named(these: Sequence[Thing], name: str, otherwise: str) -> Thing:
    """The one of that name, or 404."""
    for each in these:
        if each.id == name:
            return each
    raise _Refused(404, otherwise.format(name), "id")


def _page(objects: Sequence[Mapping[str, Any]], *, has_more: bool) -> dict[str, Any]:
    return {"object": "list", "data": objects, "has_more": has_more}


def _prompt(messages: Sequence[Mapping[str, Any]]) -> str:
    """What tells prompts apart."""
    return digest([[message["role"], message["content"]] for message in messages])


def _parts(content_type: str, body: bytes) -> dict[str, tuple[str, bytes]]:
    """The parts of a multipart form: for each name, the file's name, if any, and the content byte for byte."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return {}
    parts = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        if named := _PART_NAME.search(head):
            parts[named[1].decode()] = ((named[2] or b"").decode(), content)
    return parts
