"""Readers and writers in processes of their own, on real files."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pytest
import samples
from conftest import Spawn

from oversight.errors import StoreError
from oversight.store import StoreWriter, open_store

pytestmark = pytest.mark.long

ITEM = samples.item(gold=1)
DATABASE = "oversight.duckdb"

# Writes an episode after another until it is killed, and says how many are durable.
ENDLESS_WRITER = """
import sys, itertools, pathlib, samples
from oversight.store import StoreWriter
item = samples.item(gold=1)
with StoreWriter.open(pathlib.Path(sys.argv[1])) as writer:
    writer.begin(samples.run())
    for n in itertools.count():
        spec = samples.spec(item, f"e{n}")
        writer.plan("r1", [(0, spec)], [("cats", item)])
        writer.write("r1", [(spec, samples.judged(spec, (0.3, 0.7)))])
        print(n + 1, flush=True)
"""

READER = """
import sys
from oversight.store import open_store
store, seen = open_store(sys.argv[1]), 0
print("ready", flush=True)
for _ in range(int(sys.argv[2])):
    row = store.arrow("SELECT (SELECT count(*) FROM episodes) e, (SELECT count(*) FROM messages) m").to_pylist()[0]
    assert row["m"] == 10 * row["e"], row   # an episode is there whole or not at all
    assert row["e"] >= seen, row
    seen = row["e"]
print(seen)
"""

HOLD = """
import sys, pathlib
from oversight.store import StoreWriter
with StoreWriter.open(pathlib.Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.readline()
"""


def say(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def write(writer: StoreWriter, number: int) -> None:
    spec = samples.spec(ITEM, f"e{number}")
    writer.plan("r1", [(0, spec)], [("cats", ITEM)])
    writer.write("r1", [(spec, samples.judged(spec, (0.3, 0.7)))])


def test_two_hundred_reads_while_writers_come_and_go(tmp_path: Path, spawn: Spawn) -> None:
    with StoreWriter.open(tmp_path) as writer:
        write(writer, 0)
    reader = spawn(READER, tmp_path, 200)
    assert say(reader) == "ready"
    number = 1
    while reader.poll() is None:
        # Half the time the file is free, and both hand-overs happen again and again.
        with StoreWriter.open(tmp_path) as writer:
            for _ in range(5):
                write(writer, number)
                number += 1
        time.sleep(0.02)
    out, err = reader.communicate()
    assert (reader.returncode, err) == (0, "")
    assert 1 <= int(out) <= number


def test_a_killed_writer_loses_nothing_it_reported(tmp_path: Path, spawn: Spawn) -> None:
    durable = 0
    for _ in range(2):
        writer = spawn(ENDLESS_WRITER, tmp_path)
        written = 0
        while written < durable + 12:
            written = int(say(writer))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        durable = max(durable, written)

        store = open_store(tmp_path)  # the socket it left leads nowhere
        assert (tmp_path / "oversight.sock").exists()
        assert store.sql("SELECT count(*) AS n FROM results WHERE correct")["n"][0] >= durable
        spec = samples.spec(ITEM, "e0")
        assert store.transcript("e0").outcome == samples.judged(spec, (0.3, 0.7))
    with StoreWriter.open(tmp_path) as again:
        assert len(again.judged([f"e{n}" for n in range(durable)])) == durable
        assert len(open_store(tmp_path).sql("SELECT * FROM episodes")) >= durable
    with duckdb.connect(tmp_path / DATABASE) as plain:
        plain.sql("SELECT * FROM accuracy").fetchall()
        plain.execute("CREATE TABLE mine (x INTEGER)")


def test_a_second_writer_is_told_who_holds_the_store(tmp_path: Path, spawn: Spawn) -> None:
    holder = spawn(HOLD, tmp_path)
    assert say(holder) == "open"
    with pytest.raises(StoreError) as refusal:
        StoreWriter.open(tmp_path)
    message = str(refusal.value)
    assert str(tmp_path) in message
    assert f"process {holder.pid}" in message
    assert "\n" not in message
    assert open_store(tmp_path).sql("SELECT 1 AS one")["one"][0] == 1

    holder.communicate("\n")
    with StoreWriter.open(tmp_path), pytest.raises(StoreError, match="already open in this process"):
        StoreWriter.open(tmp_path)


def test_a_writer_waits_for_a_reader_of_the_file(tmp_path: Path, spawn: Spawn) -> None:
    StoreWriter.open(tmp_path).close()
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); input()"
    reader = spawn(hold, tmp_path / DATABASE)
    assert say(reader) == "open"
    timer = threading.Timer(0.3, reader.kill)
    timer.start()
    with StoreWriter.open(tmp_path):
        assert reader.wait() == -signal.SIGKILL
    timer.join()


@pytest.mark.parametrize("orderly", [True, False], ids=["closed", "left open"])
def test_a_writer_leaves_the_terminal_clean(tmp_path: Path, orderly: bool) -> None:
    script = """
import sys, pathlib
from oversight.store import StoreWriter, open_store
writer = StoreWriter.open(pathlib.Path(sys.argv[1]))
print(open_store(sys.argv[1]).sql("SELECT 42 AS x")["x"][0])
if sys.argv[2] == "True":
    writer.close()
    writer.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(orderly)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "42\n", "")


def test_closing_does_not_wait_for_a_slow_query_or_a_silent_client(tmp_path: Path) -> None:
    writer = StoreWriter.open(tmp_path)
    silent = socket.socket(socket.AF_UNIX)
    silent.connect(str(tmp_path / "oversight.sock"))
    slow = socket.socket(socket.AF_UNIX)
    slow.connect(str(tmp_path / "oversight.sock"))
    slow.sendall(b'["SELECT count(*) FROM range(100000000000) t(a) WHERE hash(a) = 1", []]\n')
    time.sleep(0.3)
    start = time.monotonic()
    writer.close()
    assert time.monotonic() - start < 3
    assert slow.recv(1) == b""
    slow.close()
    silent.close()


def test_only_the_owner_may_use_the_socket_and_a_long_path_has_one_too(tmp_path: Path, spawn: Spawn) -> None:
    deep = tmp_path / ("d" * 100)
    holder = spawn(HOLD, deep)
    assert say(holder) == "open"
    entry = deep / "oversight.sock"
    target = Path(os.readlink(entry))
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert stat.S_IMODE(target.parent.stat().st_mode) == 0o700
    assert open_store(deep).sql("SELECT 1 AS one")["one"][0] == 1
    holder.communicate("\n")
    assert not entry.is_symlink()
    assert not target.parent.exists()
    assert open_store(deep).sql("SELECT 1 AS one")["one"][0] == 1
    with StoreWriter.open(tmp_path):
        assert stat.S_IMODE((tmp_path / "oversight.sock").stat().st_mode) == 0o600
