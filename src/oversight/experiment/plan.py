"""From an experiment to the list of its episodes. Planning reads files and calls no model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from oversight.digest import digest, draw
from oversight.errors import UsageError
from oversight.experiment.arm import Arm, ProtocolBinding, episodes_of
from oversight.experiment.file import Experiment, ExperimentFile, ProtocolEntry, Variant
from oversight.experiment.rehearsal import rehearse
from oversight.experiment.source import KeyPath, Source
from oversight.models.base import ChatModel
from oversight.models.binding import Binding, plugin_for
from oversight.protocol import Protocol
from oversight.question import Item
from oversight.record import EpisodeSpec
from oversight.registry import find_plugin, nearest
from oversight.tasks.base import Task

__all__ = ["Plan", "PlannedEpisode", "bind", "build_plan", "without_manner"]


_REHEARSED = 8
"""Items that an arm is rehearsed on, at most."""


@dataclass(frozen=True)
class PlannedEpisode:
    """An episode, and the place of its arm in the plan."""

    spec: EpisodeSpec
    arm: int


@dataclass
class Plan:
    """Everything a run needs: arms, episodes, the items behind them (with gold), and the code to carry."""

    run_id: str = ""
    arms: list[Arm] = field(default_factory=list)
    episodes: list[PlannedEpisode] = field(default_factory=list)
    items: dict[str, tuple[str, Item]] = field(default_factory=dict)
    models: dict[str, Binding] = field(default_factory=dict)
    restricted: set[str] = field(default_factory=set)
    """Tasks whose questions must not be published."""
    baseline: str | None = None
    """What the report is told to compare with, if the protocols do not say."""

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
    planner = _Planner(experiment, plan, limit)
    for variant in experiment.variants:
        for place, entry in enumerate(variant.entries):
            planner.add(variant, place, entry)
    plan.run_id = f"{experiment.file.name}-{_design(experiment, plan, planner.questions)}"
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


def _design(experiment: Experiment, plan: Plan, questions: list[str]) -> str:
    """Tells runs of one name apart by what was asked of what code and data, but not by how much, or how fast."""
    asked = {key: value for key, value in experiment.data.items() if key not in ("repeats", "description")}
    asked["models"] = without_manner(asked["models"], experiment)
    asked["protocols"] = [
        {**entry, "models": without_manner(entry["models"], experiment)}
        if isinstance(entry, dict) and "models" in entry
        else entry
        for entry in asked["protocols"]
    ]
    task = {key: value for key, value in experiment.file.task.items() if key != "limit"}
    return digest([{**asked, "task": task}, [arm.protocol.version for arm in plan.arms], questions], length=8)


def without_manner(models: Any, experiment: Experiment) -> Any:
    """A file's ``models`` without the settings that only say how each is reached."""
    if not isinstance(models, dict):
        return models
    bare: dict[str, Any] = {}
    for role, bound in models.items():
        listed = [_bare(each, experiment) for each in (bound if isinstance(bound, list) else [bound])]
        bare[role] = listed if isinstance(bound, list) else listed[0]
    return bare


def _bare(model: Any, experiment: Experiment) -> Any:
    if not isinstance(model, dict):
        return model
    manner = bind(model, experiment.file.seed, experiment.source).checked()[1].MANNER
    return {name: value for name, value in model.items() if name not in manner}


class _Planner:
    """Adds arms and episodes to a plan, reading each task and rehearsing each arm once."""

    def __init__(self, experiment: Experiment, plan: Plan, limit: int | None) -> None:
        self._source = experiment.source
        self._plan = plan
        self._limit = limit
        self._items: dict[str, tuple[str, list[Item], str]] = {}
        self._arms: dict[str, int] = {}
        self._known: dict[str, int] = {}

    @property
    def questions(self) -> list[str]:
        """A digest of each task's questions, before any limit."""
        return [contents for _, _, contents in self._items.values()]

    def add(self, variant: Variant, place: int, entry: ProtocolEntry) -> None:
        """Add what one protocol entry asks for at one point of the grid."""
        file, where = variant.file, ("protocols", place)
        protocol = self._protocol(entry, where)
        cast = self._cast(protocol.create(), file, entry, where)
        origin: KeyPath = (*where, "task") if entry.task else ("task",)
        task, items, _ = self._read_task({**file.task, **entry.task}, file.seed, origin)
        # The same arm at another seed has models of its own, where models are made here.
        for binding in (each for bound in cast.values() for each in bound):
            known_model = self._plan.models.get(binding.key, binding)
            self._plan.models[binding.key] = known_model.held_to(binding)
        arm_place = self._arm(variant, entry, protocol, cast, task, items)
        for repeat in range(file.repeats):
            for item in items:
                for spec in episodes_of(self._plan.arms[arm_place], cast, item, file.seed, repeat):
                    known = self._known.get(spec.episode_id)
                    if known is None:
                        self._known[spec.episode_id] = arm_place
                        self._plan.episodes.append(PlannedEpisode(spec, arm_place))
                        self._plan.items[item.key] = (task, item)
                    elif known != arm_place:
                        other = self._plan.arms[known].label
                        raise self._source.problem(where, f"asks for episodes that '{other}' asks for already")

    def _protocol(self, entry: ProtocolEntry, where: KeyPath) -> ProtocolBinding:
        with self._source.located(where):
            plugin = find_plugin(Protocol, entry.protocol, self._source.folder)
            cls = plugin.load(Protocol)
        self._source.validate(cls.Options, entry.options, (*where, entry.protocol))
        return ProtocolBinding(plugin, entry.options)

    def _cast(
        self, protocol: Protocol, file: ExperimentFile, entry: ProtocolEntry, where: KeyPath
    ) -> dict[str, tuple[Binding, ...]]:
        bound = {**file.models, **entry.models}
        for role in entry.models:
            if role not in protocol.roles:
                message = f"protocol '{protocol.name}' has no role '{role}'{nearest(role, protocol.roles)}"
                raise self._source.problem((*where, "models", role), message)
        cast = {}
        for role in protocol.needs():
            if role not in bound:
                message = f"protocol '{protocol.name}' needs a model for role '{role}'{nearest(role, bound)}"
                raise self._source.problem(("models",), message)
            origin: KeyPath = (*where, "models", role) if role in entry.models else ("models", role)
            given = bound[role] if isinstance(bound[role], list) else [bound[role]]
            if not given:
                raise self._source.problem(origin, f"role '{role}' has no model")
            cast[role] = tuple(bind(raw, file.seed, self._source, origin) for raw in given)
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
                found[other] = (bind(bound[other], seed, self._source, ("models", other)),)
        return found

    def _read_task(self, raw: dict[str, Any], seed: int, where: KeyPath) -> tuple[str, list[Item], str]:
        key = digest([raw, seed])
        if key not in self._items:
            options = {name: value for name, value in raw.items() if name not in ("name", "limit")}
            reference, limit = raw.get("name"), raw.get("limit")
            if not isinstance(reference, str):
                raise self._source.problem(where, "name the task, as in 'task: {name: digits}'")
            if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
                raise self._source.problem((*where, "limit"), f"limit is a number of questions, not {limit!r}")
            with self._source.located((*where, "name")):
                cls = find_plugin(Task, reference, self._source.folder).load(Task)
            task = cls(self._source.validate(cls.Options, options, where))
            items = self._unique(task, seed, where)
            contents = digest([item.key for item in items])
            for size in (limit, self._limit):
                items = _sampled(items, size, seed)
            self._items[key] = (task.name, items, contents)
            self._plan.restricted |= {task.name} if task.restricted else set()
        return self._items[key]

    def _unique(self, task: Task, seed: int, where: KeyPath) -> list[Item]:
        found: dict[str, Item] = {}
        try:
            for item in task.items(seed):
                if item.question.id in found:
                    raise self._source.problem(where, f"two questions share the id '{item.question.id}'")
                found[item.question.id] = item
        except UsageError:
            raise  # it names the row it is about
        except Exception as error:
            raise self._source.problem(where, f"task '{task.name}' failed: {type(error).__name__}: {error}") from error
        if not found:
            raise self._source.problem(where, "the task has no questions")
        return list(found.values())

    def _arm(
        self,
        variant: Variant,
        entry: ProtocolEntry,
        protocol: ProtocolBinding,
        cast: dict[str, tuple[Binding, ...]],
        task: str,
        items: list[Item],
    ) -> int:
        bindings = {role: [b.identity for b in bound] for role, bound in cast.items()}
        key = digest([protocol.key, bindings, {**variant.file.task, **entry.task}, entry.label])
        if key not in self._arms:
            label = self._label(variant, entry, protocol, cast)
            rehearsal = rehearse(protocol, cast, _spread(items), variant.file.seed)
            self._arms[key] = len(self._plan.arms)
            name = entry.label or protocol.create().name
            self._plan.arms.append(Arm(label, name, task, protocol, cast, rehearsal))
        return self._arms[key]

    def _label(self, variant: Variant, entry: ProtocolEntry, protocol: ProtocolBinding, cast: dict[str, Any]) -> str:
        """What the entry is called, with the swept values that make it differ from its neighbours."""
        name = entry.label or protocol.create().name
        heads = ("task", f"protocols.{entry.protocol}.", f"protocols.{entry.label}.", *(f"models.{r}" for r in cast))
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


def _spread(items: list[Item]) -> list[Item]:
    """A few items from all over a task, because those of one place may be of one length."""
    return items[:: -(-len(items) // _REHEARSED)]


def bind(raw: object, seed: int, source: Source, where: KeyPath = ()) -> Binding:
    """The model that one entry names, with its settings checked.

    Raises:
        UsageError: there is no such model, or a setting is wrong; the message says where in ``source``.
    """
    settings = {"model": raw} if isinstance(raw, str) else raw
    if not isinstance(settings, dict) or not isinstance(settings.get("model"), str):
        raise source.problem(where, "a model is a name, or a mapping with at least 'model: NAME'")
    with source.located((*where, "model")):
        binding = Binding(plugin=plugin_for(settings["model"], source.folder), settings=settings, seed=seed)
        model = binding.plugin.load(ChatModel)
    source.validate(model.Settings, settings, where)
    return binding


def _sampled(items: list[Item], size: int | None, seed: int) -> list[Item]:
    """A seeded sample; a smaller one is part of a larger one, whatever the order of the rows."""
    if size is None or size >= len(items):
        return items
    return sorted(items, key=lambda item: draw(seed, item.question.id, "question sampling").random())[:size]
