"""Language models in process: what they generate, and that a reply is its own whatever is generated beside it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.conftest import ask
from models.tiny_model import CONTEXT, LABELS, VARIANTS, save_model
from oversight.core.chat import ChatMessage, ChatReply, ChatRequest
from oversight.errors import CallFailed, FailureClass, UsageError
from oversight.models.embedded.language import LanguageModelSettings, SmolLM2, TransformersModel

pytest.importorskip("torch", reason="needs the extra oversight[lm]: make install-lm")
pytest.importorskip("transformers", reason="needs the extra oversight[lm]: make install-lm")
pytest.importorskip("accelerate", reason="needs the extra oversight[lm]: make install-lm")

LONG = "word1 " * 20


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("tiny"))


def model(path: Path, seed: int = 0, **settings: Any) -> TransformersModel:
    named = {"model": "embedded/transformers", "path": str(path), "dtype": "float32", "max_tokens": 40, **settings}
    return TransformersModel(TransformersModel.Settings.model_validate(named), {"seed": seed})


def requests(count: int) -> list[ChatRequest]:
    """Prompts of many lengths, so that a batch of them is padded."""
    return [ask(f"word{number} " * (1 + 7 * number), seat=f"seat_{number}") for number in range(count)]


async def test_what_is_generated_beside_a_reply_does_not_change_it(tiny: Path) -> None:
    asked = requests(9)
    together = await asyncio.gather(*(model(tiny, temperature=1.0, batch_size=4).chat(each) for each in asked))
    alone = [await model(tiny, temperature=1.0).chat(each) for each in asked]
    assert [reply.text for reply in together] == [reply.text for reply in alone]
    assert len({reply.text for reply in together}) == 9


@pytest.mark.long
async def test_greedy_replies_are_those_of_the_library(tiny: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    library: Any = AutoModelForCausalLM.from_pretrained(tiny)
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    asked = requests(5)
    replies = await asyncio.gather(*(model(tiny, temperature=0, max_tokens=25).chat(each) for each in asked))
    for request, reply in zip(asked, replies, strict=True):
        inputs = tokenizer(prompt(tokenizer, request), return_tensors="pt", add_special_tokens=False)
        made = library.generate(**inputs, do_sample=False, max_new_tokens=25)[0, inputs["input_ids"].shape[1] :]
        assert reply.text == tokenizer.decode(made, skip_special_tokens=True).strip()
        assert reply.prompt_tokens == inputs["input_ids"].shape[1]
        assert reply.completion_tokens == len(made)


@pytest.mark.long
async def test_a_draw_depends_on_seed_prompt_seat_and_sample_and_on_nothing_else(tiny: Path) -> None:
    async def text(seed: int = 0, prompt: str = LONG, **more: Any) -> str:
        return (await model(tiny, seed, temperature=1.0).chat(ask(prompt, **more))).text

    assert await text() == await text()
    others = [await text(seed=1), await text(prompt=LONG + "word2"), await text(sample=1), await text(seat="judge")]
    assert len({await text(), *others}) == 5


@pytest.mark.long
async def test_a_small_top_p_takes_the_most_probable_token(tiny: Path) -> None:
    greedy = await model(tiny, temperature=0).chat(ask(LONG))
    assert (await model(tiny, temperature=1.0, top_p=1e-6).chat(ask(LONG))).text == greedy.text
    assert (await model(tiny, temperature=1e-310).chat(ask(LONG))).text == greedy.text
    drawn = {(await model(tiny, temperature=1.0, top_p=1.0).chat(ask(LONG, sample=n))).text for n in range(4)}
    assert len(drawn) == 4


@pytest.mark.long
async def test_a_reply_ends_before_a_stop_text(tiny: Path) -> None:
    whole = await model(tiny, temperature=0).chat(ask(LONG))
    stop = whole.text.split()[3]
    cut = await model(tiny, temperature=0, stop=[stop, "never said"]).chat(ask(LONG))
    assert cut.text == whole.text[: whole.text.index(stop)].strip()
    assert cut.finish_reason == "stop"
    assert cut.completion_tokens is not None
    assert whole.completion_tokens is not None
    assert cut.completion_tokens < whole.completion_tokens


@pytest.mark.long
async def test_a_reply_ends_one_word_past_its_limit(tiny: Path) -> None:
    reply = await model(tiny, temperature=0).chat(ask(LONG, word_limit=5))
    assert len(reply.text.split()) == 6
    assert reply.finish_reason == "stop"


@pytest.mark.long
async def test_a_reply_that_is_cut_off_says_so_and_may_be_given_more_room(tiny: Path) -> None:
    reply = await model(tiny, temperature=0, max_tokens=7).chat(ask(LONG))
    assert (reply.finish_reason, reply.completion_tokens) == ("length", 7)
    longer = await model(tiny, temperature=0, max_tokens=7).chat(ask(LONG, room=14))
    assert (longer.finish_reason, longer.completion_tokens) == ("length", 14)
    assert longer.text.startswith(reply.text)


@pytest.mark.long
async def test_the_probabilities_of_choices_are_those_of_the_whole_vocabulary(tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    library: Any = AutoModelForCausalLM.from_pretrained(tiny)
    tokenizer: Any = AutoTokenizer.from_pretrained(tiny)
    request = ask(LONG, choices=LABELS)
    reply = await model(tiny).chat(request)
    inputs = tokenizer(prompt(tokenizer, request), return_tensors="pt", add_special_tokens=False)
    with torch.inference_mode():
        probs = torch.softmax(library(**inputs).logits[0, -1].double(), dim=-1)
    vocabulary = tokenizer.get_vocab()
    expected = {name: sum(float(probs[vocabulary[token]]) for token in VARIANTS[name]) for name in LABELS}
    assert reply.choice_probs == pytest.approx(expected, abs=1e-6)
    assert 0 < sum(expected.values()) < 1
    assert (reply.completion_tokens, reply.provider, reply.cost_usd) == (1, "embedded", 0.0)


@pytest.mark.long
async def test_probabilities_do_not_depend_on_what_else_is_asked(tiny: Path) -> None:
    judged = [each._replace(choices=LABELS) for each in requests(6)]
    alone = [await model(tiny).chat(each) for each in judged]
    speeches = [model(tiny).chat(each) for each in requests(6)]
    together = (await asyncio.gather(*speeches, *(model(tiny).chat(each) for each in judged)))[6:]
    assert [reply.choice_probs for reply in together] == [reply.choice_probs for reply in alone]


@pytest.mark.long
async def test_a_prompt_that_leaves_no_room_fails_as_too_long_and_others_go_on(tiny: Path) -> None:
    async def outcome(words: int) -> ChatReply | FailureClass:
        try:
            return await model(tiny).chat(ask("word1 " * words))
        except CallFailed as failure:
            return failure.failure

    good, bad = await asyncio.gather(outcome(10), outcome(CONTEXT))
    assert isinstance(good, ChatReply)
    assert bad is FailureClass.CONTEXT_LENGTH


@pytest.mark.long
async def test_a_reply_ends_where_the_context_does(tiny: Path) -> None:
    reply = await model(tiny, temperature=0, max_tokens=10_000).chat(ask("word1 " * 480))
    assert reply.finish_reason == "length"
    assert (reply.prompt_tokens or 0) + (reply.completion_tokens or 0) == CONTEXT


@pytest.mark.long
async def test_a_call_that_is_given_up_leaves_the_batch_and_harms_nobody(tiny: Path) -> None:
    endless = [asyncio.create_task(model(tiny, max_tokens=400).chat(ask(LONG, sample=n))) for n in range(3)]
    other = asyncio.create_task(model(tiny).chat(ask(LONG)))
    await asyncio.sleep(0.05)
    for task in endless:
        task.cancel()
    results = await asyncio.gather(*endless, return_exceptions=True)
    assert [type(result) for result in results] == [asyncio.CancelledError] * 3
    assert (await other).text == (await model(tiny).chat(ask(LONG))).text


@pytest.mark.long
async def test_the_event_loop_is_free_meanwhile(tiny: Path) -> None:
    call = asyncio.create_task(model(tiny, max_tokens=300).chat(ask(LONG)))
    turns = 0
    while not call.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 100


@pytest.mark.long
async def test_what_is_no_model_is_said_in_one_line_at_every_call(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    for _ in range(2):
        with pytest.raises(CallFailed) as caught:
            await model(tmp_path).chat(ask())
        assert caught.value.failure is FailureClass.UNKNOWN_MODEL
        assert "cannot be loaded as a language model" in caught.value.message
        assert "\n" not in caught.value.message


@pytest.mark.long
async def test_an_error_within_the_model_fails_its_calls_and_not_the_next(tiny: Path) -> None:
    with pytest.raises(CallFailed) as caught:
        await model(tiny).chat(ask("no text: \ud800"))
    assert caught.value.failure is FailureClass.SERVER_ERROR
    assert (await model(tiny).chat(ask(LONG))).text


@pytest.mark.long
def test_a_process_ends_while_a_reply_is_generated(tiny: Path) -> None:
    source = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from models.test_language_model import ask, model
from pathlib import Path
async def leave():
    await model(Path({str(tiny)!r})).chat(ask("word1", choices=("A", "B")))
    asyncio.create_task(model(Path({str(tiny)!r}), max_tokens=400).chat(ask("word1")))
    await asyncio.sleep(0.02)
asyncio.run(leave())
print("left")
"""
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "left\n"), ran.stderr


@pytest.mark.long
def test_settings_that_it_does_not_have_are_refused(tiny: Path) -> None:
    with pytest.raises(ValueError, match="temprature"):
        model(tiny, temprature=1)
    with pytest.raises(ValueError, match="path"):
        TransformersModel.Settings.model_validate({"model": "embedded/transformers"})


@pytest.mark.long
def test_weights_that_are_not_there_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oversight.models.embedded.language.weights.weights_folder", lambda: tmp_path)
    with pytest.raises(UsageError, match=r"^embedded/smollm2 has no weights .*'oversight models fetch smollm2'"):
        SmolLM2.check(LanguageModelSettings(model="embedded/smollm2"))
    with pytest.raises(UsageError, match=r"^embedded/transformers: path: there is no file or folder"):
        TransformersModel.check(model(tmp_path / "nowhere").settings)


@pytest.mark.long
def test_it_costs_nothing_and_is_limited_by_its_settings(tiny: Path) -> None:
    bound = model(tiny, max_tokens=99)
    assert (bound.metered, bound.price(bound.settings, 10, 10), bound.settings.completion_limit) == (False, 0.0, 99)
    state = TransformersModel.prepare(bound.settings, 5)
    assert state == {"seed": 5, "path": str(tiny)}


def prompt(tokenizer: Any, request: ChatRequest) -> str:
    told = [ChatMessage(*message)._asdict() for message in request.messages]
    return str(tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False))
