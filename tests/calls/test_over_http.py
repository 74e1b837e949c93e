"""What a user is promised of paid calls, counted at a real server: through the command line and LiteLLM."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cli.running import Ran, full_disk, here
from execution.staging import count, rows
from experiment.files import questions

from oversight.calls.limiter import Limiter
from oversight.core.chat import ChatMessage, ChatRequest
from oversight.models.litellm.litellm_model import LiteLLMModel
from oversight.testing.loopback import Fault, LoopbackServer, Reply, default_responder

pytestmark = pytest.mark.long

WORDS = "SELECT episode_id, idx, author, text FROM messages ORDER BY episode_id, idx"
BELIEFS = "SELECT episode_id, idx, seat, final, probs, source FROM beliefs ORDER BY episode_id, idx"
ORIGINS = "SELECT origin, count(*) AS n FROM calls GROUP BY origin ORDER BY origin"

DUEL = '''\
"""Two speak, and a judge who was told how to decides."""

from oversight import Protocol


class Duel(Protocol):
    """Speak, then judge."""

    name = "duel"
    roles = ("judge", "strong")

    async def run(self, episode):
        for seat in ("one", "two"):
            await episode.seat(seat, role="strong").speak("argue")
        return await episode.seat("judge").decide("plead")
'''


class Talking:
    """Says something new each time, so that nothing looks reused that is not."""

    def __init__(self) -> None:
        self.said = itertools.count()

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        usual = default_responder(body)
        if usual.first_token or body.get("response_format"):
            return usual
        return Reply(f"Speech number {next(self.said)}, and no other.", cached_tokens=2)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-one")
    with LoopbackServer(Talking()) as server:
        yield server


class Staged:
    """An experiment in a folder, and its store."""

    def __init__(self, folder: Path, server: LoopbackServer, protocols: str, *, judge: str = "", strong: str = ""):
        self.folder, self.store = folder, folder / "store"
        self.server = server
        rows = [{"id": f"q{n}", "prompt": f"Which is {n}?", "answers": ["mill", "port"], "gold": 0} for n in range(3)]
        questions(folder, rows)
        base = f"api_base: '{server.api_base}', timeout: 20"
        self.path = folder / "e.yaml"
        self.path.write_text(
            "name: http\ntask: {name: table, path: rows.jsonl}\nmodels:\n"
            f"  judge: {{model: openai/gpt-4o-mini, {base}{judge}}}\n"
            f"  strong: {{model: openai/gpt-4o-mini, {base}{strong or ', temperature: 0.7'}}}\n"
            f"protocols: {protocols}\n"
        )

    def run(self, *options: object, store: Path | None = None) -> tuple[Ran, list[Mapping[str, Any]]]:
        """Run it here, and return what was printed and asked meanwhile."""
        before = len(self.server.received)
        ran = here("run", self.path, "--engine", "local", "--store", store or self.store, *options)
        return ran, self.server.bodies[before:]


def test_after_a_failure_only_what_failed_is_asked_again(tmp_path: Path, server: LoopbackServer) -> None:
    staged = Staged(tmp_path, server, "[{debate: {rounds: 2, turns: sequential}}]")
    # Two debates of four speeches and a decision; in the first the third speech is too long for the model.
    server.faults.extend([None, None, Fault.context_length()])
    failed, asked = staged.run("--limit", 1, "--concurrency", 1)
    assert failed.code == 1
    assert (len(asked), failed.err.count("failed: ")) == (3 + 5, 1)
    before = {row["text"] for row in rows(staged.store, WORDS) if row["author"].startswith("debater")}

    again, asked = staged.run("--limit", 1, "--concurrency", 1)
    assert again.code == 0
    assert len(asked) == 3  # the speech that failed, the one after it, and the decision
    assert rows(staged.store, ORIGINS) == [{"origin": "kept", "n": 2}, {"origin": "made", "n": 11}]
    whole = rows(staged.store, f"SELECT text FROM ({WORDS}) WHERE author LIKE 'debater%'")
    assert before <= {row["text"] for row in whole}
    (report,) = here("report", "--store", staged.store, "--format", "json").rows
    assert (report["n"], report["calls"]) == (2, 11)
    assert staged.run("--limit", 1)[1] == []


def test_what_was_cut_off_and_paid_for_is_not_used_by_the_next_attempt(tmp_path: Path, server: LoopbackServer) -> None:
    staged = Staged(tmp_path, server, "[{debate: {rounds: 1, turns: sequential, word_limit: null}}]")
    server.faults.extend([Fault.truncated("half a"), Fault.truncated("half b")])  # once more, and then it is given up
    failed, asked = staged.run("--limit", 1, "--concurrency", 1)
    assert failed.code == 1
    assert len(asked) == 2 + 3
    again, asked = staged.run("--limit", 1)
    assert (again.code, len(asked)) == (0, 3)
    assert not [row for row in rows(staged.store, WORDS) if "half" in row["text"]]
    (report,) = here("report", "--store", staged.store, "--format", "json").rows
    assert report["calls"] == 8  # what failed was paid for too


def test_repeats_and_seeds_are_calls_of_their_own_and_the_same_again_is_none(
    tmp_path: Path, server: LoopbackServer
) -> None:
    staged = Staged(tmp_path, server, "[direct]", judge=", belief: stated")
    assert len(staged.run()[1]) == 3
    assert len(staged.run("--repeat", 3)[1]) == 6
    assert len(staged.run("--seed", 7, "--repeat", 2)[1]) == 6
    assert staged.run("--repeat", 3)[1] == staged.run("--seed", 7, "--repeat", 2)[1] == []
    assert rows(staged.store, ORIGINS) == [{"origin": "made", "n": 15}]


def test_a_judge_with_other_words_hears_the_speeches_that_were_paid_for(tmp_path: Path, server: LoopbackServer) -> None:
    staged = Staged(tmp_path, server, "[./duel.py:Duel]")
    (tmp_path / "duel.py").write_text(DUEL)
    (tmp_path / "prompts").mkdir()
    for name in ("one", "two", "argue"):
        (tmp_path / "prompts" / f"{name}.j2").write_text("Speak, {{ seat }}.")
    (tmp_path / "prompts" / "plead.j2").write_text("Decide.")
    first, asked = staged.run()
    assert (first.code, len(asked)) == (0, 9)
    speeches = f"SELECT text FROM ({WORDS}) WHERE author IN ('one', 'two') ORDER BY text"
    before = rows(staged.store, speeches)
    (tmp_path / "prompts" / "plead.j2").write_text("Think hard, then decide.")
    second, asked = staged.run()
    assert (second.code, len(asked)) == (0, 3)
    assert all("Think hard" in str(body["messages"][-1]["content"]) for body in asked)
    assert rows(staged.store, ORIGINS) == [{"origin": "made", "n": 12}, {"origin": "shared", "n": 6}]
    assert rows(staged.store, speeches) == sorted(before * 2, key=lambda row: row["text"])
    # An episode's price is what it would have cost by itself; what was spent is less.
    assert {row["calls"] for row in here("report", "--store", staged.store, "--format", "json").rows} == {9}
    assert "6 episodes" not in second.out
    assert "3 episodes run with 3 model calls" in second.out


@pytest.mark.parametrize("probabilities", [True, False])
def test_a_replay_asks_nobody_and_says_the_same(
    tmp_path: Path, server: LoopbackServer, monkeypatch: pytest.MonkeyPatch, probabilities: bool
) -> None:
    server.unsupported = () if probabilities else ("logprobs",)
    staged = Staged(tmp_path, server, "[direct, {debate: {rounds: 1, beliefs: true}}]")
    # A failed attempt is on record too; what it lacked, the next has.
    refused = [] if probabilities else [None]
    server.faults.extend([None, *refused, Fault.context_length(), Fault.truncated()])
    # One at a time, so that they meet the same calls on every machine.
    assert staged.run("--concurrency", 1)[0].code == 1
    assert staged.run("--concurrency", 2)[0].code == 0
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.chdir(tmp_path)
    for place, record in enumerate((staged.store, staged.store.relative_to(tmp_path))):
        new = tmp_path / f"new{place}"
        ran, asked = staged.run("--replay", record, store=new)
        assert ran.code == 0, ran
        assert asked == []
        judged = "WHERE (episode_id, attempt) IN (SELECT (episode_id, attempt) FROM episodes WHERE status = 'judged')"
        for query in (each.replace("ORDER BY", f"{judged} ORDER BY") for each in (WORDS, BELIEFS)):
            assert rows(new, query) == rows(staged.store, query)
        assert "0 model calls" in ran.out
        (spent,) = rows(new, "SELECT count(*) AS n FROM calls WHERE origin = 'made' AND failure IS NULL")
        assert spent["n"] == 0
        # Nothing was spent, and yet an arm's calls and price are what they would be by itself.
        for row in rows(new, "SELECT calls, cost_usd FROM accuracy"):
            assert row["calls"] >= 2
            assert row["cost_usd"] > 0


def test_a_replay_of_what_was_never_asked_fails_those_episodes_and_asks_nobody(
    tmp_path: Path, server: LoopbackServer
) -> None:
    staged = Staged(tmp_path, server, "[direct]", judge=", belief: stated")
    assert staged.run("--limit", 2)[0].code == 0
    ran, asked = staged.run("--replay", staged.store, store=tmp_path / "new")
    assert (ran.code, asked) == (1, [])
    (line,) = [line for line in ran.err.splitlines() if line.startswith("failed: ")]
    assert "unrecorded: the replayed store holds no such call of seat judge" in line
    assert "Traceback" not in ran.err
    (refused, asked) = staged.run("--replay", tmp_path / "nowhere", store=tmp_path / "other")
    assert (refused.complaint().startswith(f"--replay {tmp_path / 'nowhere'}"), asked) == (True, [])
    assert not (tmp_path / "other").exists()


JUNK = "I would rather not say."


class Reluctant(Talking):
    """A judge who gives no probabilities, and states none the first two times it is asked for them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: dict[str, int] = {}

    def __call__(self, body: Mapping[str, Any]) -> Reply:
        usual = super().__call__(body)
        if not body.get("response_format"):
            return usual
        prompt = str(body["messages"])
        self.asked[prompt] = self.asked.get(prompt, 0) + 1
        return usual if self.asked[prompt] > 2 else Reply(JUNK)


def test_a_replay_comes_as_far_as_the_run_did(tmp_path: Path, server: LoopbackServer) -> None:
    server.unsupported, server.responder = ("logprobs",), Reluctant()
    staged = Staged(tmp_path, server, "[direct]")
    staged.run("--concurrency", 1)
    # The first question's judge was found to give no probabilities; this time it is not asked.
    rest = (tmp_path / "rows.jsonl").read_text().splitlines(keepends=True)[1:]
    (tmp_path / "rows.jsonl").write_text("".join(rest))
    decided = "SELECT episode_id, status FROM episodes ORDER BY episode_id"
    ran, asked = staged.run("--replay", staged.store, "--concurrency", 1, store=tmp_path / "new")
    assert asked == []
    before = {row["episode_id"]: row["status"] for row in rows(staged.store, decided)}
    again = {row["episode_id"]: row["status"] for row in rows(tmp_path / "new", decided)}
    assert len(again) == 2
    assert again == {episode: before[episode] for episode in again}, ran


@pytest.fixture
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> float:
    """A limit's minute takes this many seconds."""
    assert Limiter.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(Limiter.__init__.__kwdefaults__, "window_s", 2.5)
    return 2.5


def gap(server: LoopbackServer, after: int) -> float:
    """Seconds from the first request to the one that comes ``after`` so many."""
    came = sorted(served.at for served in server.served)
    return came[after] - came[0]


def test_two_roles_with_one_model_are_held_to_its_limit_together(
    tmp_path: Path, server: LoopbackServer, short_minutes: float
) -> None:
    limit = ", requests_per_minute: 5"
    staged = Staged(tmp_path, server, "[debate: {rounds: 1}]", judge=limit, strong=f"{limit}, temperature: 0.7")
    ran, asked = staged.run("--limit", 1)
    assert (ran.code, len(asked)) == (0, 6)  # two by the judge and four by debaters: together one too many
    # The server sees what was let in a little later, and not all of it equally late.
    assert gap(server, after=5) > short_minutes / 3


def test_a_limit_that_one_of_two_roles_states_holds_for_both(
    tmp_path: Path, server: LoopbackServer, short_minutes: float
) -> None:
    for place, (judge, strong) in enumerate([("5", "1000"), ("1000", "5")]):
        (tmp_path / str(place)).mkdir()
        limit = ", temperature: 0.7, requests_per_minute: "
        folder = tmp_path / str(place)
        staged = Staged(folder, server, "[debate: {rounds: 1}]", judge=limit + judge, strong=limit + strong)
        server.served.clear()
        assert staged.run("--limit", 1)[0].code == 0
        assert gap(server, after=5) > short_minutes / 3, f"judge {judge}, strong {strong}"


def test_how_fast_and_at_what_price_changes_neither_the_run_nor_its_episodes(
    tmp_path: Path, server: LoopbackServer
) -> None:
    staged = Staged(tmp_path, server, "[direct]")
    assert staged.run()[0].code == 0
    for change in (
        "requests_per_minute=7",
        "tokens_per_minute=70000",
        "max_concurrency=2",
        "timeout=9",
        "prompt_cache=false",
        "api_key_env=OPENAI_API_KEY",
    ):
        ran, asked = staged.run("--set", f"models.judge.{change}")
        assert (ran.code, asked) == (0, []), change
        assert "0 episodes run with 0 model calls; 3 had been judged before" in ran.out
    prices = [f"--set=models.judge.{name}_cost_per_token=0.5" for name in ("input", "output", "cached")]
    assert staged.run(*prices)[1] == []
    assert count(staged.store, "runs") == 1
    assert len(staged.run("--set", "models.judge.temperature=0.3")[1]) == 3  # but this is another model
    assert count(staged.store, "runs") == 2


def test_cached_tokens_have_their_own_price(tmp_path: Path, server: LoopbackServer) -> None:
    prices = ", temperature: 0.7, input_cost_per_token: 0.5, output_cost_per_token: 8, cached_cost_per_token: 0.125"
    staged = Staged(tmp_path, server, "[debate: {rounds: 1}]", strong=prices)
    assert staged.run("--limit", 1)[0].code == 0
    calls = rows(staged.store, "SELECT * FROM calls WHERE role = 'strong'")
    assert len(calls) == 4
    for call in calls:
        assert call["cached_tokens"] == 2
        fresh = call["prompt_tokens"] - 2
        assert call["cost_usd"] == fresh * 0.5 + 2 * 0.125 + call["completion_tokens"] * 8


async def marks(model: str, server: LoopbackServer, request: ChatRequest, **more: Any) -> bool:
    """Whether the request that a provider gets asks it to keep the prompt."""
    settings = {"model": model, "api_base": server.api_base, "timeout": 5, **more}
    server.faults.append(Fault.error(401, "seen enough"))
    with pytest.raises(Exception, match="seen enough"):
        await LiteLLMModel(LiteLLMModel.Settings.model_validate(settings)).chat(request)
    body = server.received[-1].body
    assert "Speak now." in str(body)
    return "cache_control" in str(body)


async def test_only_claude_is_told_to_keep_prompts_and_only_those_that_will_grow(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "nor-this")
    speaks = ChatRequest((ChatMessage("system", "You argue."), ChatMessage("user", "Speak now.")), seat="debater_a")
    decides = speaks._replace(choices=("A", "B"), seat="judge")
    states = speaks._replace(json_schema={"type": "object"}, seat="judge")
    claude = "anthropic/claude-sonnet-4-5-20250929"
    assert await marks(claude, server, speaks)
    assert not await marks(claude, server, decides)
    assert not await marks(claude, server, states)
    assert not await marks(claude, server, speaks, prompt_cache=False)
    for other in ("openai/gpt-4o-mini", "hosted_vllm/qwen", "openai/claude-like"):
        assert not await marks(other, server, speaks), other


def test_a_full_disk_ends_the_run_with_one_line_and_nothing_kept_is_asked_again(
    tmp_path: Path, server: LoopbackServer
) -> None:
    long = "A long speech. " * 4000
    server.responder = lambda body: usual if (usual := default_responder(body)).first_token else Reply(long)
    staged = Staged(tmp_path, server, "[{debate: {rounds: 3, word_limit: null}}]")
    staged.run("--limit", 1, "--set", "protocols=[direct]")  # the files are there, with a little in them
    with full_disk(600_000):
        ran, asked = staged.run("--limit", 1, "--concurrency", 1)
    assert ran.code in (1, 2)
    (line,) = [line for line in ran.err.splitlines() if "error: " in line or "stopped: " in line]
    assert str(staged.store) in line
    assert "Traceback" not in ran.err
    paid = len(asked)
    assert 2 < paid < 14
    again, asked = staged.run("--limit", 1)
    assert again.code == 0, again
    # Two debates of six speeches and a decision; only what was in flight as the disk was full is paid for twice.
    assert len(asked) + paid <= 14 + 2
    shutil.rmtree(staged.store)
