"""From an importer's transcripts to a run in the store: everything is checked before anything is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from oversight.core.outcome import IMPORTED, EpisodeOutcome, EpisodeSpec, Judgement
from oversight.core.protocol import Protocol
from oversight.errors import UsageError
from oversight.importers.importer import Imported, Importer
from oversight.importers.unpaired import UnpairedQuestions
from oversight.plugins import find_plugin, installed, nearest
from oversight.store import ArmRow, RunRow, StoreWriter, as_json, open_store
from oversight.util.digest import digest

__all__ = ["UNJUDGED", "ImportResult", "import_transcripts"]

UNJUDGED = "unjudged"
"""The failure class of a stored transcript that was not judged. It is in no run's plan: no view counts it."""

_BATCH = 64


class ImportResult(NamedTuple):
    """What an import did.

    Attributes:
        run_id: the same for the same transcripts.
        read: transcripts in the source; ``left_out`` of them by its ``filter``.
        unjudged: those without a verdict; they are stored, and no report counts them.
        new: transcripts that were not in the store before.
        done_before: the same import had been finished before.
        warnings: what is likely a mistake in the source, or was asked for and not done; a line for each.
    """

    run_id: str
    read: int
    left_out: int
    filter: str
    unjudged: int
    new: int
    done_before: bool
    warnings: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What the first reading found out about a transcript."""

    episode_id: str
    arm: str
    protocol: str
    status: str


class _Survey(NamedTuple):
    """What the first reading found out about them all."""

    known: list[_Known]
    read: int
    warnings: tuple[str, ...]

    @property
    def counts(self) -> Counter[str]:
        return Counter(each.status for each in self.known)


def import_transcripts(importer: Importer, path: Path, store: Path, *, everything: bool = False) -> ImportResult:
    """Read published transcripts into a store as a run, or what of them is not there yet.

    Args:
        importer: reads them.
        path: the file or folder.
        store: the store's directory.
        everything: also what the source's own filter leaves out; that is a run of its own.

    Raises:
        UsageError: something in the source cannot be read; nothing was written.
        StoreError: the store cannot be opened or written.
    """
    survey = _survey(importer, path, everything)
    source = importer.source(path, everything)
    report = source.experiment.get("report", {})
    _check_names(report, survey.known)
    ids = sorted(each.episode_id for each in survey.known)
    run_id = f"{source.run_name}-{digest([importer.name, everything, ids], length=8)}"
    left_out = survey.read - len(ids)
    stated = source.filter if left_out else ""
    with StoreWriter.open(store) as writer:
        done_before = _latest_event(store, run_id) == "finished"
        new, warnings = 0, survey.warnings
        if done_before:
            warnings += _kept(store, run_id, report)
        else:
            about = {
                "source": importer.name,
                "path": path.name,
                "options": importer.options.model_dump(mode="json"),
                "filter": stated,
                "everything": everything,
                "read": survey.read,
                "left_out": left_out,
                **survey.counts,
            }
            experiment = {"name": source.run_name, "import": about, **source.experiment}
            plugins = {each.arm: f"import:{importer.name}-{importer.version}" for each in survey.known}
            writer.begin(
                RunRow(run_id, source.run_name, experiment, plugins, 0, datetime.now(UTC), version("oversight"))
            )
            with _recorded(writer, run_id):
                new = _write(importer, path, everything, survey, run_id, writer)
            writer.event(run_id, "finished", dict(survey.counts))
    return ImportResult(run_id, survey.read, left_out, stated, survey.counts[UNJUDGED], new, done_before, warnings)


def _survey(importer: Importer, path: Path, everything: bool) -> _Survey:
    """Read everything once, keeping next to nothing of it."""
    names: dict[str, str] = {}
    known: list[_Known] = []
    unpaired = UnpairedQuestions()
    for imported in importer.episodes(path):
        if imported.name in names:
            raise UsageError(f"{imported.where}: id: '{imported.name}' is also that of {names[imported.name]}")
        names[imported.name] = imported.where
        if everything or imported.included:
            known.append(_Known(_episode_id(importer, imported), imported.arm, imported.protocol, imported.status))
            if imported.status != UNJUDGED:
                unpaired.add(imported)
    if not known:
        raise UsageError(f"{path}: there is no transcript" + (" that counts: --all takes every one" if names else ""))
    return _Survey(known, len(names), unpaired.warnings())


def _check_names(report: Mapping[str, Any], known: Iterable[_Known]) -> None:
    """See whether the arms that a source names for its report are there.

    Raises:
        UsageError: one is not; the message names the nearest.
    """
    names = {name for each in known if each.status != UNJUDGED for name in (each.arm, each.protocol)}
    for kind in ("baseline", "ceiling"):
        if (name := report.get(kind)) is not None and name not in names:
            raise UsageError(
                f"{kind} {name}: no arm or protocol of these transcripts is called so{nearest(name, names)}"
            )


def _kept(store: Path, run_id: str, report: Mapping[str, Any]) -> tuple[str, ...]:
    """A warning where a run that was imported before is to be reported in another way than it is."""
    (held,) = (
        open_store(store).arrow("SELECT experiment FROM runs WHERE run_id = ?", [run_id])["experiment"].to_pylist()
    )
    if (json.loads(held).get("report") or {}) == json.loads(as_json(report)):
        return ()
    return (
        "the run is reported as it was imported first; import it under another name (--set name=NAME), or give "
        "report the options",
    )


def _episode_id(importer: Importer, imported: Imported) -> str:
    """A digest of everything in the transcript: a corrected one is another episode."""
    content = imported.model_dump(mode="json", exclude={"where", "included"})
    return digest(["import", importer.name, importer.version, content])


def _write(importer: Importer, path: Path, everything: bool, survey: _Survey, run_id: str, writer: StoreWriter) -> int:
    """Store what is not stored yet, in batches that are each whole; returns how many transcripts that were."""
    numbers = {arm: place for place, arm in enumerate(dict.fromkeys([*importer.arms, *(k.arm for k in survey.known)]))}
    expected = iter(survey.known)
    new = 0
    wanted = (imported for imported in importer.episodes(path) if everything or imported.included)
    while batch := list(islice(wanted, _BATCH)):
        made = [(imported, _spec(importer, imported)) for imported in batch]
        arms = {imported.arm: imported for imported in batch if imported.status != UNJUDGED}
        if [spec.episode_id for _, spec in made] != [known.episode_id for known in islice(expected, len(made))]:
            raise UsageError(f"{path}: changed while it was read: import it again")
        writer.plan(
            run_id,
            [(numbers[spec.arm], spec) for imported, spec in made if imported.status != UNJUDGED],
            [(imported.task, imported.item) for imported, _ in made],
            {imported.task for imported, _ in made} if _restricted(importer) else (),
            [_arm_row(numbers[imported.arm], imported, importer) for imported in arms.values()],
        )
        new += writer.write(run_id, [(spec, _outcome(imported, spec)) for imported, spec in made])
        writer.judge([judgement for imported, spec in made for judgement in _judgements(imported, spec)])
    return new


def _arm_row(arm_no: int, imported: Imported, importer: Importer) -> ArmRow:
    """What the arm of a transcript is; an installed protocol of the same name and options says what it stands for."""
    baseline = ceiling = False
    if imported.protocol in installed(Protocol):
        known = find_plugin(Protocol, imported.protocol).load(Protocol)
        with suppress(ValidationError):
            protocol = known(known.Options.model_validate(imported.options))
            baseline, ceiling = protocol.baseline, protocol.ceiling
    return ArmRow(
        arm_no=arm_no,
        arm=imported.arm,
        entry=None,
        protocol=imported.protocol,
        origin=f"import:{importer.name}",
        version=importer.version,
        baseline=baseline,
        ceiling=ceiling,
        models={},  # each transcript names its judge, and the cast may differ within an arm
    )


def _restricted(importer: Importer) -> bool:
    return importer.restricted or bool(getattr(importer.options, "restricted", False))


def _spec(importer: Importer, imported: Imported) -> EpisodeSpec:
    return EpisodeSpec(
        episode_id=_episode_id(importer, imported),
        arm=imported.arm,
        task=imported.task,
        protocol=imported.protocol,
        protocol_version=importer.version,
        protocol_key=f"{IMPORTED}{importer.name}",
        options=imported.options,
        cast=imported.cast,
        judge=imported.judge,
        strong=imported.strong,
        question=imported.question,
        question_key=imported.item.key,
        answer_order=imported.order,
        assignment=tuple(side.argues for side in imported.sides),
        seed=imported.seed,
        repeat=imported.repeat,
    )


def _outcome(imported: Imported, spec: EpisodeSpec) -> EpisodeOutcome:
    judged = imported.status == "judged"
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=0,
        status="judged" if judged else "failed",
        started_at=imported.started_at,
        duration_s=imported.duration_s,
        messages=imported.messages,
        calls=imported.calls,
        sides=imported.sides,
        verdict=imported.verdict,
        failure=None if judged else imported.failure or UNJUDGED,
        detail=imported.detail,
    )


def _judgements(imported: Imported, spec: EpisodeSpec) -> Iterator[Judgement]:
    for each in imported.judgements:
        yield Judgement(
            judgement_id=digest([spec.episode_id, each.kind, each.judge, each.settings]),
            episode_id=spec.episode_id,
            attempt=0,
            status="failed" if each.belief is None else "judged",
            calls=(),
            calls_known=False,
            **each.model_dump(exclude={"belief"}),
            belief=each.belief,
        )


def _latest_event(store: Path, run_id: str) -> str | None:
    query = "SELECT max_by(event, event_at) AS event FROM run_events WHERE run_id = ?"
    found: Any = open_store(store).arrow(query, [run_id])["event"].to_pylist()[0]
    return None if found is None else str(found)


@contextmanager
def _recorded(writer: StoreWriter, run_id: str) -> Iterator[None]:
    """The run's log says when it started, and that it ended early if it did."""
    writer.event(run_id, "started")
    try:
        yield
    except KeyboardInterrupt:
        writer.event(run_id, "interrupted")
        raise
    except BaseException as error:
        writer.event(run_id, "failed", {"error": type(error).__name__})
        raise
