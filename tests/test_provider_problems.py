"""Does the table of known problems name tests that there are, and does a run fail that does not show them?"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests import problems
from tests.problems import ROOT, TABLE, Problem

PROBLEMS = problems.read(TABLE)


def test_the_fifty_problems_stand_there_once_each():
    assert [problem.number for problem in PROBLEMS] == list(range(1, 51))
    assert len({problem.met for problem in PROBLEMS}) == 50


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: str(problem.number))
def test_a_problem_says_what_is_done_and_names_tests_that_there_are(problem: Problem):
    assert problem.met and problem.does.endswith(".") and problem.tests
    for test in problem.tests:
        path, _, name = test.partition("::")
        assert name.partition("[")[0] in functions(ROOT / path), f"{test} does not exist"


@cache
def functions(path: Path) -> set[str]:
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


# --- the judge itself ----------------------------------------------------------------------------------------------------------------------------

_CONFTEST = """
from pathlib import Path
from tests.problems import Shown

def pytest_configure(config):
    here = Path(__file__).parent
    config.pluginmanager.register(Shown(here / "table.md", tests=here), "problems")
"""
_TESTS = """
import socket, subprocess, sys
import pytest

@pytest.fixture(scope="module")
def listening():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()

def test_file(tmp_path):
    (tmp_path / "bytes").write_bytes(b"1")
    assert (tmp_path / "bytes").read_bytes() == b"1"

def test_socket(listening):
    socket.create_connection(listening).close()

def test_process(tmp_path):
    (tmp_path / "bytes").write_bytes(b"1")
    subprocess.run([sys.executable, "-c", "", str(tmp_path / "bytes")], check=True)

def test_memory(tmp_path):
    (tmp_path / "written").write_bytes(b"1")

@pytest.mark.parametrize("part", [1, 2])
def test_half_skipped(part, tmp_path):
    test_file(tmp_path)
    if part == 2:
        pytest.skip("not today")

@pytest.mark.skip
def test_skipped():
    pass
"""


def judged(folder: Path, rows: list[str], *arguments: str, tests: str = _TESTS) -> tuple[int, list[str]]:
    """The exit status of a run on this table, and what it says of problems."""
    (folder / "conftest.py").write_text(_CONFTEST)
    (folder / "test_tiny.py").write_text(tests)
    (folder / "table.md").write_text("".join(f"| {number} | met | Done. | {names} |\n" for number, names in enumerate(rows, start=1)))
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), *arguments],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": ""}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return run.returncode, re.findall(r"^provider problem.*$", run.stdout, re.MULTILINE)


SHOWN = ["`test_tiny.py::test_file`, `test_tiny.py::test_half_skipped[1]`", "`test_tiny.py::test_socket`", "`test_tiny.py::test_process`"]


@pytest.mark.parametrize("processes", [[], ["-n", "2"]], ids=["one process", "two processes"])
def test_a_whole_run_fails_where_a_problem_is_not_shown(tmp_path: Path, processes: list[str]):
    rows = [*SHOWN, *(f"`test_tiny.py::test_{name}`" for name in ("memory", "half_skipped", "skipped", "nowhere")), ""]
    status, said = judged(tmp_path, rows, *processes)
    assert status == 1
    assert said == [
        "provider problems: 8, 3 shown",
        "provider problem 4 is not shown: test_tiny.py::test_memory read neither a file nor a socket",
        "provider problem 5 is not shown: test_tiny.py::test_half_skipped[2] skipped",
        "provider problem 6 is not shown: test_tiny.py::test_skipped skipped",
        "provider problem 7 is not shown: test_tiny.py::test_nowhere did not run",
        "provider problem 8 is not shown: no test is named",
    ]


def test_a_whole_run_that_shows_all_of_them_passes(tmp_path: Path):
    assert judged(tmp_path, SHOWN) == (0, ["provider problems: 3, 3 shown"])


@pytest.mark.parametrize("chosen", [["-k", "file"], ["test_tiny.py::test_file"]], ids=["by a word", "by name"])
def test_a_run_of_chosen_tests_is_not_judged(tmp_path: Path, chosen: list[str]):
    assert judged(tmp_path, SHOWN, *chosen) == (0, [])


def test_a_test_that_fails_is_named(tmp_path: Path):
    status, said = judged(tmp_path, SHOWN[:1], tests=_TESTS + "    assert False\n\ndef test_broken(): assert False\n")
    assert (status, said) == (1, ["provider problems: 1, 1 shown"])
    status, said = judged(tmp_path, ["`test_tiny.py::test_broken`"], tests=_TESTS + "\ndef test_broken(): assert False\n")
    assert (status, said[1:]) == (1, ["provider problem 1 is not shown: test_tiny.py::test_broken failed"])
