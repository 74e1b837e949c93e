"""Finding plugins: by name, by module, by file; and what is said when there is none."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from staging import stage

from oversight import Protocol, UsageError
from oversight.models.base import ChatModel
from oversight.plugins import find_plugin, installed, nearest
from oversight.prompting.templates import Templates
from oversight.tasks.task import Task
from oversight.testing.conformance import check_protocol

SOLO = '''
from oversight import Episode, Protocol, Verdict


class Solo(Protocol):
    """The judge decides alone."""

    name = "solo"
    roles = ("judge",)

    async def run(self, episode: Episode) -> Verdict:
        return await episode.seat("judge", brief="alone").decide()
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder: solo.py and its prompts."""
    (tmp_path / "solo.py").write_text(SOLO)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "alone.j2").write_text("You are all alone — é.", encoding="utf-8")
    return tmp_path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's installed package with a plugin in it."""
    (tmp_path / "my_oversight_package").mkdir()
    (tmp_path / "my_oversight_package" / "__init__.py").write_text(SOLO)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_oversight_package"
    sys.modules.pop("my_oversight_package", None)


def message(kind: type, reference: str, base: Path = Path()) -> str:
    with pytest.raises(UsageError) as caught:
        find_plugin(kind, reference, base).load(kind)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "meant"),
    [(Protocol, "debat", "debate"), (Protocol, "consultency", "consultancy"), (Task, "digit", "digits")],
)
def test_an_unknown_name_suggests_the_nearest(kind: type, name: str, meant: str) -> None:
    assert f"'{name}' - did you mean '{meant}'?" in message(kind, name)


def test_an_unknown_name_lists_what_is_installed() -> None:
    assert re.search(r"unknown protocol 'xyzzy'; installed: .*consultancy.*debate.*direct", message(Protocol, "xyzzy"))


def test_nothing_is_suggested_that_is_far_off() -> None:
    assert nearest("xyzzy", ["debate"]) == ""


@pytest.mark.parametrize("kind", [Protocol, Task, ChatModel])
def test_every_installed_plugin_loads(kind: type) -> None:
    assert all(issubclass(find_plugin(kind, name).load(kind), kind) for name in installed(kind))


def test_an_installed_plugin_comes_with_its_prompts() -> None:
    assert set(find_plugin(Protocol, "debate").prompts) == {"argue", "ask", "choose", "debater", "judge"}


def test_a_class_is_found_by_module(package: str) -> None:
    assert find_plugin(Protocol, f"{package}:Solo").load(Protocol).name == "solo"


def test_an_unknown_module_is_named() -> None:
    assert "no_such_module: cannot be imported" in message(Protocol, "no_such_module:Solo")


def test_a_module_inside_a_broken_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_broken_package").mkdir()
    (tmp_path / "my_broken_package" / "__init__.py").write_text("def broken(:\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "SyntaxError" in message(Protocol, "my_broken_package.solo:Solo")


def test_a_file_is_found_from_the_experiments_folder(folder: Path) -> None:
    assert find_plugin(Protocol, "./solo.py:Solo", folder).load(Protocol).name == "solo"


def test_a_file_brings_the_prompts_beside_it(folder: Path) -> None:
    assert find_plugin(Protocol, "./solo.py:Solo", folder).prompts == {"alone": "You are all alone — é."}


def test_a_protocol_from_a_file_can_be_checked(folder: Path) -> None:
    plugin = find_plugin(Protocol, "./solo.py:Solo", folder)
    check_protocol(plugin.load(Protocol)(), templates=Templates(plugin.prompts))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere.py") in message(Protocol, "./nowhere.py:Solo", tmp_path)


def test_a_wrong_class_name_suggests_the_nearest(folder: Path) -> None:
    assert "no protocol class 'Sole' - did you mean 'Solo'?" in message(Protocol, "./solo.py:Sole", folder)


def test_a_class_that_was_only_imported_is_not_suggested(folder: Path) -> None:
    assert "did you mean" not in message(Protocol, "./solo.py:Protocols", folder)


def test_a_class_of_another_kind_is_refused(folder: Path) -> None:
    assert "no task class 'Solo'" in message(Task, "./solo.py:Solo", folder)


def test_a_function_is_no_protocol(folder: Path) -> None:
    (folder / "solo.py").write_text("def Solo(): ...\n")
    assert "no protocol class 'Solo'" in message(Protocol, "./solo.py:Solo", folder)


def test_a_syntax_error_is_one_line_with_file_and_line(folder: Path) -> None:
    (folder / "solo.py").write_text("x = 1\ndef broken(:\n")
    assert re.search(
        r"solo\.py: cannot be imported: SyntaxError: .*line 2", message(Protocol, "./solo.py:Solo", folder)
    )


def test_an_error_of_several_lines_is_one_line(folder: Path) -> None:
    (folder / "solo.py").write_text("raise ValueError('one\\ntwo')\n")
    assert "ValueError" in message(Protocol, "./solo.py:Solo", folder)


def test_a_file_that_is_no_text_is_one_line(folder: Path) -> None:
    (folder / "solo.py").write_bytes(b"\xff\xfe\x00")
    assert "solo.py" in message(Protocol, "./solo.py:Solo", folder)


def test_a_file_that_cannot_be_imported_says_why_every_time(folder: Path) -> None:
    (folder / "solo.py").write_text("import nothing_like_this\n")
    assert message(Protocol, "./solo.py:Solo", folder) == message(Protocol, "./solo.py:Solo", folder)


def test_a_file_that_failed_loads_once_it_is_mended(folder: Path) -> None:
    (folder / "solo.py").write_text("import nothing_like_this\n")
    message(Protocol, "./solo.py:Solo", folder)
    (folder / "solo.py").write_text(SOLO)
    assert find_plugin(Protocol, "./solo.py:Solo", folder).load(Protocol).name == "solo"


def test_an_edited_file_is_loaded_anew(folder: Path) -> None:
    find_plugin(Protocol, "./solo.py:Solo", folder).load(Protocol)
    (folder / "solo.py").write_text(SOLO.replace('"solo"', '"edited"'))
    assert find_plugin(Protocol, "./solo.py:Solo", folder).load(Protocol).name == "edited"


def test_the_same_file_is_loaded_once(folder: Path) -> None:
    one, two = (find_plugin(Protocol, "./solo.py:Solo", folder).load(Protocol) for _ in range(2))
    assert one is two


def test_two_files_of_one_name_do_not_mix(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "solo.py").write_text(SOLO.replace('"solo"', '"other"'))
    found = [find_plugin(Protocol, f"./{place}:Solo", folder).load(Protocol) for place in ("solo.py", "other/solo.py")]
    assert [protocol.name for protocol in found] == ["solo", "other"]


@pytest.mark.parametrize("edited", ["solo.py", "prompts/alone.j2"])
def test_an_edit_to_code_or_prompts_changes_the_fingerprint(folder: Path, edited: str) -> None:
    before = find_plugin(Protocol, "./solo.py:Solo", folder).fingerprint
    path = folder / edited
    path.write_text(path.read_text(encoding="utf-8") + "\n# x\n", encoding="utf-8")
    assert find_plugin(Protocol, "./solo.py:Solo", folder).fingerprint != before


def test_the_fingerprint_does_not_depend_on_where_the_file_lies(folder: Path) -> None:
    before = find_plugin(Protocol, "./solo.py:Solo", folder).fingerprint
    moved = folder.rename(folder.with_name("moved"))
    assert find_plugin(Protocol, "./solo.py:Solo", moved).fingerprint == before


def test_a_file_plugin_runs_where_its_file_is_not(folder: Path) -> None:
    plugin = find_plugin(Protocol, "./solo.py:Solo", folder)
    carried = folder / "plugin.pickle"
    carried.write_bytes(pickle.dumps(plugin))
    for path in (folder / "solo.py", folder / "prompts" / "alone.j2"):
        path.unlink()
    script = (
        "import pickle, sys\n"
        "from oversight import Protocol\n"
        "from oversight.prompting.templates import Templates\n"
        "from oversight.testing.conformance import check_protocol\n"
        "plugin = pickle.load(open(sys.argv[1], 'rb'))\n"
        "check_protocol(plugin.load(Protocol)(), templates=Templates(plugin.prompts))\n"
        "print(plugin.prompts['alone'].isascii(), plugin.load(Protocol).name)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script, carried], capture_output=True, text=True, cwd="/", check=False)
    assert (ran.stdout, ran.stderr) == ("False solo\n", "")


def test_a_traceback_shows_the_line_of_a_plugin_whose_file_is_gone(folder: Path) -> None:
    (folder / "solo.py").write_text(SOLO.replace('return await episode.seat("judge", brief="alone").decide()', "1 / 0"))
    plugin = find_plugin(Protocol, "./solo.py:Solo", folder)
    (folder / "solo.py").unlink()
    with pytest.raises(ZeroDivisionError) as caught:
        plugin.load(Protocol)().run(stage()).send(None)  # type: ignore[attr-defined]
    assert "1 / 0" in "".join(traceback.format_exception(caught.value))
