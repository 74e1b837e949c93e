"""Every address that a plan's calls go to, so that a person sees before a run what leaves the machine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from oversight.experiment.arm import Arm

__all__ = ["endpoint_lines"]

_MOST_NAMED = 4
"""Arms of one model that are named; a grid has hundreds."""


def endpoint_lines(arms: Iterable[Arm]) -> list[str]:
    """Return one line for each address that the arms' models are called at, with the models, roles and arms."""
    arms = list(arms)
    found: defaultdict[str, defaultdict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for arm in arms:
        for role, bound in arm.cast.items():
            for name, address in {each.name: each.endpoint for each in bound}.items():
                if address is not None:
                    found[address][name, role].append(arm.label)
    return [
        f"calls go to {address}: "
        + "; ".join(f"{name} ({role} of {_listed(labels, len(arms))})" for (name, role), labels in by_model.items())
        for address, by_model in sorted(found.items())
    ]


def _listed(labels: list[str], count: int) -> str:
    if len(labels) == count > 1:
        return "every arm"
    rest = len(labels) - _MOST_NAMED
    return ", ".join(labels[:_MOST_NAMED]) + (f" and {rest} others" if rest > 0 else "")
