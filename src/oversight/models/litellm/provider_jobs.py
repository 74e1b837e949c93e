"""OpenAI's files and fine-tuning jobs, through LiteLLM: how they are asked for, and asked for again."""

from __future__ import annotations

import asyncio
import functools
import importlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.litellm.library import load_litellm
from oversight.models.litellm.provider_failures import call_failed
from oversight.models.retry import retry
from oversight.util.secret_search import has_key_in_url
from oversight.util.secrets import SECRET_NAME, SECRET_VALUE, adopt_key_files, name_secrets, redact

__all__ = ["PROVIDER", "ProviderJob", "TuningApi", "TuningSettings", "check"]

PROVIDER = "openai"
"""LiteLLM's name for whom all of this is asked of."""

_KEY = "OPENAI_API_KEY"
_DUMMY_KEY = "not-needed"
_NOT_READY = re.compile(r"not ready|being processed", re.IGNORECASE)
_DEAD = frozenset({"failed", "cancelled"})
_JOBS_A_PAGE = 100
_MOST_PAGES = 50

T = TypeVar("T")
_Count = Literal["auto"] | Annotated[int, Field(ge=1)]
_Factor = Literal["auto"] | Annotated[float, Field(gt=0)]


class TuningSettings(BaseModel):
    """How a model is tuned, and how its provider is waited for; never a key."""

    # A refused entry may hold a key, so an error must not show it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    model: str = Field(pattern=r"^openai/.", description="the base, such as openai/gpt-4.1-nano-2025-04-14")
    api_base: str | None = Field(None, description="the server's URL, where it is not OpenAI's own")
    api_key_env: str | None = Field(None, description="the variable that holds the key, where not OPENAI_API_KEY")
    suffix: str | None = Field(None, min_length=1, max_length=64, description="part of the tuned model's name")
    epochs: _Count | None = Field(None, description="passes over the rows, or auto")
    batch_size: _Count | None = Field(None, description="rows a step, or auto")
    learning_rate_multiplier: _Factor | None = Field(None, description="of the provider's own rate, or auto")
    seed: int | None = Field(None, description="makes the provider's draws repeatable, as far as it says")
    poll_s: float = Field(30.0, gt=0, description="seconds between two looks at the job")
    timeout_s: float = Field(120.0, gt=0, description="seconds for one request")
    longest_s: float = Field(86400.0, gt=0, description="seconds to wait for the job, from each start")

    @model_validator(mode="before")
    @classmethod
    def _holds_no_secret(cls, entry: Any) -> Any:
        for name, value in entry.items() if isinstance(entry, Mapping) else ():
            named = name != "api_key_env" and SECRET_NAME.search(str(name).lower())
            text = value if isinstance(value, str) else ""
            if named or SECRET_VALUE.search(text) or has_key_in_url(text):
                raise ValueError(
                    f"{name} looks like a secret, and keys come from the environment: "
                    "export it there and write api_key_env: NAME_OF_THE_VARIABLE"
                )
        name_secrets(entry)
        return entry

    def identity(self) -> dict[str, Any]:
        """What determines the tuned model, beside the rows."""
        manner = {"api_key_env", "poll_s", "timeout_s", "longest_s"}
        return self.model_dump(exclude=manner, exclude_none=True)

    def job(self) -> dict[str, Any]:
        """What a job is made with, its training file aside."""
        numbers = {
            "n_epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        return {
            "model": self.model.removeprefix(f"{PROVIDER}/"),
            "hyperparameters": {name: number for name, number in numbers.items() if number is not None},
            "suffix": self.suffix,
            "seed": self.seed,
        }


class ProviderJob(NamedTuple):
    """A fine-tuning job as it was found.

    Attributes:
        name: the provider's for it.
        status: OpenAI's word, known to us or not; or ``gone``, where the provider knows no such job.
        model: the tuned model's name, once there is one.
        file: the provider's name for the rows.
        code, reason: why it failed, in the provider's words.
    """

    name: str
    status: str
    model: str | None = None
    file: str | None = None
    code: str = ""
    reason: str = ""

    @classmethod
    def of(cls, found: Any) -> ProviderJob:
        """A job as LiteLLM or OpenAI's client gives it."""
        model, file, error = (getattr(found, name, None) for name in ("fine_tuned_model", "training_file", "error"))
        # What a provider says may repeat the key.
        status, code, reason = (
            redact(str(getattr(each, name, None) or ""))
            for each, name in ((found, "status"), (error, "code"), (error, "message"))
        )
        return cls(str(getattr(found, "id", None) or ""), status, model, file, code, reason)


def check(settings: TuningSettings) -> None:
    """See whether there is a key, before anything is paid for.

    Raises:
        UsageError: there is none.
    """
    adopt_key_files()
    name = settings.api_key_env or _KEY
    if not os.environ.get(name) and (settings.api_key_env or not settings.api_base):
        raise UsageError(
            f"fine-tuning {settings.model}: {name} is not set: export {name}=…, or {name}_FILE=/path/to/a/file/with/it"
        )


class TuningApi:
    """Asks for files and jobs, again where that may help; a context manager, whose end closes the connections.

    Every method raises `CallFailed` with the last attempt's failure, where a request came to nothing.
    """

    def __init__(self, settings: TuningSettings) -> None:
        self._settings = settings
        self._client: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._client is not None:
            await self._client.close()

    async def upload(self, name: str, content: bytes) -> str:
        """Upload rows; the provider's name for them."""

        async def upload() -> str:
            made = await self._send("create_file", file=(name, content), purpose="fine-tune")
            return str(made.id)

        return await self._persist(upload)

    async def find_or_make(self, file: str) -> ProviderJob:
        """The job for a file that no other job uses.

        A request to make one may have succeeded without our hearing of it, because we died or the reply was lost
        or LiteLLM could not read it. So each attempt looks first.
        """

        async def find_or_make() -> ProviderJob:
            mine = [job for job in await self._jobs() if job.file == file]
            if mine:
                return next((job for job in mine if job.status not in _DEAD), mine[0])
            return ProviderJob.of(
                await self._send("acreate_fine_tuning_job", training_file=file, **self._settings.job())
            )

        return await self._persist(find_or_make)

    async def look(self, name: str) -> ProviderJob:
        """A job as it is now."""

        async def look() -> ProviderJob:
            outcome = await self._try("aretrieve_fine_tuning_job", {"fine_tuning_job_id": name})
            if not isinstance(outcome, CallFailed):
                return ProviderJob.of(outcome)
            if outcome.failure is FailureClass.UNKNOWN_MODEL:
                return ProviderJob(name, "gone")
            if outcome.failure is FailureClass.MALFORMED:
                # LiteLLM cannot read a single job with a status unknown to it, such as OpenAI's "paused", but it
                # lists jobs as they are.
                for job in await self._jobs():
                    if job.name == name:
                        return job
            raise outcome

        return await self._persist(look)

    async def _jobs(self) -> list[ProviderJob]:
        """The account's jobs, the newest first."""
        found: list[ProviderJob] = []
        for _ in range(_MOST_PAGES):
            after = found[-1].name if found else None
            page = await self._send("alist_fine_tuning_jobs", limit=_JOBS_A_PAGE, after=after)
            if not isinstance(getattr(page, "data", None), list):
                # To take it for an empty list would be to make a second job.
                raise CallFailed(FailureClass.MALFORMED, "the list of fine-tuning jobs is none")
            found += map(ProviderJob.of, page.data)
            if not page.data or not getattr(page, "has_more", False):
                break
        return found

    async def _persist(self, request: Callable[[], Awaitable[T]]) -> T:
        # A job takes long: what is polled seldom is also tried again at leisure.
        return await retry(request, base_delay=self._settings.poll_s)

    async def _send(self, function: str, **arguments: Any) -> Any:
        """What one of LiteLLM's functions returns.

        Raises:
            CallFailed: why it returned nothing.
        """
        outcome = await self._try(function, arguments)
        # Raised here, with no exception being handled and no key in a local variable.
        if isinstance(outcome, CallFailed):
            raise outcome
        return outcome

    async def _try(self, function: str, arguments: dict[str, Any]) -> Any:
        """What one of LiteLLM's functions returns, or else why it returned nothing."""
        litellm = load_litellm()
        timeout = self._settings.timeout_s
        try:
            # LiteLLM's timeout bounds each read; a server that trickles would outlive it.
            async with asyncio.timeout(timeout):
                # Left to itself, LiteLLM opens a client for each request and closes none: a day of polling is
                # thousands of open sockets. Uploads take no client of ours, and a blocking one closes by itself.
                if function == "create_file":
                    manner = {"custom_llm_provider": PROVIDER, "timeout": timeout, "max_retries": 0}
                    upload = functools.partial(litellm.create_file, **arguments, **manner, **self._account("api_base"))
                    return await asyncio.to_thread(upload)
                call = getattr(litellm, function)
                return await call(**arguments, custom_llm_provider=PROVIDER, timeout=timeout, client=self._open())
        except TimeoutError:
            return CallFailed(FailureClass.TIMEOUT, f"no reply within {timeout:g} s")
        except Exception as error:
            failed = call_failed(error)
        if failed.failure is FailureClass.INVALID_REQUEST and _NOT_READY.search(failed.message):
            return CallFailed(FailureClass.RATE_LIMITED, failed.message)  # it takes a while to take a file in
        return failed

    def _open(self) -> Any:
        """The client of OpenAI's that LiteLLM is to use."""
        if self._client is None:
            openai: Any = importlib.import_module("openai")
            # A redirect would take the rows, and perhaps the key, to another server.
            http = openai.DefaultAsyncHttpxClient(follow_redirects=False)
            manner = {"timeout": self._settings.timeout_s, "max_retries": 0, "http_client": http}
            self._client = openai.AsyncOpenAI(**manner, **self._account("base_url"))
        return self._client

    def _account(self, base: str) -> dict[str, str]:
        """Where to send it and who asks, from the variables that LiteLLM reads; ``base`` is what the URL is called."""
        given = self._settings.api_base
        account = {
            base: given or os.environ.get("OPENAI_BASE_URL") or os.environ.get("OPENAI_API_BASE"),
            "api_key": os.environ.get(self._settings.api_key_env or _KEY) or (given and _DUMMY_KEY),
            "organization": os.environ.get("OPENAI_ORGANIZATION"),
        }
        return {name: value for name, value in account.items() if value}
