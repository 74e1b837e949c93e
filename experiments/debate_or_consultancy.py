"""Does debate beat consultancy here? Runs experiments/quickstart.yaml, offline, and says so with numbers.

    python experiments/debate_or_consultancy.py [--store DIR] [--limit N]
    python experiments/debate_or_consultancy.py --store DIR --run RUN    # of a run that is there already

Copy it and change it: everything it prints is one call of `oversight.stats` (docs/measures.md) on one data frame.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from math import isnan
from pathlib import Path

import pandas as pd

from oversight import OversightError, RunSettings, open_store, report, run_experiment
from oversight.reports.verdicts import verdicts
from oversight.stats import asd, bias, compare, planning, scores
from oversight.stats.estimate import Estimate

QUICKSTART = Path(__file__).with_name("quickstart.yaml")


def arm_of(table: pd.DataFrame, protocol: str) -> pd.DataFrame:
    """The verdicts of the first arm with a protocol."""
    those = table[table["protocol"] == protocol]
    if those.empty:
        sys.exit(f"the run has no verdict of protocol '{protocol}': it takes direct, consultancy and debate")
    first: pd.DataFrame = those[those["arm_no"] == those["arm_no"].min()]
    return first


def say(name: str, found: Estimate | None, what: str = "") -> None:
    """Print one number with all that it rests on."""
    told = f"{found.text():22} n = {found.n}, {found.interval}" if found else "nothing to work it out from"
    print(f"  {name:32} {told}{what}")


def describe(name: str, arm: pd.DataFrame, alone: pd.DataFrame) -> None:
    """Print what one protocol does: to the judge, and to those who argue."""
    right = scores.accuracy(arm)
    print(f"\n{name}: {right.ties} ties, {right.abstained} abstained, {right.void} void")
    say("accuracy", right.right)
    if name != "direct":
        for seat, part in arm.groupby("honest"):
            name = "nobody" if seat == "none" else str(seat)
            say(f"- {name} defends the truth", scores.accuracy(part).right)
        say("agent score difference, bits", asd.agent_score_difference(arm).difference)
        say("persuasion", bias.persuasion(arm, alone))


def compared(debate: pd.DataFrame, consultancy: pd.DataFrame) -> str:
    """Print the difference of two protocols and what the design could have found; return the answer in a sentence."""
    found = compare.paired_difference(debate, consultancy)
    right = scores.accuracy(consultancy).right
    if found is None or right is None:
        sys.exit("debate and consultancy have no question in common")
    difference, test = found
    print("\ndebate less consultancy, on the questions that both judged")
    # Where all clusters differ alike there is no spread to test by, and p is NaN.
    say("difference of accuracies", difference, "" if isnan(test.p) else f"; p = {test.p:.2g} ({test.test})")

    questions = debate[debate["question"].isin(consultancy["question"])]
    clusters = Counter(questions.drop_duplicates("question")["cluster"]).values()
    each, other = (round(len(arm) / arm["question"].nunique()) for arm in (debate, consultancy))
    design = planning.Design(tuple(clusters), each, other, right.value)
    least = planning.detectable(design)
    size = "no difference" if least is None else f"a difference of {least:.3f} or more"
    print(f"  Such a study finds {size} above {right.value:.3f} with 80 % power (simulated, correlation")
    print(f"  {design.question:g} between episodes on a question, {design.cluster:g} between questions in a cluster).")

    if difference.low is not None and difference.low > 0:
        return f"Yes: debate beats consultancy here, by {difference.text()} in accuracy."
    if difference.high is not None and difference.high < 0:
        return f"No: consultancy beats debate here, by {-difference.value:.3f} in accuracy."
    return f"Cannot say: the difference in accuracy is {difference.text()}, and the interval holds 0."


def main() -> None:
    """Run the experiment, or take a run that is there, and answer."""
    parser = argparse.ArgumentParser(description="Does debate beat consultancy here?")
    parser.add_argument("--store", type=Path, default=Path("oversight-store"), help="the store's directory")
    parser.add_argument("--run", help="a run in the store; by default quickstart.yaml is run, or what is missing of it")
    parser.add_argument("--limit", type=int, help="so many images of the quickstart")
    given = parser.parse_args()
    if given.limit is not None and given.limit < 1:
        parser.error("--limit: at least 1")
    try:
        run = given.run or run_experiment(QUICKSTART, RunSettings(given.store, "local"), limit=given.limit).run_id
        store = open_store(given.store)
        table, failed = verdicts(store, [run]), sum(row.n_failed for row in report(store, [run]))
    except OversightError as error:
        sys.exit(f"error: {error}")
    print(f"run {run}: {len(table)} verdicts, {failed} episodes failed")
    alone, consultancy, debate = (arm_of(table, name) for name in ("direct", "consultancy", "debate"))
    for name, arm in (("direct", alone), ("consultancy", consultancy), ("debate", debate)):
        describe(name, arm, alone)
    print(f"\n{compared(debate, consultancy)}")


if __name__ == "__main__":
    main()
