"""``oversight plan``: what a run would take, and how small a difference its design can detect."""

from __future__ import annotations

from collections import Counter, defaultdict

from oversight.cli.output import Format, err, out, plain, print_frame
from oversight.execution.run_status import arm_row
from oversight.experiment.arm import PlannedEpisode
from oversight.experiment.cost_estimate import CostEstimate, estimate
from oversight.experiment.dry_run import refuse_exits
from oversight.experiment.endpoints import endpoint_lines
from oversight.experiment.file import Experiment
from oversight.experiment.plan import Plan
from oversight.store import ArmRow

__all__ = ["power_lines", "print_iterated", "print_plan"]

_FEWEST, _MOST = 200, 1000
_EPISODES = 500_000
"""How many are simulated at once, about: a large design needs fewer studies, and is slower."""


def print_plan(plan: Plan, form: Format) -> None:
    """Print what each arm would take; for people also what it could detect."""
    refuse_exits(plan.faults)
    rows = estimate(plan)
    print_frame(CostEstimate._fields, [tuple(row) for row in rows], form, f"run {plan.run_id}")
    if form is Format.TABLE:
        for line in power_lines(plan):
            out.print(plain(line), soft_wrap=True)
    for line in endpoint_lines(plan.arms):
        err.print(plain(line), soft_wrap=True)
    for fault in plan.faults:
        err.print(plain(f"warning: {fault.told}"), soft_wrap=True)


def print_iterated(experiment: Experiment, limit: int | None, form: Format) -> None:
    """Print what all rounds of an iterated experiment would take of other people's models."""
    from oversight.training.rounds import method_of  # which imports SciPy

    method, run_id = method_of(experiment, limit)
    rows, warnings = method.estimated()
    print_frame(CostEstimate._fields, [tuple(row) for row in rows], form, f"run {run_id}")
    for line in method.endpoints():
        err.print(plain(line), soft_wrap=True)
    for warning in warnings:
        err.print(plain(f"warning: {warning}"))


def power_lines(plan: Plan) -> list[str]:
    """One line for each arm that shares questions with a baseline of its own, and one with what they take for granted.

    As in reports, an arm and its baseline are alike in all but the protocol: the models of the roles both have.
    """
    baselines = _baselines(plan)
    if not any(alone is not None for alone in baselines):
        return []
    from oversight.stats.planning import TARGET, Design, detectable  # which imports SciPy

    counts = _counting(plan)
    lines = []
    for at, (arm, alone) in enumerate(zip(plan.arms, baselines, strict=True)):
        shared = [] if alone is None else [key for key in counts[at] if key in counts[alone]]
        if alone is None or not shared:
            continue
        clusters = Counter(plan.items.packed(key).cluster for key in shared)
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


def _baselines(plan: Plan) -> list[int | None]:
    """For each arm, the place of the first baseline that is alike; None for baselines themselves."""
    rows = [arm_row(at, arm) for at, arm in enumerate(plan.arms)]
    known = [row for row in rows if (row.baseline if plan.baseline is None else plan.baseline in row.names)]
    found: list[int | None] = []
    for row in rows:
        same = [other.arm_no for other in known if other.alike(row.models) and _task(plan, other) == _task(plan, row)]
        found.append(None if row in known or not same else same[0])
    return found


def _task(plan: Plan, row: ArmRow) -> str:
    return plan.arms[row.arm_no].task


def _counting(plan: Plan) -> dict[int, Counter[str]]:
    """For each arm, how many episodes of each question can count: those that are not void."""
    found: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for planned in plan.episodes:
        if not _void(planned):
            found[planned.arm][planned.question.key] += 1
    return found


def _void(planned: PlannedEpisode) -> bool:
    """Whether it is a contest in which no side argues the right answer."""
    assignment = planned.assignment
    return len(assignment) > 1 and planned.order.index(planned.question.gold) not in assignment
