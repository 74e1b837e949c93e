"""One protocol in two releases; the later one adds an option with a default."""

from __future__ import annotations

from pydantic import Field

from oversight import Episode, Protocol, Verdict

__all__ = ["Bumped", "Earlier", "Later"]


class Earlier(Protocol):
    """The judge decides."""

    name = "released"
    roles = ("judge",)

    class Options(Protocol.Options):
        rounds: int = Field(1, description="not used")

    async def run(self, episode: Episode) -> Verdict:
        return await episode.seat("judge").decide()


class Later(Earlier):
    """The same, with one more option."""

    class Options(Earlier.Options):
        patience: int = Field(3, description="not used either")


class Bumped(Earlier):
    """The same by every appearance, but its author says that old episodes no longer count."""

    version = "2"
