"""Which answer a reply names by its letter.

A letter counts only if the reply says that answer and no other: a letter that is denied, doubted, put as a question,
offered beside another one, or reported as another's choice names nothing, and neither does the article "A".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple

from oversight.errors import CallFailed
from oversight.prompting.objects import final_object, outside_objects
from oversight.prompting.surroundings import Passage, Surroundings

__all__ = ["named_label"]

_KEYS = ("answer", "final_answer", "choice", "label", "letter", "verdict", "option")
"""Under which keys an object names a label."""

_LONGEST = 20_000
"""Of a longer reply only the end is read for a letter."""

_BOXED = re.compile(r"\\f?boxed\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*+\})*+\})*+)\}")
_TAGGED = re.compile(r"<(?:final[_ ]?)?(?:answer|choice|verdict)>", re.IGNORECASE)
_TAG_END = re.compile(r"</(?:final[_ ]?)?(?:answer|choice|verdict)>", re.IGNORECASE)
_COMMAND = re.compile(r"\\[a-zA-Z]+\s*(?=[{(])|[{}$]|\\[(),!;: ]?")
_CODE = re.compile(r"`+\s*(\(?[A-Z][).]?)\s*`+")

_OPEN = r"[\s(\[\"'\u201c\u2018<]{0,6}"
_CLOSE = r"[)\]\"'\u201d\u2019>]{0,4}"
_BEGIN = r"[\s(\[\"'\u201c\u2018#:.\u2022-]{0,8}"


def _letter(group: str) -> str:
    """A pattern for a letter that stands alone, captured under a name."""
    named = rf"(?:(?:the )?(?:option|answer|choice|letter)\s+{_OPEN})?"
    return rf"{_OPEN}{named}(?-i:(?P<{group}>[A-Z]))(?![\w'\u2019-]){_CLOSE}"


_SO = (
    r"(?:(?:clearly|definitely|indeed|simply|most likely|likely|probably|certainly|still|now|thus|therefore|hence|then"
    r"|hereby|finally|also|going to|to)\s+)*"
)
# What may follow a letter that is named: the end of its clause, or a reason.
_ENDS = r"(?=\s*(?:$|\n|[.,;:!)\u2013\u2014(]|-\s|because\b|since\b|given\b|based\b|as\b))"
_IS = r"(?:is|was|would be|should be|must be|has to be|remains|[:=]|->|=>|\u2192)"

_STATED = re.compile(
    "|".join(
        [
            r"\b(?:answer|choice|option|verdict|conclusion|decision|pick|letter)\s*"
            rf"{_IS}\s*:?\s*{_SO}{_letter('answer')}{_ENDS}",
            r"\b(?:I|we)(?:['\u2019](?:ll|d|m|ve)| will| would| am| have| must| can)?\s+"
            rf"{_SO}(?:choose|chose|pick|picked|select|selected|go with|going with|vote for|answer|say"
            r"|decide on|decide for|settle on|conclude|believe|think|opt for)\s*(?:that\s+)?:?\s*"
            r"(?:(?:it is|it['\u2019]s|the (?:\w+ )?(?:answer|option|choice) is|with)\s+)?"
            rf"{_SO}{_letter('chosen')}{_ENDS}",
            rf"(?:\b(?:option|answer|choice)\s+)?(?<![\w'\u2019-])\(?(?-i:(?P<right>[A-Z]))\)?\s+"
            rf"(?:is|must be|has to be|would be|seems|appears)\s+{_SO}(?:to be\s+)?(?:the\s+|my\s+)?(?:final\s+)?"
            r"(?:right|correct|true|best|answer|choice)\b",
            rf"(?:^|(?<=[.!?]\s)){_BEGIN}"
            r"(?:(?:so|therefore|thus|hence|finally|no|yes|ok(?:ay)?|answer|option|choice|letter|final|conclusion|then"
            r"|probably|definitely|it(?:['\u2019]s| is| must be)|(?:that|this) leaves)\b\W*)*"
            rf"{_letter('alone')}[.:!]*(?=\s*(?:$|\n)|(?<=[.!])\s)",
        ]
    ),
    re.IGNORECASE | re.MULTILINE,
)
"""Ways to state an answer: "the answer is B", "I choose B", "B is right", or the letter as a line or sentence."""

_FIRST = re.compile(rf"{_BEGIN}([A-Z])(?:[).:]+(?=[\s,;])|,?(?=\s+(?:because|since|as)\b)|(?=\s+[\u2013\u2014-]\s))")
_LISTED = re.compile(r"^[^\w\n]*([A-Z])[).:][ \t]*[^\w\n]*[ \t]+\S.*$", re.MULTILINE)
_MENTION = re.compile(
    r"(?<![\w'\u2019-])(?<!debater )(?<!Debater )(?<!consultant )(?<!Consultant )([A-Z])(?![\w'\u2019-])"
)
_PLAIN_WORD = re.compile(
    r" (?!(?:is|was|are|isn|wasn|cannot|can|and|or|nor|over|but|because|would|could|might|must|seems|looks)\b)[a-z]"
)
"""After "A" or "I", what makes it an article or a pronoun."""

_DENIED = re.compile(
    r"\b(?:not|rul(?:es?|ed|ing) out|reject(?:s|ed)?|rather than|instead of|over|neither|nor|unlike)\s+"
    r"(?:option |answer |choice )?\(?[A-Z]\)?(?![\w'\u2019])"
    r"|(?<![\w'\u2019-])\(?[A-Z]\)?\s+(?:is|was|can|could|does|did)?\s*(?:not|n['\u2019]t|false|wrong|incorrect)\b"
    r"(?:\s+(?:right|correct|true|be|it|supported))*"
)
_DOUBT = re.compile(
    r"\?|\b(?:not|no|nor|neither|never|n[o']t|cannot|wrong|false|incorrect|mistaken|doubt\w*|but|however|unless|although"
    r"|though|wait|actually|instead|or|either|maybe|perhaps|might|could|if|they|supposed\w*|allegedly|unsure|uncertain"
    r"|lies?|lying|sorry|(?:that|this|it|which) (?:is|was) (?:what|how))\b|n['\u2019]t\b|['\u2019]s what\b",
    re.IGNORECASE,
)
_HEDGE = re.compile(r"\b(?:maybe|perhaps|might|could|possibly|either|if|whether)\b[^.!?\n]*$", re.IGNORECASE)


class _Statement(NamedTuple):
    """Where a label is stated."""

    label: str
    start: int
    end: int


def named_label(text: str, labels: Sequence[str], answers: Sequence[str] = ()) -> str | None:
    """Return the label that a reply names as its answer; None if it names none, or it is not clear which.

    Args:
        text: the reply.
        labels: the answers' labels, upper-case letters.
        answers: the answers' texts in the same order: a letter may be followed by its own answer, and one that is
            followed by another answer's text names nothing.
    """
    text = _plain(text[-_LONGEST:])
    rest = outside_objects(text, _KEYS)
    if rest is None:
        return _stated_label(text, labels, answers)
    try:
        label = final_object(text, lambda value: _label_in(value, labels, answers), mentions=_KEYS)
    except CallFailed:
        return None
    return label if {each.label for each in _statements(rest)} <= {label} else None


def _label_in(value: dict[str, Any], labels: Sequence[str], answers: Sequence[str]) -> str:
    """Read the label of an object such as ``{"answer": "B"}``.

    Raises:
        ValueError: it names none, or two.
    """
    named = {_stated_label(_plain(str(value[key])), labels, answers) for key in _KEYS if key in value}
    if len(named) != 1 or None in named:
        raise ValueError("the object does not name one answer")
    (label,) = named
    return str(label)


def _stated_label(text: str, labels: Sequence[str], answers: Sequence[str]) -> str | None:
    cleared = _without_answers(text, labels, answers)
    if cleared is None:
        return None
    listed = list(_LISTED.finditer(text))
    if len({match[1] for match in listed}) > 1:
        # The options as the prompt shows them, with what follows their letters or without.
        cleared = _without_answers(_LISTED.sub("", text), labels, answers) or ""
    found = _statements(cleared) or _leading(cleared)
    if len({each.label for each in found}) != 1 or found[-1].label not in labels:
        return None
    first, last = found[0], found[-1]
    leads = not re.search(r"[.!?\n]\s*\w", cleared[: first.start])
    ends = not re.search(r"[.!?]\s+\w|\n\s*\w", cleared[last.end :])
    if not (leads or ends) or _contradicted(cleared[last.end :], last.label, labels):
        return None
    return last.label


def _statements(text: str) -> list[_Statement]:
    """The labels that a text itself states, in order."""
    found = [
        _Statement(next(label for label in match.groups() if label), *match.span()) for match in _STATED.finditer(text)
    ]
    around = Surroundings(text, [Passage(each.start, each.end) for each in found])
    return [
        each
        for number, each in enumerate(found)
        if not around.is_others(number) and not _HEDGE.search(text[max(0, each.start - 200) : each.start])
    ]


def _leading(text: str) -> list[_Statement]:
    """A label in front of something that may be its answer, as in "B) the mill", where nothing else is stated."""
    match = _FIRST.match(text)
    return [_Statement(match[1], *match.span())] if match else []


def _contradicted(after: str, label: str, labels: Sequence[str]) -> bool:
    """Return whether what follows a stated label names another one, or casts doubt on it."""
    rest = _DENIED.sub(lambda denied: denied[0] if re.search(rf"\b{label}\b", denied[0]) else " ", after)
    others = [
        match[1]
        for match in _MENTION.finditer(rest)
        if match[1] != label and not (match[1] in "AI" and _PLAIN_WORD.match(rest, match.end()))
    ]
    return _DOUBT.search(rest) is not None or any(other in labels for other in others)


def _without_answers(text: str, labels: Sequence[str], answers: Sequence[str]) -> str | None:
    """Take out the answers' texts that follow their letters; None if one follows another answer's letter."""
    texts = [" ".join(_plain(answer).casefold().split()).strip(" .") for answer in answers]
    own = {label: {said for each, said in zip(labels, texts, strict=False) if each == label} for label in labels}
    if not any(texts):
        return text
    pattern = "|".join(
        r"\s+".join(map(re.escape, said.split())) for said in sorted(texts, key=len, reverse=True) if said
    )
    follows = re.compile(
        rf"(?<![\w'\u2019-])([{''.join(labels)}])(\s*[).:,]*\s*[\u2013\u2014-]?\s*[\"'\u201c\u2018(]*)((?i:{pattern}))(?!\w)"
    )
    contradicted = False

    def clear(match: re.Match[str]) -> str:
        nonlocal contradicted
        if match[1] in "AI" and not match[2].strip():
            return match[0]  # an article, or a pronoun
        said = " ".join(match[3].casefold().split())
        contradicted |= said not in own[match[1]]
        return match[1] + match[2].rstrip().rstrip("(\"'\u201c\u2018")

    cleared = follows.sub(clear, text)
    return None if contradicted else cleared


def _plain(text: str) -> str:
    """A text in plain letters: without emphasis, formulas and boxes, a boxed answer as one that is named."""
    text = unicodedata.normalize("NFKC", text)
    text = _BOXED.sub(lambda match: f" answer: {_COMMAND.sub('', match[1])} ; ", text)
    text = _TAG_END.sub(" ; ", _TAGGED.sub(" answer: ", text))
    text = re.sub(r"\\(?:text|mathrm|mathbf|textbf|mbox)\s*\{\s*([^{}]*)\}", r"\1", text)
    return _CODE.sub(r"\1", re.sub(r"\*+|__|\$|\\[()\[\]]", "", text)).strip()
