"""Where protocols, dashboard and experiments are: at the top of a checkout, or inside the installed package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

__all__ = ["experiments_folder", "map_checkout"]

_FOLDERS = ("protocols", "dashboard", "experiments")
_PACKAGE = Path(__file__).resolve().parents[1]


class _CheckoutFinder(MetaPathFinder):
    """Finds the three folders that stand beside ``src`` in a checkout, and nothing else that stands there."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        parent, _, name = fullname.rpartition(".")
        if parent != "oversight" or name not in _FOLDERS:
            return None
        folder = self._root / name
        if (folder / "__init__.py").is_file():
            return spec_from_file_location(fullname, folder / "__init__.py", submodule_search_locations=[str(folder)])
        namespace = ModuleSpec(fullname, None, is_package=True)
        namespace.submodule_search_locations = [str(folder)]
        return namespace


def map_checkout() -> None:
    """Make the three folders importable as parts of ``oversight``, if this is a checkout and no wheel."""
    root = _checkout()
    if root is not None and not any(isinstance(finder, _CheckoutFinder) for finder in sys.meta_path):
        sys.meta_path.append(_CheckoutFinder(root))


def experiments_folder() -> Path:
    """Return the folder of the experiments that come with the package."""
    return (_checkout() or _PACKAGE) / "experiments"


def _checkout() -> Path | None:
    root = _PACKAGE.parents[1]
    return root if (root / "protocols" / "__init__.py").is_file() and (root / "pyproject.toml").is_file() else None
