"""What the phases of a round ask for when they are made of episodes, and whether that can be carried out."""

from __future__ import annotations

from typing import Any

from oversight.core.protocol import Distillable, Protocol
from oversight.experiment.dry_run_process import DryRunProcess
from oversight.experiment.file import Experiment, Iterate, expanded
from oversight.experiment.overrides import ENTRY_KEYS
from oversight.experiment.plan import Plan, build_plan
from oversight.experiment.protocol_binding import ProtocolBinding
from oversight.experiment.yaml_document import KeyPath
from oversight.plugins import find_plugin, nearest
from oversight.training.distillation import held_out, sees_material
from oversight.util.digest import digest

__all__ = ["ALONE", "AMPLIFIED", "CEILING", "TRAINING", "Phases"]

ALONE, TRAINING, AMPLIFIED, CEILING = "X_{}", "training, X_{}", "amplified X_{}", "ceiling"
"""What the arms of round k are called."""


class Phases:
    """The episodes of each phase of an iterated experiment.

    Args:
        experiment: the experiment.
        limit: keep that many questions of each task.
    """

    def __init__(self, experiment: Experiment, limit: int | None) -> None:
        assert experiment.file.iterate is not None
        self.iterate: Iterate = experiment.file.iterate
        self._experiment = experiment
        self._limit = limit
        self._plans: dict[str, Plan] = {}

    @property
    def first(self) -> dict[str, Any]:
        """X_0 as the experiment binds it."""
        given = self._experiment.file.models["strong"]
        return {"model": given} if isinstance(given, str) else dict(given)

    @property
    def ceiling(self) -> dict[str, Any] | None:
        """The model that the experiment binds to the role ``ceiling``, if it binds one."""
        given = self._experiment.file.models.get(CEILING)
        return {"model": given} if isinstance(given, str) else given

    @property
    def alone(self) -> ProtocolBinding:
        """With which X is asked by itself."""
        return self.evaluation(0, self.first, self.ceiling).arms[0].protocol

    @property
    def amplification(self) -> ProtocolBinding:
        """With which X is amplified."""
        return self.training(0, self.first).arms[0].protocol

    def training(self, k: int, model: Any) -> Plan:
        """Amplification of the training questions with X_k."""
        return self._plan(("iterate", "train"), [self._amplified(TRAINING.format(k))], model)

    def evaluation(self, k: int, model: Any, ceiling: Any = None) -> Plan:
        """X_k alone and amplified on the held-out questions, and a ceiling beside them."""
        alone = {"direct": self.iterate.alone, "as": ALONE.format(k), "models": {"judge": model}}
        arms = [alone, self._amplified(AMPLIFIED.format(k))]
        if ceiling is not None:
            arms.append({"direct": self.iterate.alone, "as": CEILING, "models": {"judge": ceiling}})
        return self._plan(("iterate", "evaluate"), arms, model)

    def check(self) -> list[str]:
        """See whether the phases can be carried out; returns what determines them besides the file.

        Raises:
            UsageError: they cannot.
        """
        self._check_parts()
        train, held = self.training(0, self.first), self.evaluation(0, self.first, self.ceiling)
        problem = self._experiment.source.problem
        if train.restricted:
            message = f"the authors of '{train.arms[0].task}' ask that no model be trained on it"
            raise problem(("iterate", "train"), message)
        if train.arms[0].dry_run.reads_assigned:
            message = "nothing is to be learned from assistants who are told what to argue; leave out 'adversary'"
            raise problem(("protocols", 0), message)
        kept = held_out(item.question for _, item in held.items.values())
        for _, item in train.items.values():
            if kept.has(item.question, sees_material=sees_material(self.alone)):
                message = f"question '{item.question.id}' is also evaluated on; choose another split or limit"
                raise problem(("iterate", "train"), message)
        versions = [arm.protocol.version for arm in (*train.arms, *held.arms)]
        # Which questions, because a phase that ended with a few of them has not ended with all.
        return [*versions, digest([sorted(train.items), sorted(held.items)])]

    def _check_parts(self) -> None:
        """See whether the file has the parts that rounds are made of, and no others."""
        file, source = self._experiment.file, self._experiment.source
        if "strong" not in file.models or isinstance(file.models["strong"], list):
            raise source.problem(("models",), "bind one model to the role 'strong': X_0, which is distilled")
        if len(file.protocols) != 1:
            raise source.problem(("protocols",), "an iterated experiment has one protocol, with which X is amplified")
        arms = [label.format(k) for label in (ALONE, TRAINING, AMPLIFIED) for k in range(self.iterate.rounds + 1)]
        for place, published in enumerate(file.published):
            if published.arm not in (*arms, CEILING):
                message = f"no arm is called '{published.arm}'{nearest(published.arm, (*arms, CEILING))}"
                raise source.problem(("published", place, "arm"), message)
        entry = file.protocols[0] if isinstance(file.protocols[0], dict) else {file.protocols[0]: {}}
        for key in ("models", "task"):
            if key in entry:
                message = "rounds bind 'strong' and choose the task for themselves; leave it out"
                raise source.problem(("protocols", 0, key), message)
        name = next((str(key) for key in entry if key not in ENTRY_KEYS), "")
        with source.located(("protocols", 0)), DryRunProcess() as trying:
            plugin = find_plugin(Protocol, name, source.folder)
            trying.check(plugin, Protocol)
            protocol = plugin.load(Protocol)
        if not issubclass(protocol, Distillable):
            message = f"protocol '{protocol.name}' cannot be distilled; 'amplification' can"
            raise source.problem(("protocols", 0), message)
        roles = (*protocol.roles, CEILING)
        for role in file.models:
            if role not in roles:
                message = f"no model has the role '{role}' here{nearest(role, roles)}; roles: {', '.join(roles)}"
                raise source.problem(("models", role), message)
        if self.ceiling == self.first:
            raise source.problem(("models", CEILING), "the ceiling is X_0 itself; leave it out")

    def _amplified(self, label: str) -> dict[str, Any]:
        given = self._experiment.file.protocols[0]
        return {**(given if isinstance(given, dict) else {given: {}}), "as": label}

    def _plan(self, task: KeyPath, arms: list[Any], model: Any) -> Plan:
        """Plan one phase; what is wrong with it is said of the parts of the file that it was put together from."""
        key = digest([task, arms, model])
        if key not in self._plans:
            data = {
                name: value for name, value in self._experiment.data.items() if name not in ("iterate", "published")
            }
            models = {role: bound for role, bound in self._experiment.file.models.items() if role != CEILING}
            asked = self.iterate.train if task[-1] == "train" else self.iterate.evaluate
            phase = {**data, "task": asked, "protocols": arms, "models": {**models, "strong": model}}
            places: dict[KeyPath, KeyPath] = {("task",): task}
            for place, arm in enumerate(arms):
                at: KeyPath = ("protocols", place)
                places[at] = ("iterate", "alone") if "direct" in arm else ("protocols", 0)
                places[(*at, "direct")] = ("iterate", "alone")
                places[(*at, "models", "judge")] = ("models", CEILING if arm["as"] == CEILING else "strong")
            experiment = expanded(phase, self._experiment.source.moved(places))
            self._plans[key] = build_plan(experiment, self._limit)
        return self._plans[key]
