"""What makes an experiment the same run: everything it says but how often, how fast and within which limits."""

from __future__ import annotations

from typing import Any

from oversight.experiment.bind import bind
from oversight.experiment.file import Experiment
from oversight.util.digest import digest

__all__ = ["design", "identity_data", "without_limits"]


def design(experiment: Experiment, versions: list[str], questions: list[str]) -> str:
    """Tell runs of one name apart by what was asked of what code and data, but not by how much, or how fast.

    Args:
        experiment: the experiment.
        versions: of each arm's protocol.
        questions: a digest of each task's questions.
    """
    asked = {key: value for key, value in experiment.data.items() if key not in ("repeats", "description", "limits")}
    asked["models"] = identity_data(asked["models"], experiment)
    asked["protocols"] = [without_limits(entry, experiment) for entry in asked["protocols"]]
    task = {key: value for key, value in experiment.file.task.items() if key != "limit"}
    return digest([{**asked, "task": task}, versions, questions], length=8)


def without_limits(entry: Any, experiment: Experiment) -> Any:
    """A protocol's entry without what changes nothing about its episodes."""
    if not isinstance(entry, dict):
        return entry
    bare = {key: value for key, value in entry.items() if key != "limits"}
    if "limits" in entry and len(bare) == 1 and not any(bare.values()):
        return next(iter(bare))  # as it is written without limits
    return bare | {key: identity_data(value, experiment) for key, value in entry.items() if key == "models"}


def identity_data(models: Any, experiment: Experiment) -> Any:
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
    manner = bind(model, experiment.file.seed, experiment.source).checked()[1].NON_IDENTITY_SETTINGS
    return {name: value for name, value in model.items() if name not in manner}
