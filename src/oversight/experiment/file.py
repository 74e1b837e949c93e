"""The experiment file: questions x protocols x casts x repeats, in one YAML file."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from oversight.core.episode_limits import EpisodeLimits
from oversight.experiment.overrides import ENTRY_KEYS, put, put_setting
from oversight.experiment.plain_yaml import check_plain
from oversight.experiment.yaml_document import YamlDocument, read_source
from oversight.plugins import nearest
from oversight.util.secret_search import check_secrets

__all__ = [
    "COLUMNS",
    "FACTORS",
    "Experiment",
    "ExperimentFile",
    "Iterate",
    "ProtocolEntry",
    "PublishedNumber",
    "ReportSettings",
    "check_columns",
    "expanded",
    "load_experiment",
]


MOST_POINTS = 20_000
"""Points of a grid; each is an arm or more, with a dry run of its own."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


COLUMNS = ("arm", "task", "protocol", "options", "judge", "strong", "honest", "seed", "repeat", "belief_source")
"""What the rows of a report may be told apart by."""
FACTORS = ("question", "judge", "seed", "repeat", "strong", "task")
"""What the intervals of a report may generalise over."""


def check_columns(names: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names if all of them are known.

    Raises:
        ValueError: one is not, and the message names the nearest; or one is given twice.
    """
    for name in names:
        if name not in known:
            raise ValueError(f"no column is called '{name}'{nearest(name, known)}; columns: {', '.join(known)}")
        if names.count(name) > 1:
            raise ValueError(f"column '{name}' is given twice")
    return names


def _check_margin(margin: float | None) -> float | None:
    if margin is not None and not 0 < margin < 1:
        raise ValueError("a difference between two accuracies that does not matter lies above 0 and below 1")
    return margin


Columns = Annotated[tuple[str, ...], AfterValidator(lambda names: check_columns(names, COLUMNS))]
Factors = Annotated[tuple[str, ...], AfterValidator(lambda names: check_columns(names, FACTORS))]


class ReportSettings(_Strict):
    """How a run is reported unless the command line says otherwise.

    Attributes:
        by: the columns that make a row.
        unit: what is counted as right or wrong: every episode, or a whole cluster of questions, which is
            right only if each of its episodes with the same honest seat is (Irving et al. 2018).
        detail: columns by which a second table, for people, splits the rows further.
        over: what the intervals generalise over; empty: over questions, for the judges, models, seeds and repeats
            that there are. With others beside ``question`` they are crossed random effects.
        baseline, ceiling: the arm, the label of a protocol's entry, or the protocol that others are compared with,
            and that stands for the most that can be reached. By default the protocols say which arms these are.
        margin: a difference in accuracy that does not matter, for tests of equivalence and non-inferiority.
    """

    by: Annotated[Columns, Field(min_length=1)] = ("arm",)
    detail: Columns = ()
    unit: Literal["episode", "cluster"] = "episode"
    over: Factors = ()
    baseline: str | None = None
    ceiling: str | None = None
    margin: Annotated[float | None, AfterValidator(_check_margin)] = None

    @model_validator(mode="after")
    def _units_are_not_crossed(self) -> Self:
        if self.crossed and self.unit == "cluster":
            raise ValueError("over: with unit cluster whole clusters of questions are counted; take unit episode")
        return self

    @property
    def crossed(self) -> tuple[str, ...]:
        """The factors that are crossed random effects; none where intervals generalise over questions alone."""
        return () if set(self.over) <= {"question"} else self.over


class PublishedNumber(_Strict):
    """A number from a paper, shown beside the arm it belongs to."""

    arm: str
    honest: str | None = None
    accuracy: float = Field(ge=0, le=1)
    source: str = ""


class ProtocolEntry(_Strict):
    """One arm's protocol: what to run, and what this arm changes of the task and the models."""

    protocol: str
    options: dict[str, Any] = {}
    label: str | None = Field(None, alias="as")
    task: dict[str, Any] = {}
    models: dict[str, Any] = {}
    limits: EpisodeLimits = EpisodeLimits()


class Iterate(_Strict):
    """Amplify, distil, and again (Christiano, Shlegeris and Amodei 2018): X_k is the strong model after k rounds.

    Attributes:
        rounds: how often the model is distilled.
        train: the task whose questions are amplified; its gold answers are not looked at.
        evaluate: the task that X_k and what amplification makes of it are tested on; it shares no question with
            ``train``.
        distil: how X_k+1 comes from what amplification with X_k answered: ``method``, and the method's options.
        alone: the options of `direct` with which X_k is asked by itself; by default it sees the material.
        max_failed: share of a round's episodes that may fail; with more, the round is not finished.
    """

    rounds: int = Field(ge=1)
    train: dict[str, Any]
    evaluate: dict[str, Any]
    distil: dict[str, Any]
    alone: dict[str, Any] = {"sees": "material"}
    max_failed: float = Field(0.0, ge=0, lt=1)


class ExperimentFile(_Strict):
    """The file's top level; parts that belong to plugins are checked by them later.

    An iterated experiment names its tasks under ``iterate``; one that trains a model of its own names no models
    and no protocols either.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    description: str = ""
    task: dict[str, Any] = {}
    models: dict[str, Any] = Field({}, min_length=1)
    protocols: list[Any] = Field([], min_length=1)
    iterate: Iterate | None = None
    limits: EpisodeLimits = EpisodeLimits()
    repeats: int = Field(1, ge=1)
    seed: int = 0
    grid: dict[str, Any] = {}
    report: ReportSettings = ReportSettings()
    published: tuple[PublishedNumber, ...] = ()


class Variant(NamedTuple):
    """One point of the grid: the file with its values filled in, and which ones they were."""

    file: ExperimentFile
    entries: tuple[ProtocolEntry, ...]
    values: dict[str, Any]


class Experiment(NamedTuple):
    """An experiment ready to be planned."""

    file: ExperimentFile
    source: YamlDocument
    data: dict[str, Any]

    def variants(self) -> Iterator[Variant]:
        """Yield the points of the grid one by one, so that a fault of all is found in the first.

        Raises:
            UsageError: a point of the grid cannot be used.
        """
        swept = dict(_flatten(self.file.grid))
        shared = {key: value for key, value in self.data.items() if key != "grid"}
        for values in product(*swept.values()):
            filled = copy.deepcopy(shared)
            for key, value in zip(swept, values, strict=True):
                put(filled, key, value, self.source)
            checked = self.source.validate(ExperimentFile, filled, ())
            entries = tuple(_entry(raw, place, self.source) for place, raw in enumerate(checked.protocols))
            yield Variant(checked, entries, dict(zip(swept, values, strict=True)))


def load_experiment(
    path: Path, settings: Iterable[str] = (), *, repeats: int | None = None, seed: int | None = None
) -> Experiment:
    """Read an experiment file, apply ``key=value`` settings, and expand its grid.

    Raises:
        UsageError: anything about the file or a setting is wrong; one line says where, what and the fix.
    """
    data, source = read_source(path)
    for setting in settings:
        put_setting(data, setting, source)
    if repeats is not None:
        data["repeats"] = repeats
    if seed is not None:
        data["seed"] = seed
    if (problem := check_plain(data)) is not None:
        raise source.problem(*problem)
    if (secret := check_secrets(data)) is not None:
        raise source.problem(*secret)
    file = source.validate(ExperimentFile, data, ())
    for key in ("task", "models", "protocols") if file.iterate is None else ():
        if key not in data:
            raise source.problem((key,), "field required")
    for key in ("task", "grid") if file.iterate is not None else ():
        if key in data:
            raise source.problem((key,), "an iterated experiment has its tasks under 'iterate', and no grid")
    return expanded(data, source)


def expanded(data: dict[str, Any], source: YamlDocument) -> Experiment:
    """An experiment from its data, whose parts stand in ``source``.

    Raises:
        UsageError: anything about it is wrong.
    """
    file = source.validate(ExperimentFile, data, ())
    _check_grid(file, source)
    return Experiment(file, source, data)


def _check_grid(file: ExperimentFile, source: YamlDocument) -> None:
    swept = dict(_flatten(file.grid))
    for key, values in swept.items():
        if not isinstance(values, list) or not values:
            raise source.problem(("grid", *key.split(".")), "a grid value is a list of values to sweep")
    points = math.prod(len(values) for values in swept.values())
    if points > MOST_POINTS:
        raise source.problem(("grid",), f"this asks for {points:,} points of the grid; the most is {MOST_POINTS:,}")


def _entry(raw: object, place: int, source: YamlDocument) -> ProtocolEntry:
    """Read ``debate`` or ``{debate: {options}, as: label, task: {…}, models: {…}}``."""
    where = ("protocols", place)
    if isinstance(raw, str):
        return ProtocolEntry(protocol=raw)
    names = [key for key in raw if key not in ENTRY_KEYS] if isinstance(raw, dict) else []
    if not isinstance(raw, dict) or len(names) != 1:
        guess = next((near for name in names[1:] if (near := nearest(str(name), ENTRY_KEYS))), "")
        form = "an entry is a protocol's name, or {name: {options}} with at most as, task, models, limits"
        raise source.problem(where, form + guess)
    options = raw[names[0]]
    if options is not None and not isinstance(options, dict):
        raise source.problem((*where, names[0]), f"options are a mapping, not {options!r:.60}")
    rest = {key: value for key, value in raw.items() if key in ENTRY_KEYS}
    return source.validate(ProtocolEntry, {"protocol": names[0], "options": options or {}, **rest}, where)


def _flatten(grid: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Grid keys may be dotted or nested; both come out dotted."""
    for key, value in grid.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
