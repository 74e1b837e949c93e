"""Questions that look the same in two arms and are not: what an import warns of, because it empties differences."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations

from oversight.importers.importer import Imported
from oversight.util.digest import digest

__all__ = ["UnpairedQuestions"]

_FIXES = {
    "material": "give every line of a question its material, and say in sees_material who read it",
    "id": "give every line of a question the same question_id",
    "cluster": "give every line of a question the same cluster",
}
"""Fields that are part of a question's identity, and how to make them agree. Defaults follow from the fields before."""

_LENGTH = 12
_NAMED = 6


class UnpairedQuestions:
    """Collects what tells questions apart that have prompt and answers in common, in digests alone."""

    def __init__(self) -> None:
        self._keys: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        self._values: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    def add(self, imported: Imported) -> None:
        """Take note of one transcript's question."""
        question = imported.item.question
        texts = sorted(answer.text for answer in question.answers)
        asked = digest([imported.task, question.prompt, texts], _LENGTH)
        self._keys[asked][imported.arm].add(imported.item.key[:_LENGTH])
        for field in _FIXES:
            self._values[asked][field].add(digest(getattr(question, field), _LENGTH))

    def warnings(self) -> tuple[str, ...]:
        """Say of how many questions two arms have no transcript in common, and what to change."""
        found: Counter[str] = Counter()
        arms: defaultdict[str, set[str]] = defaultdict(set)
        for field, apart in self._apart():
            found[field] += 1
            arms[field] |= apart
        return tuple(
            f"{found[field]} questions have the same text and answers in several of the arms {_listed(arms[field])} "
            f"but another {'name' if field == 'id' else field}, so that they are different questions and no difference "
            f"is worked out on them: {fix}"
            for field, fix in _FIXES.items()
            if field in found
        )

    def _apart(self) -> Iterator[tuple[str, set[str]]]:
        """For each question whose transcripts in two arms cannot be paired: the field that differs, and the arms."""
        for asked, arms in self._keys.items():
            apart = {arm for pair in combinations(arms, 2) if arms[pair[0]].isdisjoint(arms[pair[1]]) for arm in pair}
            differing = [field for field in _FIXES if len(self._values[asked][field]) > 1]
            if apart and differing:
                yield differing[0], apart


def _listed(arms: set[str]) -> str:
    named = [f"'{arm}'" for arm in sorted(arms)]
    more = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + more
