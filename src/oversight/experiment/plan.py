"""From an experiment to the list of its episodes. Planning reads files and calls no model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oversight.core.plugin_shape import needed_roles
from oversight.core.protocol import Protocol
from oversight.core.question import Item
from oversight.errors import UsageError
from oversight.experiment.arm import Arm, PlannedEpisode, episodes_of
from oversight.experiment.bind import bind
from oversight.experiment.dry_run import DryRunFault
from oversight.experiment.dry_run_process import DryRunProcess
from oversight.experiment.file import Experiment, ExperimentFile, ProtocolEntry, Variant
from oversight.experiment.identity import design
from oversight.experiment.packed_questions import AskedQuestions, PlannedQuestion, PlannedQuestions
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.experiment.task_reader import TaskReader
from oversight.experiment.yaml_document import KeyPath
from oversight.models.binding import Binding
from oversight.plugins import find_plugin, nearest
from oversight.util.collection import rare_collection
from oversight.util.digest import digest

__all__ = ["Plan", "PlannedEpisode", "build_plan"]


MOST_EPISODES = 2_000_000
"""Episodes of one run; planning holds all of them in memory."""

_TRIED = 8
"""Items of an arm's dry run, at most."""


@dataclass
class Plan:
    """Everything a run needs: arms, episodes, the items behind them (with gold), and the code to carry."""

    run_id: str = ""
    arms: list[Arm] = field(default_factory=list)
    episodes: list[PlannedEpisode] = field(default_factory=list)
    items: PlannedQuestions = field(default_factory=PlannedQuestions)
    models: dict[str, Binding] = field(default_factory=dict)
    restricted: set[str] = field(default_factory=set)
    """Tasks whose questions must not be published."""
    baseline: str | None = None
    """What the report is told to compare with, if the protocols do not say."""
    faults: list[DryRunFault] = field(default_factory=list)
    """What went wrong in dry runs."""

    @property
    def protocols(self) -> dict[str, ProtocolBinding]:
        """The protocols of all arms by key."""
        return {arm.protocol.key: arm.protocol for arm in self.arms}


def build_plan(experiment: Experiment, limit: int | None = None) -> Plan:
    """List the episodes of an experiment; ``limit`` keeps that many questions of each task.

    Raises:
        UsageError: a protocol, task, model, option or row cannot be used, or the limit is below 1.
    """
    if limit is not None and limit < 1:
        raise UsageError(f"limit is a number of questions, 1 or more, not {limit}")
    plan = Plan(baseline=experiment.file.report.baseline)
    with rare_collection(), DryRunProcess() as trying:
        planner = _Planner(experiment, plan, limit, trying)
        for variant in experiment.variants():
            planner.check_models(variant.file)
            for place, entry in enumerate(variant.entries):
                planner.add(variant, place, entry)
    plan.episodes = planner.episodes
    plan.items = PlannedQuestions(episode.question for episode in plan.episodes)
    plan.run_id = (
        f"{experiment.file.name}-{design(experiment, [arm.protocol.version for arm in plan.arms], planner.contents)}"
    )
    _check_references(experiment, plan)
    labels = {arm.label for arm in plan.arms}
    for place, published in enumerate(experiment.file.published):
        if published.arm not in labels:
            message = f"no arm is called '{published.arm}'{nearest(published.arm, labels)}"
            raise experiment.source.problem(("published", place, "arm"), message)
    return plan


def _check_references(experiment: Experiment, plan: Plan) -> None:
    """See whether the arms that the report is to compare with are there."""
    known = {name for arm in plan.arms for name in (arm.label, arm.entry, arm.protocol.create().name)}
    for key in ("baseline", "ceiling"):
        named = getattr(experiment.file.report, key)
        if named is not None and named not in known:
            raise experiment.source.problem(("report", key), f"no arm is called '{named}'{nearest(named, known)}")


class _Planner:
    """Adds arms and episodes to a plan, reading each task and trying each arm once."""

    def __init__(self, experiment: Experiment, plan: Plan, limit: int | None, trying: DryRunProcess) -> None:
        self._source = experiment.source
        self._plan = plan
        self._tasks = TaskReader(experiment.source, limit, trying)
        self._trying = trying
        self._arms: dict[str, int] = {}
        self._episodes: dict[str, PlannedEpisode] = {}
        self._asked = 0

    @property
    def contents(self) -> list[str]:
        """A digest of each task's questions, before any limit."""
        return self._tasks.contents

    @property
    def episodes(self) -> list[PlannedEpisode]:
        """All episodes so far: one that is asked for twice stands where it was first."""
        return list(self._episodes.values())

    def check_models(self, file: ExperimentFile) -> None:
        """See that every model of the file can be used, those of roles that no arm has included."""
        for role, bound in file.models.items():
            for raw in bound if isinstance(bound, list) else [bound]:
                bind(raw, file.seed, self._source, ("models", role), self._trying)

    def _count(self, repeats: int, questions: int, each: int) -> None:
        """Refuse by arithmetic what is more than can be run, before any of it is built."""
        self._asked += repeats * questions * each
        if self._asked > MOST_EPISODES:
            message = (
                f"this asks for {self._asked:,} episodes, and the most of one run is {MOST_EPISODES:,}: lower the "
                "repeats, the points of the grid, or the questions (--limit)"
            )
            raise self._source.problem(("repeats",), message)

    def add(self, variant: Variant, place: int, entry: ProtocolEntry) -> None:
        """Add what one protocol entry asks for at one point of the grid."""
        file, where = variant.file, ("protocols", place)
        protocol = self._protocol(entry, where)
        cast = self._cast(protocol.create(), file, entry, where)
        origin: KeyPath = (*where, "task") if entry.task else ("task",)
        task = self._tasks.read({**file.task, **entry.task}, file.seed, origin)
        self._plan.restricted |= {task.task} if task.restricted else set()
        # The same arm at another seed has models of its own, where models are made here.
        for binding in (each for bound in cast.values() for each in bound):
            known_model = self._plan.models.get(binding.key, binding)
            self._plan.models[binding.key] = known_model.held_to(binding)
        at = self._arm(variant, where, entry, protocol, cast, task.task, task.asked.questions)
        arm = self._plan.arms[at]
        with self._source.located(where):
            each = len(episodes_of(arm, at, cast, AskedQuestions(task.asked.questions[:1]), 0, 1))
        self._count(file.repeats, len(task.asked.questions), each)
        with self._source.located(where):
            episodes = episodes_of(arm, at, cast, task.asked, file.seed, file.repeats)
        for episode in episodes:
            first = self._episodes.setdefault(episode.episode_id, episode)
            if first.arm != at:
                other = self._plan.arms[first.arm].label
                raise self._source.problem(where, f"asks for episodes that '{other}' asks for already")

    def _protocol(self, entry: ProtocolEntry, where: KeyPath) -> ProtocolBinding:
        with self._source.located(where):
            plugin = find_plugin(Protocol, entry.protocol, self._source.folder)
            self._trying.check(plugin, Protocol, entry.options)
            cls = plugin.load(Protocol)
        self._source.validate(cls.Options, entry.options, (*where, entry.protocol))
        binding = ProtocolBinding(plugin, entry.options)
        with self._source.located((*where, entry.protocol)):
            needed_roles(binding.create())
        return binding

    def _cast(
        self, protocol: Protocol, file: ExperimentFile, entry: ProtocolEntry, where: KeyPath
    ) -> dict[str, tuple[Binding, ...]]:
        bound = {**file.models, **entry.models}
        for role in entry.models:
            if role not in protocol.roles:
                message = f"protocol '{protocol.name}' has no role '{role}'{nearest(role, protocol.roles)}"
                raise self._source.problem((*where, "models", role), message)
        cast = {}
        for role in needed_roles(protocol):
            if role not in bound:
                message = f"protocol '{protocol.name}' needs a model for role '{role}'{nearest(role, bound)}"
                raise self._source.problem(("models",), message)
            origin: KeyPath = (*where, "models", role) if role in entry.models else ("models", role)
            given = bound[role] if isinstance(bound[role], list) else [bound[role]]
            if not given:
                raise self._source.problem(origin, f"role '{role}' has no model")
            cast[role] = tuple(bind(raw, file.seed, self._source, origin, self._trying) for raw in given)
        return cast | self._preferences(cast, bound, file.seed)

    def _preferences(
        self, cast: dict[str, tuple[Binding, ...]], bound: dict[str, Any], seed: int
    ) -> dict[str, tuple[Binding, ...]]:
        """The models by whose taste speakers choose their words, where those have no other part in the protocol."""
        found: dict[str, tuple[Binding, ...]] = {}
        for role, speakers in cast.items():
            for settings in (binding.checked()[1] for binding in speakers):
                other = settings.preferred_by
                if settings.best_of == 1 or other in cast or other in found:
                    continue
                if other not in bound or isinstance(bound[other], list):
                    message = f"best_of needs one model for role '{other}' (preferred_by){nearest(other, bound)}"
                    raise self._source.problem(("models", role), message)
                found[other] = (bind(bound[other], seed, self._source, ("models", other), self._trying),)
        return found

    def _arm(
        self,
        variant: Variant,
        where: KeyPath,
        entry: ProtocolEntry,
        protocol: ProtocolBinding,
        cast: dict[str, tuple[Binding, ...]],
        task: str,
        questions: list[PlannedQuestion],
    ) -> int:
        bindings = {role: [b.identity for b in bound] for role, bound in cast.items()}
        key = digest([protocol.key, bindings, {**variant.file.task, **entry.task}, entry.label])
        limits = variant.file.limits.overridden(entry.limits)
        if key not in self._arms:
            label = self._label(variant, entry, protocol, cast)
            with self._source.located(where):
                found = self._trying.dry_run(protocol, cast, _spread(questions), variant.file.seed, limits)
            if found.error is not None:
                told = str(self._source.problem(where, f"arm '{label}' fails in its dry run: {found.error}"))
                self._plan.faults.append(DryRunFault(told, found.fails, found.exits))
            if found.differs is not None:
                told = str(self._source.problem(where, f"arm '{label}' is not repeatable: {found.differs}"))
                self._plan.faults.append(DryRunFault(told, fails=False, exits=False))
            self._arms[key] = len(self._plan.arms)
            name = entry.label or protocol.create().name
            self._plan.arms.append(Arm(label, name, task, protocol, cast, limits, found))
        elif self._plan.arms[self._arms[key]].limits != limits:
            raise self._source.problem((*where, "limits"), "one arm has one set of limits: they cannot be swept")
        return self._arms[key]

    def _label(self, variant: Variant, entry: ProtocolEntry, protocol: ProtocolBinding, cast: dict[str, Any]) -> str:
        """What the entry is called, with the swept values that make it differ from its neighbours."""
        name = entry.label or protocol.create().name
        names = (entry.protocol, entry.label, protocol.create().name)
        heads = ("task", *(f"protocols.{each}." for each in names), *(f"models.{role}" for role in cast))
        swept = [
            f"{key.rpartition('.')[2]}={_short(value)}"
            for key, value in variant.values.items()
            if key.startswith(heads)
        ]
        label = " ".join([name, *swept])
        taken = {arm.label for arm in self._plan.arms}
        if label in taken and not swept:
            label += "".join(f" {key}={value}" for key, value in entry.options.items())
        count = sum(other == label or other.startswith(f"{label} #") for other in taken)
        return f"{label} #{count + 1}" if count else label


def _short(value: object) -> object:
    """A swept value as a label shows it: of a task or a model its name, of a list its entries."""
    if isinstance(value, list):
        return "+".join(str(_short(entry)) for entry in value)
    return value.get("name") or value.get("model") or value if isinstance(value, dict) else value


def _spread(questions: list[PlannedQuestion]) -> list[Item]:
    """A few questions from all over a task, because those of one place may be of one length."""
    return [question.item for question in questions[:: -(-len(questions) // _TRIED)]]
