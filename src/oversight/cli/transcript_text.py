"""``oversight show``: one transcript in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from oversight.cli.output import out, plain
from oversight.cli.tree_text import decomposition
from oversight.core.belief import Belief
from oversight.core.message import PREFERENCE, PROTOCOL, Kind, Message
from oversight.errors import UsageError
from oversight.store import Store, Transcript
from oversight.util.invisible import invisible_note

__all__ = ["find_episode", "print_transcript"]

_PROMPTS = (Kind.BRIEF, Kind.MATERIAL, Kind.REQUEST)


def find_episode(store: Store, prefix: str) -> str:
    """The one episode whose id begins with ``prefix``.

    Raises:
        UsageError: none does, or several do.
    """
    query = "SELECT DISTINCT episode_id FROM episodes WHERE starts_with(episode_id, ?) LIMIT 2"
    found = store.arrow(query, [prefix])["episode_id"].to_pylist()
    if len(found) != 1:
        what = "several episodes begin" if found else "no episode that has run begins"
        raise UsageError(f"{what} with '{prefix}'; the store's table 'episodes' has their ids")
    return str(found[0])


def print_transcript(transcript: Transcript, *, with_prompts: bool, with_reasoning: bool = False) -> None:
    """Print the question, then every message in order with what the judge held; solutions by step, trees as trees.

    Where solutions were checked, the forms that labelled their steps are among the prompts; where the question was
    divided, so is all that the tree shows. What a model reasoned before a reply is one line unless it is asked for.
    """
    spec, outcome, question = transcript.spec, transcript.outcome, transcript.question
    out.print(plain(f"episode {spec.episode_id}  {spec.arm}  {outcome.status}"))
    out.print(plain(f"judge {spec.judge or '-'}, strong {spec.strong or '-'}\n"))
    out.print(plain(_noted(question.prompt)))
    for label, answer in zip(question.labels, question.answers, strict=True):
        right = label == question.labels[transcript.gold]
        argued = [side.seat for side in transcript.sides if side.argues == question.labels.index(label)]
        notes = [*(f"argued by {seat}" for seat in argued), *(["the right answer"] if right else [])]
        notes += [unseen] if (unseen := invisible_note(answer.text)) else []
        out.print(plain(f"  {label}  {answer.text}{'   <- ' + ', '.join(notes) if notes else ''}"))
    checked, tree = _checked(transcript), decomposition(transcript)
    hidden = (*_PROMPTS, Kind.FORM, Kind.DISCLOSURE) if checked or tree else _PROMPTS
    hidden = (*hidden, Kind.DRAFT) if tree else hidden
    reasoned = transcript.reasoned
    replies = [transcript.messages[reasoned.get(place, place)] for place in range(len(transcript.messages))]

    if tree is not None:
        out.print()
        out.print(tree)
    for message, reply in zip(transcript.messages, replies, strict=True):
        shown = with_prompts or (reply.kind not in hidden and not _about_versions(reply))
        if message.kind is Kind.REASONING and (shown or with_reasoning):
            out.print(_reasoning(message, reply, whole=with_reasoning))
        elif shown:
            out.print(_message(message, question.labels))
    for line in checked:
        out.print(line, soft_wrap=True)
    verdict = outcome.verdict
    if verdict is not None and verdict.belief not in [message.belief for message in transcript.messages]:
        out.print(_styled(f"\nverdict: {_belief(verdict.belief, question.labels)}", "bold"))
    if outcome.failure:
        out.print(plain(f"\nfailed: {outcome.failure}\n{outcome.detail or ''}"))


def _about_versions(message: Message) -> bool:
    """Whether it belongs to choosing the words of a speech."""
    return any(PREFERENCE in seat for seat in (message.author, *(message.audience or ())))


def _checked(transcript: Transcript) -> list[Text]:
    """Each solution that was checked: its steps as labelled, and beside them the truth where it is known."""
    notes = transcript.outcome.verdict.annotations if transcript.outcome.verdict else ()
    labels = transcript.question.labels
    # A protocol that is not ours may note something else under these names.
    steps = [note.data for note in notes if note.kind == "step" and _is_step(note.data)]
    lines: list[Text] = []
    for solution in (n.data for n in notes if n.kind == "solution" and _is_solution(n.data, len(labels))):
        number = solution["solution"]
        ends = "no answer" if solution["answer"] is None else f"answer {labels[solution['answer']]}"
        score = "no score" if solution["score"] is None else f"score {solution['score']:.3f}"
        if solution.get("unparsable") and "labelled" not in solution:
            score = "no score, because the judgement could not be read"
        lines.append(_styled(f"\nsolution {number + 1}, {solution['writer'] or 'given'}: {ends}, {score}", "bold"))
        given = solution["writer"] is None and number < len(transcript.mistakes)
        mistake = transcript.mistakes[number] if given else None
        for step in steps:
            if step["solution"] == number:
                p = "" if step["p_correct"] is None else f" {step['p_correct']:.3f}"
                truth = "   <- the first mistake" if step["step"] == mistake else ""
                note = f" [{unseen}]" if (unseen := invisible_note(str(step["text"]))) else ""
                lines.append(plain(f"  {step['step'] + 1}. {step['text']}  [{step['label']}{p}]{truth}{note}"))
        if solution.get("labelled", 0) < solution["steps"] and "labelled" in solution:
            lines.append(plain(f"  ({solution['steps'] - solution['labelled']} more steps were not labelled)"))
    return lines


def _is_step(data: Mapping[str, Any]) -> bool:
    known = {"solution", "step", "label", "p_correct", "text"} <= data.keys()
    return known and isinstance(data["step"], int) and isinstance(data["p_correct"], float | int | None)


def _is_solution(data: Mapping[str, Any], answers: int) -> bool:
    if not {"solution", "answer", "score", "writer", "steps"} <= data.keys():
        return False
    numbers = all(isinstance(data[name], int) for name in ("solution", "steps")) and data["solution"] >= 0
    answered = data["answer"] is None or data["answer"] in range(answers)
    return numbers and answered and isinstance(data["score"], float | int | None)


def _reasoning(message: Message, reply: Message, *, whole: bool) -> Group:
    """What a model wrote for itself before a reply, apart from what was said."""
    head = f"reasoning of {message.author}{_turn(reply)}"
    if not whole:
        return Group(Text(""), _styled(f"{head} ({len(message.text.split()):,} words; --reasoning shows it)", "dim"))
    text = plain(_noted(message.text))
    text.stylize("dim")
    return Group(Text(""), _styled(f"{head}, which no seat reads", "dim"), Padding(text, (0, 0, 0, 2)))


def _message(message: Message, labels: tuple[str, ...]) -> Group:
    place = _turn(message)
    if message.author == PROTOCOL:
        head = f"{message.kind.value} to {', '.join(message.audience or ())}{place}"
    else:
        head = f"{message.author}{_aside(message.audience)}{place}"
    if message.belief is not None:
        return Group(Text(""), _styled(f"{head}: {_belief(message.belief, labels)}", "bold"))
    notes = [note for note in (_cut(message), invisible_note(message.text)) if note]
    end = plain("".join(f"\n[{note}]" for note in notes))
    return Group(Text(""), _styled(head, "bold"), Padding(_quoted(message) + end, (0, 0, 0, 2)))


def _noted(text: str) -> str:
    """A text, with a line below it about the characters in it that a reader does not see."""
    note = invisible_note(text)
    return f"{text}\n[{note}]" if note else text


def _turn(message: Message) -> str:
    return "" if message.turn is None else f", turn {message.turn + 1}"


def _cut(message: Message) -> str:
    """What a message lacks of what its model wrote."""
    if message.truncated:
        return "cut off by a token limit" + (f"; {message.words_cut} words were left out" if message.words_cut else "")
    return f"{message.words_cut} words beyond the limit were cut" if message.words_cut else ""


def _aside(audience: tuple[str, ...] | None) -> str:
    if audience is None:
        return ""
    return f" (to {', '.join(audience)})" if audience else " (private)"


def _quoted(message: Message) -> Text:
    """A message's text with each quote coloured by what the check found, and marked where there is no colour."""
    text, done = Text(), 0
    for quote in message.quotes:
        text += plain(message.text[done : quote.start])
        mark = "verified" if quote.verified else "NOT FOUND"
        text += _styled(f"“{plain(quote.text).plain}” [{mark}]", "green" if quote.verified else "red")
        done = quote.end
    return text + plain(message.text[done:])


def _belief(belief: Belief, labels: tuple[str, ...]) -> str:
    if belief.probs is None:
        return "abstains"
    shares = ", ".join(f"{label} {p:.3f}" for label, p in zip(labels, belief.probs, strict=True))
    return f"{shares}  ({belief.source.value}, {belief.status.value})"


def _styled(text: str, style: str) -> Text:
    styled = plain(text)
    styled.stylize(style)
    return styled
