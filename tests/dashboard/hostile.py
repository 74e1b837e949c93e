"""A store whose every text tries something: to be HTML, Markdown or LaTeX, to fetch, to run, to steer, to be long."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from oversight.core.belief import Belief, BeliefSource
from oversight.core.chat import CallRecord
from oversight.core.message import PROTOCOL, Kind, Message
from oversight.core.outcome import EpisodeOutcome, EpisodeSpec
from oversight.core.question import Answer, Item, Question
from oversight.core.side import Side
from oversight.core.verdict import Annotation, Verdict
from oversight.prompting.quotes import Quote, find_quotes
from oversight.store import RunRow, StoreWriter

ELSEWHERE = "evil.example"

ATTACKS = (
    f"<script>window.pwned=1;fetch('http://{ELSEWHERE}/a')</script>",
    f"<img src=http://{ELSEWHERE}/b.png onerror='window.pwned=1'>",
    "</div></details></pre></script><h1 id='forged'>Judge: A</h1>",
    f"<iframe src='http://{ELSEWHERE}/c'></iframe>",
    f"<style>body{{background:url(http://{ELSEWHERE}/d)}}</style>",
    f"<svg onload='window.pwned=1'><image href='http://{ELSEWHERE}/e'/></svg>",
    "<a href='javascript:window.pwned=1'>click</a>",
    f"![image](http://{ELSEWHERE}/f.png) [link](http://{ELSEWHERE}/g) [js](javascript:window.pwned=1)",
    f"![ref][r]\n\n[r]: http://{ELSEWHERE}/h.png",
    "[data](data:text/html,<script>window.pwned=1</script>)",
    f"http://{ELSEWHERE}/bare and <http://{ELSEWHERE}/angle>",
    r"$\href{javascript:window.pwned=1}{x}$ $$\includegraphics{http://"
    + ELSEWHERE
    + "/i}$$ :red[coloured] :material/x:",
    "# heading\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\ncode",
    "\x1b[2J\x1b]0;owned\x07\x9b31m red \x00 \x08",
    "hid\u200bden, so\u00adft, \ufeff\U000e0041\U000e0042, a\ufe0f",
    "\u202eright to left\u2066 isolated \u200f mark \u2028 line",
    "{{7*7}} ${7*7} <%= 7*7 %> {% raw %}",
    "' OR 1=1; DROP TABLE episodes; --",
)
EVERYTHING = "\n".join(ATTACKS)
LONG = "x" * 1_000_000
SHORT = f"<img src=http://{ELSEWHERE}/s onerror='window.pwned=1'> **b** $x$ [l](http://{ELSEWHERE}/l) :red[r]"

SPOKEN = "e-hostile-debate"
WORKED = "e-hostile-work"
FAILED = "e-hostile-failed"


def write(directory: Path) -> None:
    """Write the store."""
    question = Question(
        id=SHORT,
        prompt=EVERYTHING,
        answers=(Answer(text=SHORT, solution=EVERYTHING), Answer(text=EVERYTHING)),
        material=EVERYTHING + "\n" + LONG + "\n" + "word " * 1000,
    )
    item = Item(question=question, gold=0)
    specs = [_spec(item, name) for name in (SPOKEN, WORKED, FAILED)]
    with StoreWriter.open(directory) as writer:
        writer.begin(RunRow("r-hostile", SHORT, {"name": SHORT}, {SHORT: "x"}, 0, datetime.now(UTC), "0.1.0"))
        writer.plan("r-hostile", [(0, spec) for spec in specs], [(SHORT, item)])
        writer.event("r-hostile", "started")
        writer.write(
            "r-hostile", list(zip(specs, (_debate(specs[0]), _work(specs[1]), _failed(specs[2])), strict=True))
        )
        writer.event("r-hostile", "finished")


def _spec(item: Item, name: str) -> EpisodeSpec:
    return EpisodeSpec(
        episode_id=name,
        arm=SHORT,
        task=SHORT,
        protocol=SHORT,
        protocol_version=SHORT,
        protocol_key=SHORT,
        options={SHORT: EVERYTHING},
        cast={"judge": (SHORT,), "strong": (SHORT,)},
        judge=SHORT,
        strong=SHORT,
        question=item.question,
        question_key=item.key,
        answer_order=(0, 1),
        assignment=(0, 1),
        seed=0,
        repeat=0,
    )


def _outcome(spec: EpisodeSpec, messages: tuple[Message, ...], notes: tuple[Annotation, ...] = ()) -> EpisodeOutcome:
    held = Belief(probs=(0.4, 0.6), source=BeliefSource.STATED)
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=0,
        status="judged",
        started_at=datetime.now(UTC),
        duration_s=1.0,
        messages=(*messages, Message(author="judge", audience=None, kind=Kind.VERDICT, text=EVERYTHING, belief=held)),
        calls=(_call(),),
        sides=(Side(seat=SHORT, argues=0), Side(seat="b", argues=1)),
        verdict=Verdict(belief=held, annotations=notes),
    )


def _call() -> CallRecord:
    return CallRecord(
        number=0,
        seat=SHORT,
        role=SHORT,
        purpose=SHORT,
        attempt=0,
        model=SHORT,
        resolved_model=EVERYTHING,
        provider=SHORT,
        finish_reason=SHORT,
        failure=SHORT,
        detail=EVERYTHING,
    )


def _debate(spec: EpisodeSpec) -> EpisodeOutcome:
    quoting = f"<quote>word word</quote> then <quote>{SHORT}</quote> {EVERYTHING}"
    forged = Quote(text=EVERYTHING, start=0, end=5, verified=True, source_start=0, source_end=40)
    spoken = (
        Message(author=PROTOCOL, audience=(SHORT,), kind=Kind.BRIEF, text=EVERYTHING),
        Message(author=PROTOCOL, audience=(SHORT, "b"), kind=Kind.MATERIAL, text=spec.question.material or ""),
        Message(author=SHORT, audience=(), kind=Kind.THOUGHT, text=EVERYTHING),
        Message(
            author=SHORT,
            audience=None,
            kind=Kind.SPEECH,
            text=quoting,
            quotes=find_quotes(quoting, spec.question.material),
            turn=0,
            call=0,
        ),
        Message(author="b", audience=(SHORT,), kind=Kind.SPEECH, text=EVERYTHING, quotes=(forged,), turn=0),
        Message(author="b", audience=None, kind=Kind.SPEECH, text=LONG, turn=1),
    )
    return _outcome(spec, spoken)


def _work(spec: EpisodeSpec) -> EpisodeOutcome:
    nodes = [
        {"node": "0", "parent": None, "question": EVERYTHING, "answer": EVERYTHING, "how": SHORT, "by": SHORT},
        {"node": SHORT, "parent": "0", "question": SHORT, "answer": None, "how": "memo", "same_as": SHORT, "by": None},
        {"node": "loop", "parent": "loop", "question": SHORT, "answer": SHORT, "how": "cycle", "same_as": None},
        {"strange": EVERYTHING},
    ]
    steps = [
        {"solution": 0, "step": 0, "label": SHORT, "p_correct": 0.5, "text": EVERYTHING},
        {"solution": 0, "step": SHORT, "label": None, "p_correct": SHORT, "text": None},
    ]
    wholes = [{"solution": 0, "answer": 0, "score": SHORT, "steps": 2, "labelled": 2, "writer": SHORT}, {"solution": 1}]
    notes = [("node", n) for n in nodes] + [("step", s) for s in steps] + [("solution", w) for w in wholes]
    form = Message(author=SHORT, audience=("b",), kind=Kind.FORM, text=EVERYTHING)
    return _outcome(spec, (form,), tuple(Annotation(kind=kind, data=data) for kind, data in notes))


def _failed(spec: EpisodeSpec) -> EpisodeOutcome:
    return EpisodeOutcome(
        episode_id=spec.episode_id,
        attempt=0,
        status="failed",
        started_at=datetime.now(UTC),
        duration_s=1.0,
        messages=(),
        calls=(_call(),),
        sides=(),
        failure=SHORT,
        detail=EVERYTHING,
    )
