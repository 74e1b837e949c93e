"""The page Results: the numbers of the report, and what it says where there are none."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from judging import staging
from PIL import Image
from streamlit.testing.v1 import AppTest

import oversight
from dashboard.browsing import opened, said
from dashboard.chromium import Visitor, browsing, needs_chromium, serving
from dashboard.conftest import Kept, watch
from oversight.reports.process_report import process
from oversight.reports.rejudge_report import rejudged_by_people
from oversight.reports.report import report
from oversight.reports.verdicts import verdicts
from oversight.stats import calibration, compare
from oversight.store import RunRow, StoreWriter


def table(at: AppTest, place: int = 0) -> pd.DataFrame:
    found: pd.DataFrame = at.dataframe[place].value
    return found


def charts(at: AppTest) -> list[dict[str, Any]]:
    """The specifications of the charts."""
    return [json.loads(each.proto.spec) for each in at.get("arrow_vega_lite_chart") or at.get("vega_lite_chart")]


def test_the_table_has_the_numbers_of_the_report(kept: Kept) -> None:
    rows = report(oversight.open_store(kept.directory), [kept.quickstart])
    shown = table(opened("results", run=kept.quickstart)).set_index("arm")
    assert list(shown.index) == [row.arm for row in rows] == ["direct", "consultancy", "debate"]
    for row in rows:
        cells = shown.loc[row.arm]
        assert cells["accuracy [95 %]"] == f"{row.accuracy:.3f} [{row.low:.3f}, {row.high:.3f}]"
        assert (cells["n"], cells["calls"], cells["failed"]) == (row.n, row.calls, row.n_failed)
        assert [cells["Brier"], cells["log score"], cells["ECE"]] == [row.brier, row.log_score, row.ece]


def test_the_latest_run_is_shown_first_and_a_link_to_one_that_is_gone_says_so(kept: Kept) -> None:
    assert list(table(opened("results"))["arm"]) == ["spoken"]
    assert "no run of that name" in opened("results", run="gone").warning[0].value


def test_rows_and_units_are_those_that_the_address_asks_for(kept: Kept) -> None:
    store = oversight.open_store(kept.directory)
    shown = table(opened("results", run=kept.quickstart, by="protocol", unit="cluster"))
    rows = report(store, [kept.quickstart], by=["protocol"], unit="cluster")
    assert list(shown["n"]) == [row.n for row in rows]
    odd = table(opened("results", run=kept.quickstart, by="'; DROP TABLE runs; --"))
    assert list(odd["arm"]) == ["direct", "consultancy", "debate"]


def test_the_plot_marks_chance_the_baseline_and_its_own_method(kept: Kept) -> None:
    at = opened("results", run=kept.quickstart)
    spec = charts(at)[0]
    assert {"rule", "point", "text"} <= {layer["mark"]["type"] for layer in spec["layer"]}
    assert spec["usermeta"]["embedOptions"] == {"renderer": "svg"}
    note = said(at)
    assert "95 %" in note
    assert "wilson" in note
    assert "guessing" in note
    assert "judge alone" in note


def test_what_is_read_quickly_is_what_the_measures_read(kept: Kept) -> None:
    from oversight.dashboard import data

    opened("results", run=kept.quickstart)
    for run in (kept.quickstart, kept.talk, kept.tree):
        own, whole = (
            data.verdict_table(data.stamp(data.moment(), run)),
            verdicts(oversight.open_store(kept.directory), [run]),
        )
        same = ["arm", "question", "cluster", "episode", "p_gold", "confidence", "chosen", "correct", "tie", "counts"]
        pd.testing.assert_frame_equal(own[[*same, "honest", "void"]], whole[[*same, "honest", "void"]])


def test_two_arms_are_compared_on_the_questions_both_judged(kept: Kept) -> None:
    whole = verdicts(oversight.open_store(kept.directory), [kept.quickstart])
    arms = {str(arm): part for arm, part in whole.groupby("arm")}
    expected = compare.paired_difference(arms["debate"], arms["consultancy"])
    assert expected is not None
    at = opened("results", run=kept.quickstart, one="debate", other="consultancy")
    (row,) = table(at, 1).to_dict("records")
    assert row["difference [95 %]"] == expected[0].text("+.3f")
    assert (row["shared questions"], row["test"]) == (expected[0].n, expected[1].test)
    assert f"{expected[0].n} shared questions" in said(at)
    assert list(table(opened("results", run=kept.quickstart), 1)["arm"]) == ["consultancy", "debate"]


def test_honest_and_dishonest_are_the_reports_rows(kept: Kept) -> None:
    rows = report(oversight.open_store(kept.directory), [kept.quickstart], by=["arm", "honest"])
    wanted = {tuple(row.group.values()): (row.n, row.interval) for row in rows if row.arm != "direct"}
    shown = table(opened("results", run=kept.quickstart, view="sides"), 1)
    found = {(row["arm"], row["honest seat"]): (row["n"], row["interval"]) for row in shown.to_dict("records")}
    assert found == wanted


def test_calibration_has_a_panel_for_each_arm_and_names_its_bins(kept: Kept) -> None:
    whole = verdicts(oversight.open_store(kept.directory), [kept.quickstart])
    at = opened("results", run=kept.quickstart, view="calibration", bins="equal mass")
    panels = charts(at)[1]["concat"]
    assert [panel["title"]["text"] for panel in panels] == ["direct", "consultancy", "debate"]
    expected = calibration.ece(whole[whole["arm"] == "debate"], binning="equal mass")
    assert panels[2]["title"]["subtitle"].startswith(f"ECE {expected:.3f}")
    assert "as many verdicts" in said(at)
    one = charts(opened("results", run=kept.quickstart, view="calibration", arm="debate"))[1]
    assert len(one["concat"]) == 1


def test_beliefs_over_turns_are_the_judges_own(kept: Kept) -> None:
    from oversight.dashboard import data

    opened("results", run=kept.quickstart)
    for run in (kept.quickstart, kept.talk):
        whole = verdicts(oversight.open_store(kept.directory), [run])
        own = data.belief_table(data.stamp(data.moment(), run))
        expected = {
            (row["episode"], turn + pd.isna(row["prior"])): p
            for row in whole.to_dict("records")
            if row["beliefs"] and not row["void"]
            for turn, p in enumerate([*row["beliefs"], row["p_gold"]])
            if p is not None
        }
        assert expected == {(row["episode"], row["turn"]): row["p"] for row in own.to_dict("records")}
    assert own.shape[0] > 1


def test_a_run_without_beliefs_on_the_way_says_how_to_have_some(kept: Kept) -> None:
    assert "beliefs: true" in opened("results", run=kept.tree, view="turns").code[0].value


def test_cost_is_money_where_prices_are_known_and_else_tokens(kept: Kept) -> None:
    from oversight.dashboard.measured.cost_figure import use_of

    rows = report(oversight.open_store(kept.directory), [kept.quickstart])
    paid = use_of([row.model_copy(update={"cost_usd": 0.5, "n_pending": 1}) for row in rows])
    assert paid is not None
    assert (paid.axis, paid.of[0]) == ("US dollars an episode", 0.5 / (rows[0].n_asked - 1))
    assert use_of([row.model_copy(update={"prompt_tokens": 0, "completion_tokens": 0}) for row in rows]) is None
    at = opened("results", run=kept.quickstart, view="cost")
    assert "Tokens, because every price is zero" in said(at)


def test_steps_are_the_reports(kept: Kept) -> None:
    (row,) = process(oversight.open_store(kept.directory), [kept.steps])
    shown = table(opened("results", run=kept.steps, view="steps"), 1)
    assert row.step_accuracy is not None
    assert shown["labelled right [95 %]"].tolist() == [row.step_accuracy.text()]
    assert opened("results", run=kept.talk, view="steps").session_state["view-box"] == "difference"


def test_nobody_has_judged_yet_and_then_somebody_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging.lay_out(tmp_path, 4)
    watch(tmp_path, monkeypatch)
    before = opened("results", run=staging.RUN, view="people")
    assert "was judged again" in before.info[0].value
    session = staging.session(tmp_path)
    for p in (0.9, 0.2, 0.8):
        staging.judge_next(session, p, p)
    session.flush()
    (row,) = table(opened("results", run=staging.RUN, view="people"), 1).to_dict("records")
    (expected,) = rejudged_by_people(oversight.open_store(tmp_path), [staging.RUN])
    assert expected.mode == "stepped"
    assert (row["who"], row["n"], row["asked"]) == (expected.judge, expected.n, "after each turn")
    assert row["accuracy [95 %]"] == f"{expected.accuracy:.3f} [{expected.low:.3f}, {expected.high:.3f}]"
    assert (row["first judge's"], row["agree"]) == (expected.first_accuracy, expected.agreement)


def test_what_failed_is_told_by_class(kept: Kept) -> None:
    at = opened("results", run=kept.quickstart, view="lost")
    assert list(table(at, 1)["asked"]) == [3, 6, 6]
    assert "None failed." in said(at)


def test_a_run_without_a_plan_waits_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreWriter.open(tmp_path) as writer:
        writer.begin(RunRow("r", "new", {}, {}, 0, datetime.now(UTC), "0.1.0"))
    watch(tmp_path, monkeypatch)
    assert "planned no episode yet" in opened("results", run="r").info[0].value


@pytest.mark.long
@needs_chromium
def test_charts_are_saved_as_they_look_light_and_dark(kept: Kept) -> None:
    looks = (("light", "rgb(255, 255, 255)", ("accuracy", "difference")), ("dark", "rgb(20, 24, 29)", ("accuracy",)))
    with serving(kept.directory) as address, browsing(address) as visitor:
        for scheme, paper, names in looks:
            visitor.page.emulate_media(color_scheme=scheme)
            visitor.open(f"/results?run={kept.quickstart}&one=debate&other=direct")
            for name in names:
                visitor.page.locator(f".st-key-figure-{name} svg.marks").wait_for()
                svg, png, csv = (saved(visitor, name, way) for way in ("SVG", "PNG", "CSV"))
                assert paper in svg.decode()
                assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg"
                assert "debate" in svg.decode()
                assert png.startswith(b"\x89PNG")
                assert len(png) > 5_000  # more than an empty sheet
                assert inks_at_the_edge(png) == 1  # that of the paper: nothing is cut off
                assert "debate" in list(pd.read_csv(io.BytesIO(csv))["arm"])
        assert visitor.strangers == []


def saved(visitor: Visitor, name: str, way: str) -> bytes:
    with visitor.page.expect_download() as download:
        visitor.page.locator(f".st-key-figure-{name}").get_by_role("button", name=way, exact=True).click()
    assert download.value.suggested_filename == f"oversight-{name}.{way.lower()}"
    return Path(download.value.path()).read_bytes()


def inks_at_the_edge(png: bytes) -> int:
    """How many colours the outermost pixels of a picture have."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    wide, high = picture.size
    edges = [(0, 0, wide, 1), (0, high - 1, wide, high), (0, 0, 1, high), (wide - 1, 0, wide, high)]
    return len({colour for edge in edges for _, colour in picture.crop(edge).getcolors() or ()})
