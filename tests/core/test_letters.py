"""Which answer a reply names by its letter: that one and no other, or none."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staging import QUESTION, stage

from oversight import read_solution
from oversight.prompting.letters import named_label
from oversight.testing.scripted import ScriptedModel

LABELS = "ABC"


@pytest.mark.parametrize(
    "reply",
    [
        "B",
        " (B)\n",
        "[B].",
        "B!",
        "**B**",
        "__B__",
        "`B`",
        "```\nB\n```",
        "\u201cB\u201d",
        "$B$",
        r"\(B\)",
        "\uff22",
        "\uff08\uff22\uff09",
        "Answer: B",
        "ANSWER: (B).",
        "Answer\uff1a\uff22",
        "Option B",
        "### Answer\n\nB",
        "Answer:\nB",
        "Final Answer: **B**",
        "The correct option is (B).",
        "The final answer is B.",
        'The answer is "B".',
        "The answer is clearly B!",
        "I choose option B",
        "I'd go with B.",
        "I think the answer is B",
        "It must be B",
        "So B.",
        "B is right.",
        "B) is the correct answer.",
        r"\boxed{B}",
        r"The answer is $\boxed{\text{B}}$.",
        r"$$\boxed{\mathbf{(B)}}$$",
        '{"answer": "B"}',
        "```json\n{'reasoning': 'A is wrong', 'final_answer': '(B)'}\n```",
        "<answer>B</answer>",
        "B) the mill",
        "B: the mill",
        "B - the mill",
        "B. The log book names Ann.",
        "B because the log names Ann.",
        "B, because A is not supported.",
        "The answer is B, not A.",
        "Answer: B (not A)",
        "Ruling out A, the answer is B.",
        "I reject A. I choose B.",
        "The log names Ann. So the answer is B.",
        "Debater A says Ben. The log says Ann.\n\nFinal answer: B",
        "Debater A says the answer is A. My answer is B.",
        '"The answer is A," says Ben. The answer is B.',
        "A and B are both plausible, but the answer is B.",
        "A) Ben\nB) Ann\nC) Eve\n\nAnswer: B",
    ],
)
def test_the_answer_that_a_reply_names(reply: str) -> None:
    assert named_label(reply, LABELS) == "B"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Yes",
        "D",
        "Answer: D",
        "A or B",
        "A/B",
        "A, B",
        "A\nB",
        "both A and B",
        "neither A nor B",
        "I'm torn between A and B.",
        "not A",
        "!A",
        "Anything but A",
        "A isn't right",
        "A) is not right",
        "A) is not right; B) is",
        "A? I doubt it",
        "A?",
        "Is the answer A?",
        "A is what they say, but it's false",
        "A. That is what they want you to think.",
        "A. I doubt it.",
        "The answer is A, but I doubt it.",
        "The answer is A. No: B.",
        "Answer: A) or B)",
        "Answer: A or D",
        "Answer: A, B",
        "Answer: A & B",
        "Answer: A\nAnswer: B",
        "Answer: not A",
        "Answer: A is wrong",
        "The answer is not A",
        "I don't think the answer is A",
        "The answer might be A",
        "If Ben lied, the answer is A.",
        "The answer is either A",
        "Debater A says the answer is A.",
        'Ben wrote "the answer is A".',
        "> Answer: A",
        "A judge cannot tell.",
        "A closer look is needed.",
        "Answer: A dog",
        "Answer: I cannot say",
        "A) Ben B) Ann",
        "A) Ben\nB) Ann",
        r"\boxed{A} \boxed{B}",
        r"\boxed{A}. No, \boxed{B}",
        r"\boxed{A or B}",
        r"The answer is not \boxed{A}",
        '{"answer": "A or B"}',
        '{"answer": "A", "verdict": "B"}',
        '{"answer": "A"} {"answer": "B"}',
        '{"answer": "A"} The answer is B.',
        '{"answer": true}',
        "Debater A's answer is {'answer': 'A'}",
    ],
)
def test_a_reply_that_names_no_answer_or_several(reply: str) -> None:
    assert named_label(reply, LABELS) is None


@pytest.mark.parametrize(
    ("reply", "answers", "label"),
    [
        ("A) No", ("No", "Yes"), "A"),
        ("B) No", ("No", "Yes"), None),
        ("A. no.", ("No.", "Yes."), "A"),
        ("B) No idea", ("No", "No idea"), "B"),
        ("A) No idea", ("No", "No idea"), None),
        ("Answer: A) It is not true", ("It is not true", "It is true"), "A"),
        ("B) A and B are both false", ("A is true", "A and B are both false"), "B"),
        ("A) A dog", ("A dog", "A cat"), "A"),
        ("A: A cat", ("A dog", "A cat"), None),
        ("A cat", ("A dog", "A cat"), None),
        ("B A cat", ("A dog", "A cat"), "B"),
        ("The answer is B) Vitamin B.", ("Vitamin A", "Vitamin B"), "B"),
        ("The answer is Vitamin B.", ("Vitamin A", "Vitamin B"), None),
        ("The answer is A (the  Harbour).", ("the harbour", "the mill"), "A"),
        ("B) the mill, because the log names it", ("the harbour", "the mill"), "B"),
        ("A) Ben B) Ann. The answer is B) Ann.", ("Ben", "Ann"), "B"),
        ("A) Ben\nB) Ann\nAnswer: B) Ann", ("Ben", "Ann"), "B"),
        ('{"answer": "B) the mill"}', ("the harbour", "the mill"), "B"),
        ('{"answer": "B) the harbour"}', ("the harbour", "the mill"), None),
        (r"\boxed{\text{B. 3/4}}", ("1/2", "3/4"), "B"),
        (r"Answer: B. $\frac{1}{2}$", (r"$\frac{3}{2}$", r"$\frac{1}{2}$"), "B"),
    ],
)
def test_the_text_of_an_answer_belongs_to_its_letter(reply: str, answers: tuple[str, ...], label: str | None) -> None:
    assert named_label(reply, "AB", answers) == label


@pytest.mark.parametrize(
    ("last", "answer"),
    [
        ("Answer: B", 1),
        ("7. Answer: B", 1),
        ("So the final answer is B.", 1),
        (r"The answer is $\boxed{B}$.", 1),
        ("Answer:\nB", 1),
        ("Answer: A) or B)", None),
        ("Answer: not A", None),
        ("Answer: B) the harbour", None),
        ("Answer: C", None),
    ],
)
@pytest.mark.parametrize("before", ["It is so.", "Answer: A\nNo, wait."])
def test_the_last_answer_line_of_a_solution_decides(before: str, last: str, answer: int | None) -> None:
    writer = stage(strong=ScriptedModel()).seat("writer", role="strong", brief="expert")
    assert read_solution(f"{before}\n{last}", QUESTION, writer).answer == answer


NAMES = [
    "{}",
    "({})",
    "{}.",
    "**{}**",
    "Answer: {}",
    "The final answer is {}.",
    "I choose option {}",
    r"\boxed{{{}}}",
    '{{"answer": "{}"}}',
    "{}) {}",
    "{} because the log says so.",
]
REPORTS = [
    "{} is not right.",
    "Debater A says the answer is {}.",
    'Ben wrote "the answer is {}".',
    "> Answer: {}",
    "Answer: {}",
    "The answer is {}. No.",
    "Is it {}?",
    "It might be {}.",
    "I rule out {}.",
    "{}) Ben",
    "{}",
    "The example was {{'answer': '{}'}}.",
]


TEXTS = ["the harbour", "the mill", "the church", "the school", "the bridge"]


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from("ABCDE"))
def test_every_way_to_name_an_answer_is_read(way: str, label: str) -> None:
    assert named_label(way.format(label, TEXTS["ABCDE".index(label)]), "ABCDE", TEXTS) == label


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.sampled_from(REPORTS), st.permutations("ABCDE"), st.sampled_from(["\n", " ", "\n\n"]))
def test_a_letter_is_read_as_the_one_that_was_named_or_not_at_all(
    way: str, report: str, letters: list[str], between: str
) -> None:
    own, other, *_ = letters
    said = way.format(own, TEXTS["ABCDE".index(own)])
    assert named_label(f"{report.format(other)}{between}{said}", "ABCDE", TEXTS) in (None, own)


@settings(deadline=None)
@given(st.text() | st.text(alphabet='AB )(.:,?!answer isnot"{}\\boxed\n', max_size=60))
def test_any_text_names_one_of_the_labels_or_none(text: str) -> None:
    assert named_label(text, "AB", ("Ben", "A dog")) in ("A", "B", None)


@pytest.mark.parametrize("part", ["A ", "A) x\n", "\\boxed{", "answer is ", '"', "(", "so ", "I say ", "*", "\n", "{"])
def test_a_long_reply_is_read_in_good_time(part: str) -> None:
    named_label(part * (10**6 // len(part)), "AB", ("Ben", "Ann"))
