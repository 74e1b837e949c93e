"""How good the embedded overseers are on real traces: step by step, and by the final answer alone.

    .venv/bin/python benchmarks/step_checkers.py [--calibrate] [DATA]

DATA holds bigbench_mistake/ and gsm8k/ (default ../shared/data). The tuning half of each file (even lines, counted
from 1) set the constants in src/oversight/models/embedded/steps/base_rates.py, which --calibrate prints; what the
rules themselves were written by was read there too. The report half (odd lines) set nothing.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import brier_score_loss, roc_auc_score

from oversight.models.embedded.steps import check_answer, check_step
from oversight.models.embedded.steps.base_rates import ANSWER_GUESS, STEP_GUESS
from oversight.models.embedded.steps.checker import find_answer_kind, find_step
from oversight.stats.estimate import share_of

SUBSETS = ("multistep_arithmetic", "dyck_languages", "tracking_shuffled_objects", "logical_deduction", "word_sorting")
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
HALVES = {"tuning": 1, "report": 0}


class Judged(NamedTuple):
    """One trace and what the two overseers said of it."""

    first_wrong: int | None
    flagged: int | None
    labels: tuple[str, ...]
    product: float
    right: bool
    answer: float


def rows_of(path: Path, half: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()][HALVES[half] :: 2]


def plain(answer: str | None) -> str:
    """An answer without spacing, commas and a full stop at the end, which the labels forgive."""
    return "".join((answer or "").replace(",", " ").split()).rstrip(".")


def judge(problem: str, steps: Sequence[str], first_wrong: int | None, *, answer: str, right: bool) -> Judged:
    """Check step by step up to the first that is called incorrect, and the answer alone."""
    labels, product, flagged = [], 1.0, None
    for at, step in enumerate(steps):
        check = check_step(problem, steps[:at], step)
        labels.append(check.label)
        product *= check.p_correct
        if check.label == "incorrect":
            flagged = at
            break
    return Judged(first_wrong, flagged, tuple(labels), product, right, check_answer(problem, answer).p_correct)


def traces(data: Path, subset: str, half: str) -> list[Judged]:
    return [
        judge(
            row["input"],
            row["steps"],
            row["mistake_index"],
            answer=row["answer"] or "",
            right=plain(row["answer"]) == plain(row["target"]),
        )
        for row in rows_of(data / "bigbench_mistake" / f"{subset}.jsonl", half)
    ]


def share(hits: Sequence[bool], clusters: Sequence[object] | None = None) -> str:
    """A share with its count and 95 % interval: Wilson's, or over clusters where outcomes share one."""
    found = share_of(hits, list(range(len(hits))) if clusters is None else clusters)
    return "-" if found is None else f"{found.text()} n={found.n}"


def ranking(truth: Sequence[bool], given: Sequence[float]) -> str:
    area = f"{roc_auc_score(truth, given):.3f}" if len(set(truth)) > 1 else "-"
    base = np.mean(truth)
    return f"AUROC {area}, Brier {brier_score_loss(truth, given):.3f} (base rate alone {base * (1 - base):.3f})"


def report(name: str, judged: Sequence[Judged]) -> None:
    wrong = [trace.flagged == trace.first_wrong for trace in judged if trace.first_wrong is not None]
    right = [trace for trace in judged if trace.first_wrong is None]
    clean = [trace.flagged is None for trace in right]
    first, second = float(np.mean(wrong)), float(np.mean(clean))
    neutral = [(label == "neutral", at) for at, trace in enumerate(judged) for label in trace.labels]
    print(f"{name}: n={len(judged)}, F1 {2 * first * second / max(first + second, 1e-9):.3f}")
    print(f"  first mistake found exactly   {share(wrong)}")
    print(f"  no mistake called where none  {share(clean)}")
    print(f"    and the final answer right  {share([trace.flagged is None for trace in right if trace.right])}")
    print(f"  neutral among steps seen      {share([hit for hit, _ in neutral], [at for _, at in neutral])}")
    none = [trace.first_wrong is None for trace in judged]
    print(f"  product: no mistake           {ranking(none, [trace.product for trace in judged])}")
    print(f"  product: answer right         {ranking([t.right for t in judged], [t.product for t in judged])}")
    print(f"  check_answer: answer right    {ranking([t.right for t in judged], [t.answer for t in judged])}")


def solutions(data: Path, half: str) -> list[tuple[str, list[str], bool]]:
    rows = rows_of(data / "gsm8k" / "example_model_solutions.jsonl", half)
    return [(row["question"], row[m]["solution"].split("\n"), row[m]["is_correct"]) for row in rows for m in MODELS]


def report_school(data: Path, half: str) -> None:
    given = solutions(data, half)
    flagged, least, product, answers, truth, neutral = [], [], [], [], [], []
    for problem, steps, right in given:
        checks = [check_step(problem, steps[:at], step) for at, step in enumerate(steps)]
        flagged.append(any(check.label == "incorrect" for check in checks))
        least.append(min(check.p_correct for check in checks))
        product.append(float(np.prod([check.p_correct for check in checks])))
        neutral.append([check.label == "neutral" for check in checks])
        answers.append(check_answer(problem, final_of(steps)).p_correct)
        truth.append(right)
    problems = [at // len(MODELS) for at in range(len(given))]
    wrong = [at for at, right in enumerate(truth) if not right]
    called = [at for at, hit in enumerate(flagged) if hit]
    print(f"gsm8k: n={len(given)} solutions of {len(given) // len(MODELS)} problems")
    print(f"  right                         {share(truth, problems)}")
    print(f"  wrong ones with a step called {share([flagged[at] for at in wrong], [problems[at] for at in wrong])}")
    print(f"  called ones that are wrong    {share([not truth[at] for at in called], [problems[at] for at in called])}")
    clusters = [problems[at] for at, steps in enumerate(neutral) for _ in steps]
    print(f"  neutral among steps           {share([hit for steps in neutral for hit in steps], clusters)}")
    print(f"  product: is_correct           {ranking(truth, product)}")
    print(f"  min: is_correct               {ranking(truth, least)}")
    print(f"  check_answer: is_correct      {ranking(truth, answers)}")


def final_of(steps: Sequence[str]) -> str:
    return steps[-1].partition("A:")[2].strip() if steps[-1].startswith("A:") else ""


def calibrate(data: Path) -> None:
    """Print the base rates of every kind of finding on the tuning half, with two observations at its label's guess."""
    steps: dict[str, dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    answers: dict[str, dict[tuple[str, str], list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for subset in SUBSETS:
        for row in rows_of(data / "bigbench_mistake" / f"{subset}.jsonl", "tuning"):
            first = row["mistake_index"]
            for at, step in enumerate(row["steps"][: None if first is None else first + 1]):
                family, finding = find_step(row["input"], row["steps"][:at], step)
                _count(steps[family][finding.label, finding.kind], at != first)
            family, finding = find_answer_kind(row["input"], row["answer"] or "")
            _count(answers[family][finding.label, finding.kind], plain(row["answer"]) == plain(row["target"]))
    given = solutions(data, "tuning")
    for problem, lines, right in given:
        family, finding = find_answer_kind(problem, final_of(lines))
        _count(answers[family][finding.label, finding.kind], right)
    for name, table, guess in (("_STEPS", steps, STEP_GUESS), ("_ANSWERS", answers, ANSWER_GUESS)):
        print(name)
        for family, kinds in sorted(table.items()):
            print(f'    "{family}": {{')
            for kind, (hits, n) in sorted(kinds.items()):
                rate = (hits + 2 * guess[kind[0]]) / (n + 2)
                print(f'        ("{kind[0]}", "{kind[1]}"): {rate:.4f},  # n={n}')
            print("    },")
    print('_STEPS["school"]: most likely, with the product of a solution\'s steps as the probability that it is right')
    for kind, rate, n in _fitted(given):
        print(f'        ("{kind[0]}", "{kind[1]}"): {rate:.3f},  # n={n}')


def _count(cell: list[int], hit: bool) -> None:
    cell[0] += hit
    cell[1] += 1


def _fitted(given: Sequence[tuple[str, list[str], bool]]) -> list[tuple[tuple[str, str], float, int]]:
    found = [
        Counter(find_step(problem, steps[:at], step)[1][:2] for at, step in enumerate(steps))
        for problem, steps, _ in given
    ]
    kinds = sorted({kind for counts in found for kind in counts})
    counts = np.array([[solution[kind] for kind in kinds] for solution in found])
    truth = np.array([right for _, _, right in given], dtype=float)

    def loss(logits: np.ndarray) -> float:
        logs = np.minimum(counts @ -np.log1p(np.exp(-logits)), -1e-9)
        fit = truth * logs + (1 - truth) * np.log(-np.expm1(logs))
        return float(-fit.mean() + 1e-4 * logits @ logits)

    best = minimize(loss, np.ones(len(kinds)), method="L-BFGS-B").x
    return list(zip(kinds, 1 / (1 + np.exp(-best)), counts.sum(axis=0), strict=True))


def main(arguments: Sequence[str]) -> None:
    paths = [argument for argument in arguments if argument != "--calibrate"]
    data = Path(paths[0]) if paths else Path(__file__).parents[2] / "shared" / "data"
    if "--calibrate" in arguments:
        calibrate(data)
        return
    for half in HALVES:
        print(f"== {half} half")
        everything: list[Judged] = []
        for subset in SUBSETS:
            judged = traces(data, subset, half)
            everything.extend(judged)
            report(subset, judged)
        report("all five", everything)
        report_school(data, half)


if __name__ == "__main__":
    main(sys.argv[1:])
