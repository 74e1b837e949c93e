"""From an entry under ``models`` to the model that it names, checked."""

from __future__ import annotations

from oversight.experiment.dry_run_process import DryRunProcess
from oversight.experiment.yaml_document import KeyPath, YamlDocument
from oversight.models.base import ChatModel
from oversight.models.binding import Binding, plugin_for

__all__ = ["bind"]


def bind(
    raw: object, seed: int, source: YamlDocument, where: KeyPath = (), trying: DryRunProcess | None = None
) -> Binding:
    """The model that one entry names, with its settings checked; a plugin is imported by ``trying`` first.

    Raises:
        UsageError: there is no such model, or a setting is wrong; the message says where in ``source``.
    """
    settings = {"model": raw} if isinstance(raw, str) else raw
    if not isinstance(settings, dict) or not isinstance(settings.get("model"), str):
        raise source.problem(where, "a model is a name, or a mapping with at least 'model: NAME'")
    with source.located((*where, "model")):
        binding = Binding(plugin=plugin_for(settings["model"], source.folder), settings=settings, seed=seed)
        if trying is not None:
            trying.check(binding.plugin, ChatModel)
        model = binding.plugin.load(ChatModel)
    checked = source.validate(model.Settings, settings, where)
    with source.located((*where, "model")):
        model.check_address(checked)
    return binding
