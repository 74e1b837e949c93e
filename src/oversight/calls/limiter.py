"""How fast and how many at a time: what one model is asked, over all workers and nodes of a run."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from oversight.errors import FailureClass

__all__ = ["Limiter", "Window"]

_WINDOW_S = 60.0
_LOOK_AGAIN_S = 5.0
"""How long a waiting call sleeps at most before it looks again: another's permit may have expired."""

_LONGEST_PAUSE_S = 60.0
_HALF_OPEN_AFTER, _OPEN_AFTER, _UNREACHABLE_AFTER = 10, 20, 5
"""The circuit breaker: failures in a row after which one call at a time tries again, and after which none does.
The last is for connections to a model that has never answered, as where no server was started."""

_ROUNDING = 1e-6
_DOWN = frozenset({FailureClass.SERVER_ERROR, FailureClass.TIMEOUT, FailureClass.CONNECTION, FailureClass.MALFORMED})


class Window:
    """A quantity of which at most ``limit`` is used in any ``seconds``; None for no limit."""

    def __init__(self, limit: float | None, seconds: float = _WINDOW_S) -> None:
        self.limit = limit
        self.seconds = seconds
        self._used: deque[list[float]] = deque()
        self._sum = 0.0

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until ``amount`` fits; what never fits waits until nothing else is in the window."""
        if self.limit is None:
            return 0.0
        while self._used and self._used[0][0] + self.seconds <= now:
            self._sum -= self._used.popleft()[1]
        excess = self._sum + amount - self.limit
        free_at = now
        for at, used in self._used:
            if excess <= _ROUNDING:
                break
            excess -= used
            free_at = at + self.seconds
        return free_at - now

    def use(self, amount: float, now: float) -> None:
        """Count ``amount``."""
        if self.limit is not None:
            self._used.append([now, amount])
            self._sum += amount

    def take_back(self, amount: float, at: float) -> None:
        """Uncount ``amount`` of what was counted at ``at``; where it was counted, so that both leave together."""
        for entry in reversed(self._used):
            if entry[0] == at:
                entry[1] -= amount
                self._sum -= amount
            if entry[0] <= at:
                break


class Limiter:
    """Lets calls to one model start, in the order in which they ask.

    Concurrency adapts: halved when the provider says that it is too much, once for all calls that were then
    under way, and let grow by about one for every round of calls that succeed. When calls keep failing
    without an answer, one at a time tries again, ever more rarely, so that an outage costs few episodes.

    Args:
        most: calls at a time, at most.
        requests_per_minute, tokens_per_minute: None for no limit.
        window_s: the minute's length in seconds.
        clock: seconds, never going back.

    Attributes:
        in_flight: calls under way.
        allowed: how many may be at a time just now.
    """

    def __init__(
        self,
        most: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        window_s: float = _WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = 0
        self.allowed = float(most)
        self._most = most
        # Less than one a minute is one in more than a minute.
        rarely = 1 / requests_per_minute if requests_per_minute is not None and requests_per_minute < 1 else 1.0
        self._requests = Window(requests_per_minute and requests_per_minute * rarely, window_s * rarely)
        self._tokens = Window(tokens_per_minute, window_s)
        self._clock = clock
        self._paused_until = 0.0
        self._cut_at = -1.0
        self._failed_at = -1.0
        self._in_a_row = 0
        self._never_answered = True
        self._closed = False
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def is_open(self) -> bool:
        """Whether the provider has not answered for so long that the run had better stop."""
        return self._in_a_row >= (_UNREACHABLE_AFTER if self._never_answered else _OPEN_AFTER)

    async def enter(self, tokens: int) -> float:
        """Wait until a call of about ``tokens`` may start, or the run stops; return the time then."""
        async with self._turn:
            while not self._closed and (wait := self._wait_s(tokens)) > 0:
                self._changed.clear()
                try:
                    async with asyncio.timeout(min(wait, _LOOK_AGAIN_S)):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            now = self._clock()
            self.in_flight += 1
            self._requests.use(1, now)
            self._tokens.use(tokens, now)
            return now

    def leave(self) -> None:
        """A call ended."""
        self.in_flight -= 1
        self.wake()

    def withdraw(self, started: float, tokens: int) -> None:
        """A call that was let in is not made."""
        self._requests.take_back(1, started)
        self._tokens.take_back(tokens, started)
        self.leave()

    def close(self) -> None:
        """Wake every waiting call: the run stops."""
        self._closed = True
        self.wake()

    def wake(self) -> None:
        """Have the waiting look again."""
        self._changed.set()

    def observe(
        self, started: float, expected: int, used: int, failure: FailureClass | None, retry_after: float | None
    ) -> None:
        """Take in how a call went.

        Args:
            started: when it was let in.
            expected: how many tokens it was let in for.
            used: how many it took.
            failure: why it came to nothing, if it did.
            retry_after: seconds the provider asked to wait, if it did.
        """
        now = self._clock()
        if failure not in (FailureClass.CONNECTION, FailureClass.PLUGIN):
            self._never_answered = False
        if used > expected:
            self._tokens.use(used - expected, now)
        elif used:
            self._tokens.take_back(expected - used, started)
        if retry_after is not None:
            self._paused_until = max(self._paused_until, now + min(retry_after, _LONGEST_PAUSE_S))
        if failure is FailureClass.RATE_LIMITED:
            if started > self._cut_at:
                self.allowed, self._cut_at = max(1.0, self.allowed / 2), now
        elif failure in _DOWN:
            # Calls that were under way together fail together, and count as one.
            if started > self._failed_at:
                self._in_a_row, self._failed_at = self._in_a_row + 1, now
            if self._in_a_row >= _HALF_OPEN_AFTER:
                pause = min(2.0 ** (self._in_a_row - _HALF_OPEN_AFTER), _LONGEST_PAUSE_S)
                self._paused_until = max(self._paused_until, now + pause)
        elif failure is not FailureClass.PLUGIN:  # which says nothing about the provider: the call was given up
            self._in_a_row = 0
            self.allowed = min(float(self._most), self.allowed + 1 / self.allowed)

    def _wait_s(self, tokens: int) -> float:
        """Seconds until a call may start, as far as can be known now."""
        at_a_time = 1 if self._in_a_row >= _HALF_OPEN_AFTER else int(self.allowed)
        if self.in_flight >= at_a_time:
            return _LOOK_AGAIN_S
        now = self._clock()
        waits = self._requests.wait_s(1, now), self._tokens.wait_s(tokens, now), self._paused_until - now
        return max(waits)
