"""The commands. Each is a thin layer over a public function; heavy imports wait until one is chosen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from oversight import __version__
from oversight.cli.dashboard_command import dashboard
from oversight.cli.models_command import models
from oversight.cli.output import Format, err, out, plain
from oversight.cli.sql_command import sql

__all__ = ["app"]

app = typer.Typer(
    help="Experiments in scalable oversight: does a protocol let a weak judge find the truth anyway?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_File = Annotated[Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment file.")]
_Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change one value of the file; repeatable.")
]
_Limit = Annotated[int | None, typer.Option(min=1, help="Keep this many questions of each task.")]
_Store = Annotated[Path, typer.Option(envvar="OVERSIGHT_STORE", help="The store's directory.")]
_Seed = Annotated[int | None, typer.Option(help="Use this seed instead of the file's.")]
_Repeat = Annotated[int | None, typer.Option(min=1, help="Run every episode this many times.")]
_Concurrency = Annotated[int, typer.Option(min=1, help="Episodes in flight at once.")]
_MaxCost = Annotated[float | None, typer.Option(min=0, help="US dollars it may cost in all.")]
_Replay = Annotated[
    Path | None, typer.Option(metavar="STORE", help="Answer every call from this store's record; make none.")
]
_Format = Annotated[Format, typer.Option("--format", help="How to print it.")]

_ListFormat = Annotated[Format, typer.Option("--format", help="How to print the list.")]

_STORE = Path("oversight-store")


@app.command()
def run(
    experiment: _File,
    overrides: _Set = None,
    limit: _Limit = None,
    store: _Store = _STORE,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="Where episodes run.")] = "ray",
    address: Annotated[str | None, typer.Option(help="A running Ray cluster, as 'ray start' prints it.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Ray workers; by default one per CPU.")] = None,
    concurrency: _Concurrency = 64,
    max_cost: _MaxCost = None,
    seed: _Seed = None,
    repeat: _Repeat = None,
    replay: _Replay = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Run arms that fail in their dry run all the same.")
    ] = False,
) -> int:
    """Run an experiment, or what of it has not been run yet, and print its report."""
    from oversight.cli.progress import say, watch
    from oversight.execution.run import RunSettings
    from oversight.store import open_store
    from oversight.training.run_experiment import run_experiment

    settings = RunSettings(store, engine, address, workers, concurrency, max_cost, replay, keep_going)
    result = run_experiment(
        experiment, settings, overrides=overrides or (), limit=limit, repeats=repeat, seed=seed, watch=watch, say=say
    )
    from oversight.cli.summary import ended, print_runs  # which imports SciPy, seconds that the episodes need not wait

    print_runs(open_store(store), [result.run_id])
    driven = result.driven
    done = driven.judged + len(driven.failed)
    # Rounds of a network that is trained here have no episodes.
    count = f"{done} episodes run with {driven.calls} model calls; {result.already} had been judged before. "
    out.print(plain(f"{count if done or result.already else ''}Store: {store}"))
    if result.waiting:
        err.print(plain(f"waiting: {result.waiting}"), soft_wrap=True)
    return ended(driven, [(spec.episode_id, spec.arm, outcome) for spec, outcome in driven.failed])


@app.command()
def rejudge(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run whose transcripts are judged again.")],
    judge: Annotated[str, typer.Option(metavar="MODEL", help="The other judge, named as in an experiment file.")],
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One of the judge's settings; repeatable.")
    ] = None,
    store: _Store = _STORE,
    concurrency: _Concurrency = 64,
    max_cost: _MaxCost = None,
    replay: _Replay = None,
    prompts: Annotated[
        list[Path] | None,
        typer.Option(
            "--prompt",
            metavar="FILE",
            help="Other words for the judge: its request, or a folder with decide.j2 and judge.j2; repeatable.",
        ),
    ] = None,
    form: _Format = Format.TABLE,
) -> int:
    """Put a run's transcripts to another judge, store its verdicts, and compare; no other seat is asked again."""
    from oversight.cli.rejudge_command import print_ladder, print_rejudged, settings_of
    from oversight.cli.summary import ended
    from oversight.execution.execute import RunSettings
    from oversight.execution.judge_prompt import JudgePrompt
    from oversight.execution.rejudge import rejudge as judge_again
    from oversight.reports.ladder import ladder
    from oversight.reports.rejudge_report import rejudged
    from oversight.store import open_store

    settings = RunSettings(store, "local", concurrency=concurrency, max_cost=max_cost, replay=replay)
    rungs = [JudgePrompt.read(path) for path in prompts or ()]
    result = judge_again(run, {"model": judge, **settings_of(overrides or ())}, settings, prompts=rungs)
    if rungs:
        print_ladder(ladder(open_store(store), run, result.judge, result.settings), form)
    else:
        print_rejudged(rejudged(open_store(store), run), form)
    driven = result.driven
    done = driven.judged + len(driven.failed)
    err.print(plain(f"{done} judgements by {judge} with {driven.calls} calls; {result.already} had been before"))
    if result.unfit:
        err.print(plain(f"{result.unfit} transcripts have no single judge whose place another could take"))
    return ended(driven, [(job.episode_id, run, each) for job, each in driven.failed])


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="What kind of transcripts: nyu2023 or jsonl.")],
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The file or folder that holds them.")],
    store: _Store = _STORE,
    everything: Annotated[bool, typer.Option("--all", help="Also what the source's own filter leaves out.")] = False,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One of the source's settings; repeatable.")
    ] = None,
    form: _Format = Format.TABLE,
) -> None:
    """Read transcripts that others published into the store, as a run, and print its report."""
    from oversight.cli.import_command import import_and_report

    import_and_report(source, path, store, overrides or (), form, everything=everything)


@app.command()
def plan(
    experiment: _File,
    overrides: _Set = None,
    limit: _Limit = None,
    seed: _Seed = None,
    repeat: _Repeat = None,
    form: _Format = Format.TABLE,
) -> None:
    """Show what a run would do: episodes, calls, tokens and cost, and what it could detect. Spends nothing."""
    from oversight.cli.plan_command import print_iterated, print_plan
    from oversight.experiment.file import load_experiment
    from oversight.experiment.plan import build_plan

    loaded = load_experiment(experiment, overrides or (), repeats=repeat, seed=seed)
    if loaded.file.iterate is not None:
        print_iterated(loaded, limit, form)
    else:
        print_plan(build_plan(loaded, limit), form)


@app.command()
def report(
    store: _Store = _STORE,
    runs: Annotated[list[str] | None, typer.Option("--run", help="Only this run; repeatable.")] = None,
    by: Annotated[str | None, typer.Option(help="Columns that make a row, separated by commas.")] = None,
    unit: Annotated[
        Literal["episode", "cluster"] | None,
        typer.Option(help="Unit of scoring: an episode, or a cluster of them."),
    ] = None,
    measures: Annotated[bool, typer.Option("--measures", help="Also every other measure, row by row.")] = False,
    ratings: Annotated[bool, typer.Option("--ratings", help="Instead, how strong each debater is, by side.")] = False,
    over: Annotated[
        str | None,
        typer.Option(help="What intervals generalise over, separated by commas: question, judge, seed, and others."),
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM", help="Compare with this arm, entry or protocol.")
    ] = None,
    ceiling: Annotated[str | None, typer.Option(metavar="ARM", help="Take this one for the most there is.")] = None,
    margin: Annotated[
        float | None, typer.Option(help="Test whether accuracies are equivalent, or no worse, within this much.")
    ] = None,
    form: _Format = Format.TABLE,
) -> None:
    """Print judge accuracy with 95 % intervals, what it rests on, and the difference to the judge alone."""
    from oversight.cli.ratings_table import print_ratings
    from oversight.cli.summary import print_runs
    from oversight.reports.ratings_report import ratings as rated
    from oversight.store import open_store

    columns, factors = ([column.strip() for column in text.split(",")] if text else None for text in (by, over))
    if ratings:
        print_ratings(rated(open_store(store), runs or (), by=columns or ()), form)
        return
    print_runs(
        open_store(store),
        runs or (),
        form,
        measures=measures,
        by=columns,
        unit=unit,
        over=factors,
        baseline=baseline,
        ceiling=ceiling,
        margin=margin,
    )


@app.command()
def show(
    episode: Annotated[str, typer.Argument(metavar="EPISODE", help="An episode's id, or its first characters.")],
    store: _Store = _STORE,
    prompts: Annotated[bool, typer.Option(help="Also show what each seat was told.")] = False,
    reasoning: Annotated[bool, typer.Option(help="Show in full what models reasoned for themselves.")] = False,
) -> None:
    """Show one transcript: who said what to whom, quotes as checked, beliefs and verdict."""
    from oversight.cli.transcript_text import find_episode, print_transcript
    from oversight.store import open_store

    opened = open_store(store)
    transcript = opened.transcript(find_episode(opened, episode))
    print_transcript(transcript, with_prompts=prompts, with_reasoning=reasoning)


@app.command()
def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run to export.")],
    form: Annotated[
        Literal["episodes", "sft", "preferences", "prm800k", "trl-steps"],
        typer.Option("--format", help="What each row is."),
    ],
    store: _Store = _STORE,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here, as Parquet if it ends so, instead of to stdout.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Overwrite the file if it exists.")] = False,
    by: Annotated[str | None, typer.Option(metavar="ID", help="Step labels of this person.")] = None,
    role: Annotated[str | None, typer.Option(metavar="ROLE", help="Chats or replies of this role's seats.")] = None,
    won: Annotated[bool, typer.Option("--won", help="Chats of seats whose side the judge preferred.")] = False,
) -> None:
    """Write a run as JSON lines or Parquet, to read or to train on, without questions that must not be published."""
    from oversight.cli.export_command import write_export
    from oversight.reports.export import ExportFilter
    from oversight.store import open_store

    write_export(open_store(store), run, form, output, ExportFilter(by, role, won), force=force)


@app.command()
def protocols(
    name: Annotated[str | None, typer.Argument(help="One protocol, for its options and prompts.")] = None,
    form: _ListFormat = Format.TABLE,
) -> None:
    """List the installed protocols, or show one's options and prompts."""
    from oversight.cli.plugins_command import list_plugins, show_protocol
    from oversight.core.protocol import Protocol

    show_protocol(name) if name else list_plugins(Protocol, form)


@app.command()
def tasks(
    name: Annotated[str | None, typer.Argument(help="One task, for its options and an example.")] = None,
    form: _ListFormat = Format.TABLE,
) -> None:
    """List the installed tasks, or show one's options and an example question."""
    from oversight.cli.plugins_command import list_plugins, show_task
    from oversight.tasks.task import Task

    show_task(name) if name else list_plugins(Task, form)


app.command()(dashboard)
app.command()(sql)
app.add_typer(models, name="models")

new = typer.Typer(help="Start something of your own.", rich_markup_mode=None)
app.add_typer(new, name="new")


@new.command("protocol")
def new_protocol(name: Annotated[str, typer.Argument(help="Lower-case letters, digits and _.")]) -> None:
    """Write a working protocol with its prompts, its test and an experiment into a new folder NAME."""
    from oversight.cli.new_command import new_protocol as write

    folder = write(name, Path())
    out.print(
        plain(f"wrote {folder}: run it with 'oversight run {folder / name}.yaml', test it with 'pytest {folder}'")
    )


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"oversight {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _oversight(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    _help(context)


@new.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
