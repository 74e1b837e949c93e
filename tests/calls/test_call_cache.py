"""What was acknowledged stays, and is found again by whom it concerns."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from oversight.calls.call_cache import CALLS_FILE, CallCache, CallOutcome
from oversight.core.chat import CacheStatus, ChatReply
from oversight.errors import FailureClass, StoreError

from .making import a_call, bad, good, nothing

Who = tuple[str, int]


class Kept(NamedTuple):
    """A call as the journal must know it."""

    record: str
    who: Who
    said: str


class World:
    """Attempts at episodes that ask, are told and die, and what the journal owes each of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lives = 0
        self.journal = CallCache(self._home())
        self.kept: dict[str, list[Kept]] = defaultdict(list)
        self.useless: set[str] = set()
        self.had: dict[tuple[Who, str], int] = defaultdict(int)
        self.used: dict[tuple[Who, str], str] = {}
        self._texts = 0

    def _home(self) -> Path:
        path = self._folder / f"life{self._lives}"
        path.mkdir(exist_ok=True)
        return path

    def die(self) -> None:
        """What is on the disk now is all that the next process knows; the file was never closed."""
        before = self._home()
        self._lives += 1
        shutil.copytree(before, self._home(), dirs_exist_ok=True)
        self.journal.close()
        self.journal = CallCache(self._home())
        self.had.clear()
        self.used.clear()

    def mine(self, who: Who, key: str) -> list[Kept]:
        return [each for each in self.kept[key] if each.who == who]

    def usable(self, key: str, but: Who | None = None) -> list[Kept]:
        return [each for each in self.kept[key] if each.record not in self.useless and each.who != but]

    def asks(self, who: Who, key: str) -> bool:
        """Ask for the next outcome; check it if there is one, and say whether a call must be made."""
        if (who, key) in self.used:
            return False  # it has its reply and asks for something else
        number = self.had[who, key]
        found = self.journal.find(a_call(key, *who, number))
        mine, usable = self.mine(who, key), self.usable(key)
        if number < len(mine):
            due, origin = mine[number], CacheStatus.MISS
        elif usable and not mine:
            due, origin = usable[0], CacheStatus.RESUMED if usable[0].who[0] == who[0] else CacheStatus.SHARED
        else:
            assert found is None
            return True
        assert found is not None
        assert (found.reply.record, found.reply.text, found.reply.origin) == (due.record, due.said, origin)
        assert (found.failure is not None) == (due.record in self.useless)
        if due.who != who:
            assert found.failure is None, "somebody else's useless reply"
        self.had[who, key] += 1
        if found.failure is None:
            self.used[who, key] = due.record
        return False

    def answers(self, asked: list[Who], key: str, how: str) -> None:
        """Calls of several that were made at the same time end, in one batch."""
        made = []
        for who in asked:
            self._texts += 1
            text = f"reply {self._texts}"
            outcome = {"good": good(text), "failed": bad(text=text), "gone": nothing()}[how]
            made.append((a_call(key, *who, self.had[who, key]), outcome))
        replies = self.journal.keep("r1", made)
        for who, (call, outcome), reply in zip(asked, made, replies, strict=True):
            if outcome.reply is None:
                assert reply is None
                continue
            assert reply is not None
            first = self.usable(key, but=who)
            said = first[0].said if first and outcome.failure is None else outcome.reply.text
            assert (reply.text, reply.record) == (said, call.id)
            self.kept[key].append(Kept(call.id, who, said))
            self.had[who, key] += 1
            if outcome.failure is None:
                self.used[who, key] = call.id
            else:
                self.useless.add(call.id)

    def cannot_read(self, who: Who, key: str) -> None:
        if record := self.used.get((who, key)):
            self.journal.mark_unreadable(record, "it says neither A nor B: \ud83d\x00")
            self.useless.add(record)


WHO = st.tuples(st.sampled_from(["e1", "e2"]), st.integers(0, 1))
KEYS = st.sampled_from(["k1", "k2"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.lists(WHO, min_size=1, max_size=3, unique=True), KEYS, st.sampled_from(
            ["good", "failed", "gone", "die before", "die after"]
        )),
        st.tuples(st.just("unreadable"), st.lists(WHO, min_size=1, max_size=1), KEYS, st.just("")),
        st.tuples(st.just("die"), st.just([]), st.just(""), st.just("")),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(STEPS)
@example(
    [
        ("ask", [("e1", 0)], "k1", "failed"),
        ("ask", [("e2", 0)], "k1", "good"),
        ("ask", [("e1", 0)], "k1", "good"),
        ("unreadable", [("e2", 0)], "k1", ""),
        ("ask", [("e1", 1), ("e2", 1)], "k1", "die after"),
        ("ask", [("e1", 1), ("e2", 1)], "k1", "failed"),
    ]
)
def test_whatever_happens_each_attempt_meets_what_it_is_owed(steps: list[tuple[str, list[Who], str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for what, who, key, how in steps:
            if what == "die":
                world.die()
            elif what == "unreadable":
                world.cannot_read(who[0], key)
            elif how == "die before":
                _ = [world.asks(each, key) for each in who]
                world.die()
            else:
                asked = [each for each in who if world.asks(each, key)]
                world.answers(asked, key, "good" if how == "die after" else how)
                if how == "die after":
                    world.die()
        # Whoever starts anew now meets all that it was ever told, in order, and then its reply or nothing.
        world.die()
        for key, kept in list(world.kept.items()):
            for one in {each.who for each in kept}:
                for _ in world.mine(one, key):
                    assert not world.asks(one, key)
                    world.used.pop((one, key), None)
        world.journal.close()


def test_two_who_ask_at_the_same_time_use_the_reply_that_was_stored_first(tmp_path: Path) -> None:
    journal = CallCache(tmp_path)
    reply = ChatReply("first", choice_probs={"A": 0.25, "B": 0.75}, prompt_tokens=7, cost_usd=0.5)
    one, two, three = a_call(episode="e1"), a_call(episode="e2"), a_call(episode="e1", attempt=1)
    (first,) = journal.keep("r1", [(one, CallOutcome(reply))])
    second, third = journal.keep("r1", [(two, good("second", prompt_tokens=9)), (three, good("third"))])
    assert first == reply._replace(record=one.id)
    assert second is not None
    assert (second.text, second.choice_probs, second.prompt_tokens) == ("first", {"A": 0.25, "B": 0.75}, 9)
    assert third is not None
    assert third.text == "first"
    assert journal.spent_usd("r1") == 0.5 + 0.25 + 0.25  # all of them were paid for
    assert journal.spent_usd("r2") == 0
    journal.close()


def test_telling_twice_of_one_call_changes_nothing(tmp_path: Path) -> None:
    journal = CallCache(tmp_path)
    call = a_call()
    assert journal.keep("r1", [(call, good())]) == journal.keep("r1", [(call, good())])
    assert journal.spent_usd("r1") == 0.25
    assert journal.find(a_call(outcomes=1)) is None
    journal.close()


CHARACTERS = st.one_of(st.characters(), st.sampled_from("\x00\ud83d\udcffé\u202e\u2028😀\U0010ffff\ufeff"))
TEXTS = st.text(CHARACTERS, max_size=20)
COUNTS = st.integers(0, 2**60)
REPLIES = st.builds(
    ChatReply,
    text=TEXTS,
    finish_reason=TEXTS,
    choice_probs=st.none() | st.dictionaries(TEXTS, st.floats(0, 1), max_size=3),
    model=TEXTS,
    provider=TEXTS,
    prompt_tokens=COUNTS,
    completion_tokens=COUNTS,
    cached_tokens=COUNTS,
    cost_usd=st.none() | st.floats(0, 100) | st.just(float("nan")),
    latency_s=st.floats(0, 1e9),
)


@settings(max_examples=50, deadline=None)
@given(REPLIES, st.none() | st.sampled_from(FailureClass), TEXTS)
def test_every_field_survives(reply: ChatReply, failure: FailureClass | None, detail: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = CallCache(Path(folder))
        call = a_call()
        journal.keep("r1", [(call, CallOutcome(reply, failure, detail))])
        journal.close()
        again = CallCache(Path(folder), writable=False)
        found = again.find(a_call())
        again.close()
    assert found is not None
    assert repr(found.reply._replace(origin=reply.origin)) == repr(reply._replace(record=call.id))  # NaN is NaN
    assert (found.failure, found.detail) == (failure, detail.encode("utf-8", "replace").decode())


def test_a_replay_takes_what_can_be_used_first_and_what_failed_where_there_is_nothing_else(tmp_path: Path) -> None:
    journal = CallCache(tmp_path)
    journal.keep("r1", [(a_call("k1"), bad()), (a_call("k1"), good("yes"))])
    journal.keep("r1", [(a_call("k2"), bad(text="one")), (a_call("k2"), bad(text="two"))])
    journal.close()
    record = CallCache(tmp_path, writable=False)
    found = [record.find(a_call(key, "other", 3, number), anything=True) for key, number in
             [("k1", 0), ("k2", 0), ("k2", 1), ("k2", 2), ("k3", 0)]]  # fmt: skip
    assert [each and each.reply.text for each in found] == ["yes", "one", "two", None, None]
    assert [each.failure for each in found if each] == [None, FailureClass.TRUNCATED, FailureClass.TRUNCATED]
    record.close()


ENDLESS = """
import sys, pathlib
from calls.making import a_call, good
from oversight.calls.call_cache import CallCache
journal = CallCache(pathlib.Path(sys.argv[1]))
for number in range(10**9):
    journal.keep("r1", [(a_call(f"k{number}"), good("x" * 3000)), (a_call(f"k{number}", "other"), good("y"))])
    print(number, flush=True)
"""


def test_a_process_that_is_killed_loses_nothing_that_it_was_told_is_kept(tmp_path: Path) -> None:
    told = -1
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", ENDLESS, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )
        assert process.stdout is not None
        for _ in range(60):
            told = max(told, int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        told = max([told, *map(int, process.stdout.read().split())])
        process.wait()
        process.stdout.close()
        journal = CallCache(tmp_path)
        for number in range(told + 1):
            for episode in ("e", "other"):
                assert (found := journal.find(a_call(f"k{number}", episode)))
                assert (found.reply.origin, found.reply.text) == (CacheStatus.MISS, "x" * 3000)
        assert journal.find(a_call(f"k{told + 2}")) is None
        journal.close()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A journal with a call in it, in a store whose name would trip up a URI."""
    folder = tmp_path / "50% of? #1"
    folder.mkdir()
    journal = CallCache(folder)
    journal.keep("r1", [(a_call(), good())])
    journal.close()
    return folder


def complaint(folder: Path, *, writable: bool = True) -> str:
    """The one line in which a journal is refused."""
    with pytest.raises(StoreError) as refused:
        CallCache(folder, writable=writable, busy_s=0.1).find(a_call())
    message = str(refused.value)
    assert "\n" not in message
    assert str(folder / CALLS_FILE) in message
    return message


def test_a_newer_one_is_refused_and_left_as_it_was(stored: Path) -> None:
    with sqlite3.connect(stored / CALLS_FILE) as con:
        con.execute("PRAGMA user_version = 9")
    con.close()
    before = (stored / CALLS_FILE).read_bytes()
    for writable in (True, False):
        assert "newer release: upgrade oversight" in complaint(stored, writable=writable)
    assert (stored / CALLS_FILE).read_bytes() == before


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_no_database_is_refused(stored: Path, writable: bool) -> None:
    (stored / CALLS_FILE).write_text("not a database" * 100)
    assert "not a database" in complaint(stored, writable=writable)


@pytest.mark.parametrize("reply", ["{", "[]", '{"text": "x", "mood": "good"}', "{}"])
def test_a_row_that_cannot_be_understood_is_said_to_be_one(stored: Path, reply: str) -> None:
    with sqlite3.connect(stored / CALLS_FILE) as con:
        con.execute("UPDATE calls SET reply = ?", [reply])
    con.close()
    assert "cannot be read" in complaint(stored)


def test_one_that_another_process_holds_is_refused_in_time(stored: Path) -> None:
    journal = CallCache(stored, busy_s=0.1)
    other = sqlite3.connect(stored / CALLS_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"completed calls cannot be kept in .*locked"):
        journal.keep("r1", [(a_call("k2"), good())])
    assert journal.find(a_call()) is not None  # whoever reads need not wait
    other.execute("ROLLBACK")
    other.close()
    assert journal.keep("r1", [(a_call("k2"), good())]) != []  # and it is of use again
    journal.close()


def test_a_removed_one_is_not_written_to_unseen(stored: Path) -> None:
    journal = CallCache(stored)
    shutil.rmtree(stored)
    with pytest.raises(StoreError, match="removed"):
        journal.keep("r1", [(a_call("k2"), good())])
    journal.close()
    assert "unable to open" in complaint(stored)


def test_one_for_replays_is_not_made_and_may_be_named_from_here(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = stored / "empty"
    empty.mkdir()
    assert CallCache(empty, writable=False).find(a_call()) is None
    assert list(empty.iterdir()) == []
    monkeypatch.chdir(stored.parent)
    journal = CallCache(Path(stored.name), writable=False)
    assert journal.find(a_call()) is not None
    journal.close()


def test_it_can_be_read_from_another_thread_than_the_one_that_opened_it(stored: Path) -> None:
    """As a notebook's run is: it has an event loop of its own, in a thread of its own."""
    for writable in (True, False):
        journal = CallCache(stored, writable=writable)
        with ThreadPoolExecutor(1) as elsewhere:
            assert elsewhere.submit(journal.find, a_call()).result() is not None
        journal.close()


AS_NOBODY = """
import json, os, sys, pathlib
from calls.making import a_call
from oversight.calls.call_cache import CallCache
from oversight.errors import StoreError
os.setgid(65534); os.setuid(65534)
folder = pathlib.Path(sys.argv[1])
try:
    CallCache(folder)
    refused = ""
except StoreError as error:
    refused = str(error)
found = CallCache(folder, writable=False).find(a_call())
print(json.dumps([refused, found.reply.text]))
"""


@pytest.fixture
def readable() -> Iterator[Path]:
    """A folder that everybody may look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.mark.skipif(os.getuid() != 0, reason="needs to become somebody else")
def test_a_folder_in_which_nothing_may_be_written_can_be_replayed_and_no_more(readable: Path) -> None:
    journal = CallCache(readable)
    journal.keep("r1", [(a_call(), good("read by all"))])
    journal.close()
    for path in readable.iterdir():
        path.chmod(0o644)  # by default a store is its owner's alone
    done = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, readable],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    refused, text = json.loads(done.stdout)
    assert "completed calls cannot be kept in" in refused
    assert "\n" not in refused
    assert text == "read by all"
