"""Speeches that are the best of several, or written anew, on models behind a real server on this machine."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cli.running import Ran, here
from execution.staging import rows
from experiment.files import questions

from oversight.testing.loopback import LoopbackServer, Reply

pytestmark = pytest.mark.long

KEY = "correct-horse-battery-staple-0451"
QUESTIONS = 3
EPISODES = 2 * QUESTIONS
ROWS = [
    {
        "id": f"q{n}",
        "prompt": f"What does note {n} name?",
        "answers": ["mill", "harbour"],
        "gold": n % 2,
        "material": "…",
    }
    for n in range(QUESTIONS)
]
SPEAKER, PROXY, JUDGE = "gpt-4o", "gpt-4.1-nano", "gpt-4o-mini"

CRITICISM = "The weakest part is the date."


class Writers:
    """Speakers whose every version weighs differently for A; the proxy goes by that weight, the judge half by it."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, body: Mapping[str, Any]) -> Reply | str:
        asked = str(body["messages"][-1]["content"])
        if body.get("logprobs"):
            heard = " ".join(str(message["content"]) for message in body["messages"])
            weight = int(re.findall(r"weighs (\d+)", heard)[-1]) / 100
            p = weight if body["model"] == PROXY else 0.25 + weight / 2
            return Reply("A" if p > 0.5 else "B", first_token={"A": p, "B": 1 - p})
        if "Criticise" in asked:
            return CRITICISM
        number = next(self._numbers) * 37 % 97 + 1
        return f"{'Written anew' if 'anew' in asked else 'Drafted'}: this weighs {number}."


class Played(NamedTuple):
    """The experiment as it was run, and the server that answered."""

    ran: Ran
    folder: Path
    server: LoopbackServer

    @property
    def store(self) -> Path:
        return self.folder / "store"


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """A consultancy whose consultant says its first words, the best of three, its second, or both."""
    folder = tmp_path_factory.mktemp("best")
    questions(folder, ROWS)
    with LoopbackServer(Writers()) as server, pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENAI_API_KEY", KEY)
        (folder / "e.yaml").write_text(experiment(server.api_base))
        ran = here("run", folder / "e.yaml", "--engine", "local", "--store", folder / "store")
        yield Played(ran, folder, server)


def experiment(api_base: str) -> str:
    strong = f"model: openai/{SPEAKER}, api_base: '{api_base}', seed: 5, preferred_by: proxy"
    arms = {"plain": "", "best of three": ", best_of: 3", "refined": ", refine: 1", "both": ", best_of: 3, refine: 1"}
    return (
        "name: best\ntask: {name: table, path: rows.jsonl}\nmodels:\n"
        f"  judge: {{model: openai/{JUDGE}, api_base: '{api_base}'}}\n"
        f"  proxy: {{model: openai/{PROXY}, api_base: '{api_base}'}}\nprotocols:\n"
        + "".join(
            f"  - {{consultancy: {{rounds: 1}}, as: {name}, models: {{strong: {{{strong}{more}}}}}}}\n"
            for name, more in arms.items()
        )
    )


def spoken(store: Path, arm: str) -> dict[str, dict[str, Any]]:
    """For each episode of an arm: which place was argued, and the consultant's messages, a list for each kind."""
    query = f"""
        SELECT episode_id, sides[1].argues AS argues, author, kind, "text", audience FROM messages
        JOIN episodes USING (episode_id) WHERE arm = '{arm}' AND author = 'consultant' ORDER BY episode_id, idx
    """
    found: dict[str, dict[str, Any]] = {}
    for row in rows(store, query):
        episode = found.setdefault(row["episode_id"], {"argues": row["argues"]})
        episode.setdefault(row["kind"], []).append(row["text"])
        # What was not said is for whoever chooses, one version each, or for nobody.
        assert row["audience"] is None if row["kind"] == "speech" else len(row["audience"]) <= 1
    return found


def favoured(text: str, argues: int) -> float:
    weight = int(text.removesuffix(".").split()[-1]) / 100
    return weight if argues == 0 else 1 - weight


def test_every_version_and_whoever_hears_it_is_counted_and_paid_for_once(played: Played) -> None:
    assert played.ran.code == 0, played.ran
    report = {row["arm"]: row for row in here("report", "--store", played.store, "--format", "json").rows}
    # A word, or three and whoever hears each; a draft, its criticism and the new text; and the judge.
    each = {"plain": 1 + 1, "best of three": 3 + 3 + 1, "refined": 3 + 1, "both": 3 + 3 + 2 + 1}
    assert {arm: row["calls"] for arm, row in report.items()} == {arm: n * EPISODES for arm, n in each.items()}
    assert all(row["cost_usd"] > 0 for row in report.values())
    asked = Counter(body["model"] for body in played.server.bodies)
    assert asked == {SPEAKER: (1 + 3 + 3 + 5) * EPISODES, PROXY: 6 * EPISODES, JUDGE: 4 * EPISODES}
    # Versions are samples of one prompt, which a seed tells apart.
    assert {body["seed"] for body in played.server.bodies if body["model"] == SPEAKER} == {5, 6, 7}
    again = here("run", played.folder / "e.yaml", "--engine", "local", "--store", played.store)
    assert f"0 episodes run with 0 model calls; {4 * EPISODES} had been judged before" in again.out
    assert len(played.server.received) == sum(asked.values())


def test_the_version_that_favours_the_speaker_s_side_is_said_and_all_are_kept(played: Played) -> None:
    told = spoken(played.store, "best of three")
    assert len(told) == EPISODES
    assert {words["argues"] for words in told.values()} == {0, 1}
    for words in told.values():
        (said,), versions = words["speech"], words["disclosure"]
        assert len(set(versions)) == 3
        assert said == max(versions, key=lambda text: favoured(text, words["argues"]))


@pytest.mark.parametrize(("arm", "versions"), [("refined", 1), ("both", 3)])
def test_a_draft_is_kept_with_its_criticism_and_only_what_was_written_anew_is_said(
    played: Played, arm: str, versions: int
) -> None:
    told = spoken(played.store, arm)
    assert len(told) == EPISODES
    for words in told.values():
        (said,), (draft,), (criticism,) = words["speech"], words["draft"], words["thought"]
        assert (said.startswith("Written anew"), draft.startswith("Drafted"), criticism) == (True, True, CRITICISM)
        first = words.get("disclosure", [draft])
        assert len(first) == versions
        assert draft == max(first, key=lambda text: favoured(text, words["argues"]))
    episode = next(iter(told))
    shown = here("show", episode, "--store", played.store).out
    assert (shown.count("Drafted: "), shown.count("Written anew: "), shown.count(CRITICISM)) == (1, 1, 1)
    everything = here("show", episode, "--store", played.store, "--prompts").out
    assert everything.count("Drafted: ") == 1 + (versions if versions > 1 else 0)


def test_the_judge_hears_one_text_and_no_criticism(played: Played) -> None:
    heard = [str(body["messages"]) for body in played.server.bodies if body["model"] == JUDGE]
    assert len(heard) == 4 * EPISODES
    assert {(words.count("weighs"), CRITICISM in words) for words in heard} == {(1, False)}


def test_the_report_says_what_both_judges_gave_to_the_words_that_were_chosen(played: Played) -> None:
    query = """
        SELECT episode_id, list_position(answer_order, gold) - 1 AS gold
        FROM episodes JOIN questions USING (question_key)
    """
    gold = {row["episode_id"]: row["gold"] for row in rows(played.store, query)}
    sides: dict[str, list[float]] = {"honest": [], "dishonest": []}
    for episode, words in spoken(played.store, "best of three").items():
        side = "honest" if words["argues"] == gold[episode] else "dishonest"
        sides[side].append(favoured(words["speech"][0], words["argues"]))
    _, table = played.ran.out.split("The best of n versions")
    assert "plain" not in table
    assert "refined" not in table
    for side, scores in sides.items():
        assert len(scores) == QUESTIONS
        mean = sum(scores) / QUESTIONS
        (line,) = [line for line in table.splitlines() if line.split()[:4] == ["best", "of", "three", side]]
        # n, KL, then for each judge a mean of probabilities, whose interval holds nothing else.
        number = r"([01]\.\d{3}) \[[01]\.\d{3}, [01]\.\d{3}\]"
        found = re.search(rf"{side} +3 +0\.43 +{number} +{number} +", line)
        assert found is not None, line
        assert float(found[1]) == pytest.approx(mean, abs=6e-4)
        assert float(found[2]) == pytest.approx(0.25 + mean / 2, abs=6e-4)
