"""The rooms of Michael et al. (2023): their published table, to the count."""

from __future__ import annotations

import json
import shutil
import sys
from collections import Counter
from pathlib import Path
from statistics import fmean, pstdev

import pytest
from cli.running import here
from tasks.reading import published

from importers.writing import NYU2023, content
from oversight.cli import michael2023_table
from oversight.errors import UsageError
from oversight.importers.import_run import ImportResult, import_transcripts
from oversight.importers.nyu2023_debates import Nyu2023Rooms
from oversight.importers.nyu2023_table import chi_square, platform_text, played, table
from oversight.reports.report import report
from oversight.store import Store, open_store

ARMS = ["human debate", "human consultancy", "AI debate", "AI consultancy"]


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, ImportResult]:
    folder = tmp_path_factory.mktemp("paper")
    done = import_transcripts(Nyu2023Rooms(), published("nyu2023"), folder)
    return open_store(folder), done


@pytest.fixture(scope="module")
def every(paper: tuple[Store, ImportResult]) -> tuple[Store, ImportResult]:
    """All rooms, in the store that holds the paper's already."""
    store, _ = paper
    return store, import_transcripts(Nyu2023Rooms(), published("nyu2023"), store.directory, everything=True)


@pytest.mark.long
def test_the_papers_counts(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    assert (done.read, done.left_out, done.unjudged, done.new) == (631, 218, 0, 413)
    rows = report(store, [done.run_id])
    assert [(row.arm, row.n_correct, row.n) for row in rows] == [
        ("human debate", 130, 154),
        ("human consultancy", 71, 96),
        ("AI debate", 68, 87),
        ("AI consultancy", 61, 76),
    ]
    assert all(row.n_asked == row.n and row.n_failed == row.n_pending == row.n_void == 0 for row in rows)
    assert all(row.imported and "includedInPaper" in row.imported and "413 of 631" in row.imported for row in rows)
    assert all(row.published == pytest.approx(row.accuracy, abs=0.005) for row in rows)


@pytest.mark.long
def test_honest_and_dishonest_consultants(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    rows = {tuple(row.group.values()): row for row in report(store, [done.run_id], by=["arm", "honest"])}
    counts = {key: (row.n_correct, row.n) for key, row in rows.items() if "consultancy" in key[0]}
    assert counts == {
        ("human consultancy", "consultant"): (42, 48),
        ("human consultancy", "none"): (29, 48),
        ("AI consultancy", "consultant"): (28, 38),
        ("AI consultancy", "none"): (33, 38),
    }
    for key in counts:
        assert rows[key].published == pytest.approx(rows[key].accuracy, abs=0.0051)


@pytest.mark.long
def test_the_one_tie_is_not_right(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    ties = store.arrow("SELECT arm, correct FROM results WHERE run_id = ? AND tie", [done.run_id]).to_pylist()
    assert ties == [{"arm": "human consultancy", "correct": False}]


@pytest.mark.long
def test_all_rooms(every: tuple[Store, ImportResult]) -> None:
    store, done = every
    assert (done.read, done.left_out, done.unjudged, done.new) == (631, 0, 114, 218)
    rows = report(store, [done.run_id])
    assert [(row.arm, row.n, round(100 * (row.accuracy or 0), 1)) for row in rows] == [
        ("human debate", 222, 86.9),
        ("human consultancy", 110, 70.9),
        ("AI debate", 91, 79.1),
        ("AI consultancy", 94, 79.8),
    ]
    assert all(row.published is None and row.n_failed == row.n_pending == 0 for row in rows)
    assert all(row.imported and "114 that have no verdict" in row.imported for row in rows)


@pytest.mark.long
def test_rooms_that_nobody_judged_are_stored_and_counted_nowhere(every: tuple[Store, ImportResult]) -> None:
    store, _ = every
    rows = store.arrow(
        """
        SELECT detail, (SELECT count(*) FROM messages m WHERE m.episode_id = e.episode_id) AS said, plan.run_id
        FROM episodes e LEFT JOIN plan USING (episode_id) WHERE failure = 'unjudged'
        """
    ).to_pylist()
    kinds = Counter(row["detail"].split(": ", 1)[1] for row in rows)
    assert kinds == {
        "was not begun when it was published": 29,
        "was in progress when it was published": 41,
        "ended by MutualAgreement and had no live judge": 43,
        "ended by TimeUp and had no live judge": 1,
    }
    assert all(row["run_id"] is None for row in rows)
    assert sum(row["said"] for row in rows) > 500


@pytest.mark.long
def test_judgements_after_the_fact(every: tuple[Store, ImportResult]) -> None:
    store, _ = every
    rows = store.arrow("SELECT * FROM judgements").to_pylist()
    assert Counter((row["kind"], row["status"], row["failure"]) for row in rows) == {
        ("human", "judged", None): 246,
        ("human", "failed", "unfinished"): 1,
    }
    assert Counter(json.loads(row["settings"])["mode"] for row in rows) == {"stepped": 198, "timed": 49}
    assert all(row["cost_usd"] is None and row["calls"] is None for row in rows)


@pytest.mark.long
def test_the_papers_table_from_the_stores_rows(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    rooms = played(store, done.run_id)
    rows = table(rooms)
    assert [row.arm for row in rows] == ARMS
    found = [
        (
            round(r.rounds, 2),
            round(r.rounds_sd, 2),
            round(r.quotes),
            round(r.bits, 3),
            round(r.score, 3),
            round(r.ece, 3),
        )
        for r in rows
    ]
    assert found == [
        (2.75, 1.13, 362, 0.086, -0.891, 0.108),
        (4.02, 2.43, 402, 0.007, -1.235, 0.173),
        (3.82, 2.58, 127, -0.002, -1.197, 0.161),
        (4.18, 3.81, 169, 0.011, -1.162, 0.167),
    ]
    # The last of the paper's four is 926: nothing in the release says why.
    assert [round(row.characters) for row in rows] == [1319, 1004, 1188, 929]
    assert [round(100 * row.redundant, 1) for row in rows] == [2.8, 1.5, 34.6, 26.4]
    assert chi_square(rows, ARMS[0], ARMS[1], corrected=False) == pytest.approx(0.0428, abs=5e-5)
    assert chi_square(rows, ARMS[0], ARMS[1], corrected=True) == pytest.approx(0.063, abs=5e-4)


@pytest.mark.long
def test_rounds_bits_and_scores_against_the_files_themselves(paper: tuple[Store, ImportResult]) -> None:
    """The same from the authors' files, by other code, room by room."""
    import math

    store, done = paper
    folder = published("nyu2023")
    raw: dict[str, tuple[int, float, float]] = {}
    for listed in map(json.loads, (folder / "debates-metadata.jsonl").read_text(encoding="utf-8").splitlines()):
        if not listed["includedInPaper"]:
            continue
        room = json.loads((folder / "debates/official" / f"{listed['name']}.json").read_text(encoding="utf-8"))
        gold = room["setup"]["correctAnswerIndex"]
        held = [r["JudgeFeedback"]["distribution"][gold] for r in room["rounds"] if "JudgeFeedback" in r]
        speeches = sum("Speeches" in next(iter(r)) for r in room["rounds"])
        reward = listed["status"]["Complete"]["result"]["judgingInfo"]["judgeReward"]
        raw[listed["name"]] = (speeches, math.log2(held[-1] / held[0]), reward)
    rooms = played(store, done.run_id)
    assert sorted(r.rounds for r in rooms) == sorted(r[0] for r in raw.values())
    assert sorted(r.bits for r in rooms) == pytest.approx(sorted(r[1] for r in raw.values()))
    assert sorted(r.score for r in rooms) == pytest.approx(sorted(r[2] for r in raw.values()))
    mine = [r.rounds for r in rooms if r.arm == "human debate"]
    assert (fmean(mine), pstdev(mine)) == pytest.approx((2.7468, 1.1256), abs=5e-5)


@pytest.mark.long
def test_quotes_stand_in_the_story_where_the_store_says(every: tuple[Store, ImportResult]) -> None:
    store, _ = every
    rows = store.arrow(
        """
        SELECT data::VARCHAR AS data, questions.material
        FROM annotations JOIN episodes USING (episode_id, attempt) JOIN questions USING (question_key)
        WHERE kind = 'quote'
        """
    ).to_pylist()
    quotes = [(json.loads(row["data"]), row["material"]) for row in rows]
    assert len(quotes) > 8000
    assert all(quote["verified"] for quote, _ in quotes)
    exact = sum(story[quote["source_start"] : quote["source_end"]] == quote["text"] for quote, story in quotes)
    assert exact / len(quotes) > 0.97  # the rest are of a few early rooms, whose story is spaced a little differently


@pytest.mark.long
def test_judges_did_not_see_the_story_and_debaters_did(paper: tuple[Store, ImportResult]) -> None:
    store, _ = paper
    seen = store.arrow("SELECT DISTINCT audience FROM messages WHERE kind = 'material'")["audience"].to_pylist()
    assert sorted(map(tuple, seen)) == [("consultant",), ("debater_a", "debater_b")]


@pytest.mark.long
def test_every_belief_of_a_judge_is_there(paper: tuple[Store, ImportResult]) -> None:
    store, _ = paper
    rows = store.arrow(
        """
        SELECT count(*) FILTER (final) AS final, count(*) FILTER (turn IS NULL) AS prior, count(DISTINCT seat) AS seats
        FROM beliefs
        """
    ).to_pylist()
    assert rows[0]["final"] >= 413
    assert rows[0]["prior"] >= 413
    assert rows[0]["seats"] == 1


@pytest.mark.long
def test_the_same_again_adds_nothing_and_says_so(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    before = content(store), store.arrow("SELECT count(*) AS n FROM run_events").to_pylist()
    again = here("import", NYU2023, published("nyu2023"), "--store", store.directory)
    assert again.code == 0
    assert f"Nothing new: run {done.run_id}" in again.out
    assert "Left out 218 by the filter: rooms that the paper counts (includedInPaper)." in again.out
    assert (content(store), store.arrow("SELECT count(*) AS n FROM run_events").to_pylist()) == before


@pytest.mark.long
def test_show_and_export(paper: tuple[Store, ImportResult]) -> None:
    store, done = paper
    rows = store.arrow("SELECT min(episode_id) AS id FROM plan WHERE arm = 'human debate'").to_pylist()
    shown = here("show", rows[0]["id"], "--store", store.directory)
    assert shown.code == 0
    assert "[verified]" in shown.out
    assert "argued by debater_a" in shown.out
    exported = here("export", done.run_id, "--format", "episodes", "--store", store.directory)
    assert (exported.code, len(exported.out.splitlines())) == (0, 413)


@pytest.mark.long
def test_one_command_prints_the_table(
    paper: tuple[Store, ImportResult], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["table", str(published("nyu2023")), "--store", str(paper[0].directory)])
    michael2023_table.main()
    printed = capsys.readouterr().out
    assert "p = 0.0428; with continuity correction p = 0.063" in printed
    assert "(includedInPaper): 413 of 631" in printed


@pytest.mark.long
def test_the_table_of_a_folder_that_is_none_is_refused_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["table", str(tmp_path), "--store", str(tmp_path / "store")])
    with pytest.raises(SystemExit, match=r"^error: .*debates-metadata\.jsonl: cannot be read"):
        michael2023_table.main()


@pytest.mark.long
def test_a_release_that_does_not_fit_is_refused_by_file_and_field(tmp_path: Path) -> None:
    source = published("nyu2023")
    (tmp_path / "debates" / "official").mkdir(parents=True)
    listed = [json.loads(one) for one in (source / "debates-metadata.jsonl").read_text(encoding="utf-8").splitlines()]
    entry = next(one for one in listed if one["includedInPaper"])
    room = tmp_path / "debates" / "official" / f"{entry['name']}.json"
    shutil.copy(source / "debates" / "official" / room.name, room)
    room.chmod(0o644)

    def said(**changes: object) -> str:
        (tmp_path / "debates-metadata.jsonl").write_text(json.dumps({**entry, **changes}), encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            import_transcripts(Nyu2023Rooms(), tmp_path, tmp_path / "store")
        assert not (tmp_path / "store").exists()
        return str(caught.value)

    assert "debates-metadata.jsonl:1: setting.isHuman: " in said(setting={"isDebate": True})
    status = json.loads(json.dumps(entry["status"]))
    status["Complete"]["result"]["judgingInfo"]["finalJudgement"] = [0.123, 0.877]
    assert f"{room}:1: rounds: the judge's last word" in said(status=status)
    room.unlink()
    assert f"{room}: cannot be read" in said()


@pytest.mark.long
@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("`` You 're late -- again . ''", '"You\'re late-again."'),
        ("-LRB- 5 % of $ 3 -RRB- ; no", "(5% of $3); no"),
        ("the girls ' school", "the girls' school"),
        ("' Now ' , she said", "'Now', she said"),
        ("", ""),
    ],
)
def test_tokens_as_the_platform_showed_them(tokens: str, text: str) -> None:
    assert platform_text(tokens.split()) == text
