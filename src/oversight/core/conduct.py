"""Having a protocol carry out its procedure on one episode: the one way in for runs, dry runs and the checks."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial

from oversight.core.episode import Episode
from oversight.core.message import Kind, Message, concurrent
from oversight.core.plugin_tasks import watching_tasks
from oversight.core.protocol import Protocol
from oversight.core.verb_log import not_awaited
from oversight.core.verdict import Verdict
from oversight.errors import CallFailed, LimitReached, ProtocolError, RunStopped
from oversight.util.describe import describe_error, release_frames

__all__ = ["conduct", "conduct_part"]

_SAID = {
    Kind.SPEECH: "spoke",
    Kind.THOUGHT: "thought",
    Kind.DRAFT: "drafted",
    Kind.DISCLOSURE: "disclosed",
    Kind.FORM: "filled in a form",
    Kind.BELIEF: "gave a belief",
}


async def conduct(protocol: Protocol, episode: Episode) -> Verdict:
    """Run a protocol on an episode and return its verdict.

    Raises:
        ProtocolError: it returned no verdict on the question, or did something that no protocol may, even if it caught
            the error: a verb that was not awaited, or ran in a task of its own, or came after the verdict.
        Exception: whatever else `run` raised.
    """
    verdict = await conduct_part(protocol, episode, partial(protocol.run, episode), "run")
    if not isinstance(verdict, Verdict):
        raise ProtocolError(_no_verdict(verdict))
    probs, answers = verdict.belief.probs, len(episode.question.answers)
    if probs is not None and len(probs) != answers:
        raise ProtocolError(
            f"the verdict is not over the question's answers: it has {len(probs)} probabilities for {answers} answers"
        )
    if late := _after_the_verdict(episode.messages):
        raise ProtocolError(late)
    return verdict


async def conduct_part(protocol: Protocol, episode: Episode, begin: Callable[[], object], name: str) -> object:
    """Await what ``begin``, a method of the protocol's, does with the episode, and see that it did nothing wrong.

    Raises:
        ProtocolError: it did something that no protocol may.
        Exception: whatever else it raised; of misuse that leads to another error, the misuse is told.
    """
    episode.own_task()
    try:
        with watching_tasks(type(protocol)) as tasks:
            returned, raised = await _tried(begin, name)
            misuse = await episode.verbs.close()
    finally:
        episode.verbs.end()
    stray = tasks.end()
    reason = misuse.refused
    if reason is None and (raised is None or "coroutine" in describe_error(raised)):
        # Where another error came first, an await may be missing because it was not reached.
        reason = misuse.forgotten or _left_behind([f"{each}()" for each in tasks.dropped], stray)
    if reason is not None and not (isinstance(raised, ProtocolError) and reason == str(raised)):
        raise ProtocolError(reason) from raised
    if raised is not None:
        raise raised
    return returned


async def _tried(begin: Callable[[], object], name: str) -> tuple[object, Exception | None]:
    """What a method of a plugin's returned, or raised for a reason that is the plugin's."""
    try:
        work = begin()
        if not inspect.isawaitable(work):
            return None, _not_async(work, name)
        returned = await work
    except (CallFailed, LimitReached, RunStopped):
        raise
    except Exception as error:
        release_frames(error)
        return None, error
    if inspect.iscoroutine(returned):
        returned.close()
        return None, ProtocolError(f"{name} returned a coroutine: {not_awaited(f'{returned.__qualname__}()')}")
    return returned, None


def _left_behind(dropped: Sequence[str], stray: Sequence[str]) -> str | None:
    """What is wrong with coroutines of the protocol's own that nothing awaited."""
    if dropped:
        return not_awaited(*dropped)
    if stray:
        names = " and ".join(dict.fromkeys(stray))
        return f"{names} ran in a task that had not ended when run returned: use 'await episode.gather(…)' instead"
    return None


def _not_async(returned: object, name: str) -> ProtocolError:
    if inspect.isasyncgen(returned):
        return ProtocolError(f"{name} yields: write 'return' where it says 'yield'")
    return ProtocolError(f"{name} is not async: write 'async def {name}(…)'")


def _no_verdict(returned: object) -> str:
    fix = "return what 'await judge.decide()' gives, or Verdict(belief=…)"
    if returned is None:
        fix = "end it with 'return await judge.decide()'"
    return f"run returned {type(returned).__name__}, not a Verdict: {fix}"


def _after_the_verdict(messages: tuple[Message, ...]) -> str | None:
    """What a seat did when the last verdict had been given; what happened in a parallel branch was not after it."""
    verdicts = [place for place, message in enumerate(messages) if message.kind is Kind.VERDICT]
    if not verdicts:
        return None
    given = messages[verdicts[-1]]
    for message in messages[verdicts[-1] + 1 :]:
        if message.kind in _SAID and not concurrent(message.branch, given.branch):
            what = f"{message.author} {_SAID[message.kind]} when {given.author} had given the verdict"
            return f"{what}: whatever is to count comes before decide()"
    return None
