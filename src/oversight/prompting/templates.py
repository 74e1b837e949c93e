"""Prompt templates: Jinja2 files beside a plugin's code, strict about names, safe with other people's text."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined, TemplateError, TemplateNotFound

from oversight.errors import ProtocolError
from oversight.prompting.markup import Trusted, escape

__all__ = ["Templates"]


def _safe(value: object) -> str:
    """Escape every inserted value except the framework's own text, so that none can forge structure."""
    return value if isinstance(value, Trusted) else escape(str(value))


def _defaults() -> dict[str, str]:
    folder = resources.files("oversight.prompting") / "prompts"
    return {
        file.name.removesuffix(".j2"): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".j2")
    }


_DEFAULTS = _defaults()


class Templates:
    """A protocol's templates by name, over the framework's defaults for ``judge``, ``believe`` and ``decide``.

    A name that a template uses and that has no value is an error, never an empty string: a published experiment
    once ran for nine months with consultants that were not told their side.
    """

    def __init__(self, sources: Mapping[str, str]) -> None:
        self.sources = {**_DEFAULTS, **sources}
        # Not an HTML page: `finalize` escapes exactly what could be taken for one of our tags.
        self._environment = Environment(  # noqa: S701
            loader=DictLoader(self.sources),
            undefined=StrictUndefined,
            finalize=_safe,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def __contains__(self, name: str) -> bool:
        return name in self.sources

    def render(self, name: str, values: Mapping[str, Any]) -> str:
        """Fill in template ``name``.

        Raises:
            ProtocolError: there is no such template, or it uses a name that is not in ``values``.
        """
        try:
            return self._environment.get_template(name).render(values).strip()
        except TemplateNotFound as error:
            known = ", ".join(sorted(self.sources))
            raise ProtocolError(f"there is no prompt template '{error.name}.j2'; there are: {known}") from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise ProtocolError(f"prompt template '{name}.j2': {error}") from None
