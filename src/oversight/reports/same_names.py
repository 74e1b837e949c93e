"""Telling protocols of one name apart: both in one row would make a number about neither."""

from __future__ import annotations

from collections.abc import Sequence

from oversight.store import ArmRow

__all__ = ["protocol_labels"]


def protocol_labels(arms: Sequence[ArmRow]) -> dict[int, str]:
    """Return what a report calls the protocol of each arm of a run, by the arm's place, where its name is not enough.

    Where the run has several protocols of one name, where the class is and its version are added. Protocols are the
    same if their classes and their versions are, which depend on code and prompts.
    """
    contents: dict[str, set[tuple[str | None, str | None]]] = {}
    for arm in arms:
        contents.setdefault(arm.protocol, set()).add((arm.origin, arm.version))
    return {arm.arm_no: _label(arm) for arm in arms if len(contents[arm.protocol]) > 1}


def _label(arm: ArmRow) -> str:
    return f"{arm.protocol} [{' '.join(part for part in (arm.origin, arm.version) if part)}]"
