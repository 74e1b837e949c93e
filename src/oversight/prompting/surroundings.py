"""What stands around the passages of a reply that might be its answer: quotation marks, and the words beside them.

Rules are few and one-sided on purpose: what might be another's word does not count as the model's own, because a reply
that is not understood is asked for again, while a wrong reading would be stored as a belief.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Passage", "Surroundings", "is_reported"]

_MASK = "\0"
_WINDOW = 300
"""How many characters before a passage are looked at."""

_QUOTATION = re.compile(
    r'"[^"\n]*"|\u201c[^\u201c\u201d]*\u201d|\u201e[^\u201e\u201c]*\u201c|\u00ab[^\u00ab\u00bb]*\u00bb'
    r"|\u300c[^\u300c\u300d]*\u300d|(?<!\w)'[^'\n]*'(?!\w)|\u2018[^\u2018\u2019\n]*\u2019"
)
_BLOCK_QUOTE = re.compile(r"^[ \t]*(?:>|&gt;).*$", re.MULTILINE)
_ELEMENT = re.compile(
    r"(?:<|&lt;)(message|quote|material|example|transcript|blockquote)\b[^<>]{0,300}>.*?(?:(?:<|&lt;)/\1\s*>|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""An element of a prompt, or its escaped form; one that is not closed reaches to the end."""

_FENCE = re.compile(r"`{1,3}(?:[a-z]+\n)?|~~~", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"(?<!\be\.g)(?<!\bi\.e)[.!?][)*_]*(?=\s|$)|(?<!:)\n[ \t]*\n(?=.*\w)|\n(?=[ \t]*(?:[-*#]|\d+[.)])\s)", re.IGNORECASE
)
_LEADS_ON = re.compile(r"[:,]\W*$|^\W*#|^\W*\*\*.*\*\*\W*$|\b(?:here is|below|follows|following)\b", re.IGNORECASE)
"""A line that is about what stands below it, with a blank line between them."""

_REASON = re.compile(
    r"^\W*(?:given|based on|considering|since|because|after|weighing|having|as per|following)\b[^,:]*[,:]",
    re.IGNORECASE,
)
_OWN_TURN = re.compile(
    r"(?<!says)(?<!said)(?<!wrote)(?<!argues)(?<!claims)(?:[,\u2013\u2014]|\band\b)\s*(?:\w+,?\s+)?"
    r"(?=(?:I|we|my)\b(?! (?:should|must|have to)))|\b(?:but|however|yet)\b,?\s*(?=(?:I|we|my)\b)|;",
    re.IGNORECASE,
)
"""Where, in one sentence, the model turns from another's word to its own; a reason in front is its own as well."""

_REPORTED = re.compile(
    r"\b(?:says?|said|writes?|wrote|claim(?:s|ed)?|argue[sd]?|insist(?:s|ed)?|suggest(?:s|ed)?|propose[sd]?"
    r"|assert(?:s|ed)?|state[sd]|wants?|wanted|told|tells|asked|according(?! to my)|quot(?:es?|ed)|puts it|has it"
    r"|would|if(?! I\b)|was|were|imagine|tempt\w+|first|initially|earlier|previous(?:ly)?|prior|draft|examples?|e\.g"
    r"|instance|such as|template|prompt|instead|rather|than|unlike|not(?! (?:sure|certain))|never|neither"
    r"|nor|cannot(?! be)|wrong|false|reject|ignore|disagree|debater\w*|consultant\w*|opponent\w*|expert\w*"
    r"|(?:other|opposing) side|his|her|their|its|[a-z]+_[a-z]"
    r"|(?!judge)\w+['\u2019]s (?:verdict|answer|view|claim|belief))\b|n['\u2019]t\b",
    re.IGNORECASE,
)
"""Words after which something is another's, an example, an earlier view, denied or only supposed."""

_I_SAY = re.compile(
    r"\b(?:I|we)(?:['\u2019]d)?(?: (?:now|would|will|must|finally|therefore))*"
    r" (?:say|said|state|suggest|propose|argue|estimate|put|guess)\b"
    r"|\byou (?:have )?(?:asked|wanted|said|told|requested)\b",
    re.IGNORECASE,
)
"""What I say is mine, and what "you" asked for is what the prompt asks for."""

_TAKEN_BACK = re.compile(
    r"[^\w.!?\n]{0,3}(?:\?|(?:says|said|writes|wrote|claims|according|is(?! what I)|was|would|isn|wasn)\b"
    r"|\w+ (?:says|said|claims)|(?:the |an? |as the )?example\b|\(\s*(?:the )?(?:debater|consultant|[a-z]+_[a-z]\b))"
    r"|[^\w\n]*\s*(?:actually,? |on second thoughts?,? )?(?:(?:no|wait|sorry)\b(?=\s*(?:[,.:;!\u2013\u2014-]|$))"
    r"|scratch|I take|the other way|th(?:at|is|ose|ese)(?: \w+)?(?:['\u2019]s| is| was| are| were)\b[^.!?\n]{0,20}?"
    r"(?:\b(?:not|wrong|false|example|reversed?|swap\w*|mistake\w*|debater\w*|consultant\w*|[a-z]+_[a-z])\b"
    r"|n['\u2019]t\b))",
    re.IGNORECASE,
)
"""What follows something that the model does not say, or no longer."""

_FINAL = re.compile(
    r"\b(?:final(?:ly)?|verdict|conclu\w+|reflection|second thoughts?|therefore|thus|hence|overall|correct(?:ed|ion)"
    r"|revised|updated|now|answer|(?:my|our) (?:\w+ ){0,2}(?:belief|judge?ment|probabilit\w+|estimate|decision|view"
    r"|reply)|(?:I|we) (?:say|answer|decide|conclude))\b",
    re.IGNORECASE,
)


_DOUBTFUL = re.compile(r"\b(?:or|maybe|perhaps|might|could|alternatively|either|option|scenario|case)\b", re.IGNORECASE)
_CODE = re.compile(r"(?<!`)`(?!`)[^`\n]*[a-z][^`\n]*`(?!`)", re.IGNORECASE)
"""A sentence in backquotes; what stands in them alone is only set off."""


class Passage(NamedTuple):
    """Where a passage begins and ends in a reply."""

    start: int
    end: int


class Surroundings:
    """A reply around some passages of it, which are in order and do not overlap."""

    def __init__(self, text: str, passages: Sequence[Passage]) -> None:
        self._passages = list(passages)
        masked = _masked(text, self._passages)
        self._text = _FENCE.sub(lambda mark: " " * len(mark[0]), masked)
        self._quoted = bytearray(len(text))
        for pattern, where in ((_CODE, masked), *((each, self._text) for each in (_QUOTATION, _BLOCK_QUOTE, _ELEMENT))):
            for match in pattern.finditer(where):
                self._quoted[match.start() : match.end()] = b"\1" * (match.end() - match.start())

    def is_others(self, number: int) -> bool:
        """Return whether a passage, by its number, is quoted, reported, an example, denied or only supposed."""
        return bool(self._quoted[self._passages[number].start]) or is_reported(self._lead(number))

    def is_taken_back(self, number: int) -> bool:
        """Return whether what follows a passage says that the model does not mean it."""
        return _TAKEN_BACK.match(self._text, self._passages[number].end) is not None

    def is_marked_final(self, number: int) -> bool:
        """Return whether the words in front of a passage announce it as the model's own last word."""
        lead = self._lead(number)
        return _FINAL.search(lead) is not None and not _DOUBTFUL.search(lead)

    def stands_last(self, number: int) -> bool:
        """Return whether a passage alone is the reply's last line, and not only one possibility."""
        start, end = self._passages[number]
        if _DOUBTFUL.search(self._lead(number)):
            return False
        return not self._text[end:].strip(" \n\t*_.\0") and not self._text[:start].rpartition("\n")[2].strip()

    def _lead(self, number: int) -> str:
        """The sentence that leads to a passage; a blank line ends one that does not lead on."""
        start = self._passages[number].start
        floor = max(start - _WINDOW, self._passages[number - 1].end if number else 0)
        before = self._text[floor:start]
        words = before.rstrip()
        line = words.rpartition("\n")[2]
        if "\n\n" in before[len(words) :].replace(" ", ""):
            if not _LEADS_ON.search(line):
                return ""
            words = line
        ends = list(_SENTENCE_END.finditer(words))
        return words[ends[-1].end() :] if ends else words


def is_reported(lead: str) -> bool:
    """Return whether what follows these words is another's, an example, earlier, denied or only supposed."""
    lead = _REASON.sub("", lead)
    turns = list(_OWN_TURN.finditer(lead))
    own = _I_SAY.sub(" ", lead[turns[-1].end() :] if turns else lead)
    return _REPORTED.search(own) is not None


def _masked(text: str, passages: Sequence[Passage]) -> str:
    """The text with its passages blotted out, so that nothing inside them is taken for what surrounds them."""
    parts, done = [], 0
    for start, end in passages:
        parts += [text[done:start].replace(_MASK, " "), _MASK * (end - start)]
        done = end
    return "".join([*parts, text[done:].replace(_MASK, " ")])
