"""``oversight plan``: what a run would take, and how small a difference its design can detect."""

from __future__ import annotations

from collections import Counter, defaultdict

from oversight.cli.output import Format, err, out, plain, print_frame
from oversight.digest import digest
from oversight.experiment.arm import Arm
from oversight.experiment.estimate import Estimate, estimate
from oversight.experiment.file import Experiment
from oversight.experiment.plan import Plan, PlannedEpisode
from oversight.iterate.rounds import method_of
from oversight.stats.planning import TARGET, Design, detectable

__all__ = ["power_lines", "print_iterated", "print_plan"]

_FEWEST, _MOST = 200, 1000
_EPISODES = 500_000
"""How many are simulated at once, about: a large design needs fewer studies, and is slower."""


def print_plan(plan: Plan, form: Format) -> None:
    """Print what each arm would take; for people also what it could detect."""
    rows = estimate(plan)
    print_frame(Estimate._fields, [tuple(row) for row in rows], form, f"run {plan.run_id}")
    if form is Format.TABLE:
        for line in power_lines(plan):
            out.print(plain(line), soft_wrap=True)
    for arm in plan.arms:
        if arm.rehearsal.error:
            err.print(plain(f"warning: {arm.label} fails in rehearsal: {arm.rehearsal.error}"))


def print_iterated(experiment: Experiment, limit: int | None, form: Format) -> None:
    """Print what all rounds of an iterated experiment would take of other people's models."""
    method, run_id = method_of(experiment, limit)
    rows, warnings = method.estimated()
    print_frame(Estimate._fields, [tuple(row) for row in rows], form, f"run {run_id}")
    for warning in warnings:
        err.print(plain(f"warning: {warning}"))


def power_lines(plan: Plan) -> list[str]:
    """One line for each arm that shares questions with a baseline of its own, and one with what they take for granted.

    As in reports, an arm and its baseline are alike in all but the protocol: the models of the roles both have.
    """
    counts = _counting(plan)
    lines = []
    for at, arm in enumerate(plan.arms):
        alone = None if _is_baseline(plan, arm) else _baseline(plan, arm)
        shared = [] if alone is None else [key for key in counts[at] if key in counts[alone]]
        if alone is None or not shared:
            continue
        clusters = Counter(plan.items[key][1].question.cluster for key in shared)
        episodes, base = (round(sum(counts[each][key] for key in shared) / len(shared)) for each in (at, alone))
        least = detectable(
            Design(tuple(sorted(clusters.values())), episodes, base),
            simulations=min(_MOST, max(_FEWEST, _EPISODES // (len(shared) * (episodes + base)))),
        )
        size = "no difference" if least is None else f"a difference of {least:.3f} or more"
        lines.append(
            f"{arm.label} against {plan.arms[alone].label}: {len(shared)} questions in {len(clusters)} clusters, "
            f"{episodes} against {base} episodes each: {TARGET:.0%} power for {size}"
        )
    given = Design((1,))
    if lines:
        lines.append(
            f"simulated for a judge alone at {given.baseline:g}, paired by question, 5 % two-sided; correlation "
            f"{given.question:g} of episodes on a question and {given.cluster:g} of questions in a cluster"
        )
    return lines


def _baseline(plan: Plan, arm: Arm) -> int | None:
    """The place of the first baseline that is alike."""
    for at, other in enumerate(plan.arms):
        roles = arm.cast.keys() & other.cast.keys()
        alike = all(_identities(arm, role) == _identities(other, role) for role in roles)
        if alike and _is_baseline(plan, other) and arm.task == other.task:
            return at
    return None


def _is_baseline(plan: Plan, arm: Arm) -> bool:
    return arm.protocol.create().baseline if plan.baseline is None else plan.baseline in arm.names


def _identities(arm: Arm, role: str) -> list[str]:
    return sorted(digest(binding.identity) for binding in arm.cast[role])


def _counting(plan: Plan) -> dict[int, Counter[str]]:
    """For each arm, how many episodes of each question can count: those that are not void."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for planned in plan.episodes:
        if not _void(plan, planned):
            found[planned.arm][planned.spec.question_key] += 1
    return found


def _void(plan: Plan, planned: PlannedEpisode) -> bool:
    """Whether it is a contest in which no side argues the right answer."""
    spec = planned.spec
    right = spec.answer_order.index(plan.items[spec.question_key][1].gold)
    return len(spec.assignment) > 1 and right not in spec.assignment
