"""Does a process of its own answer one call, take no more than it may, and never outlive who has started it?"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from w365core.errors import InputRefused
from w365core.jobs import apart
from w365core.jobs.apart import Apart, Ended
from w365core.model import Problem

LIGHT = "json"  # a module that is loaded at once


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen]]:
    """Those that were started."""
    known: list[subprocess.Popen] = []
    start = Apart._started

    def started(self: Apart) -> subprocess.Popen:
        known.append(start(self))
        return known[-1]

    monkeypatch.setattr(Apart, "_started", started)
    yield known
    for one in known:
        one.stdin.close(), one.stdout.close()
        one.wait(10)  # by the end of its input alone


def is_there(pid: int) -> bool:
    """A process that has ended and waits to be buried is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def refuse() -> None:
    raise InputRefused("The file is no file.", [Problem("f.csv", 2, "cost", "x", "a number")])


def test_each_call_has_a_process_of_its_own_and_a_spare_one_waits_for_the_next(processes: list) -> None:
    made = Apart(LIGHT)
    made.keep_warm(), made.keep_warm()
    (warm,) = processes
    assert made.call(os.getpid) == warm.pid != os.getpid() and warm.returncode == 0
    assert len(processes) == 2 and made.call(os.getpid) == processes[1].pid


def test_without_a_spare_one_and_for_two_at_once_cold_ones_are_started(processes: list) -> None:
    made = Apart(LIGHT)
    with ThreadPoolExecutor(2) as pool:
        found = set(pool.map(lambda _: made.call(os.getpid), range(2)))
    assert len(found) == 2 and found <= {one.pid for one in processes}


def test_nothing_is_said_on_its_command_line(processes: list) -> None:
    made = Apart(LIGHT)
    made.call(dict, url="postgresql://u:sesame@h/d")
    assert all("sesame" not in " ".join(one.args) for one in processes)


def test_what_is_raised_over_there_is_raised_here_and_what_nobody_foresaw_with_its_story() -> None:
    made = Apart(LIGHT)
    with pytest.raises(InputRefused, match="no file") as refused:
        made.call(refuse)
    assert [one.column for one in refused.value.problems] == ["cost"]
    with pytest.raises(RuntimeError, match="TypeError: .*'nonsense'"):
        made.call(int, nonsense=1)


def test_one_that_dies_or_takes_too_much_memory_has_ended(processes: list) -> None:
    made = Apart(LIGHT)
    for do, told in ((os.abort, {}), (bytearray, {"source": apart.MOST_BYTES_OF_MEMORY})):
        with pytest.raises(Ended):
            made.call(do, **told)
    says = "import resource as r; print(r.getrlimit(r.RLIMIT_AS), r.getrlimit(r.RLIMIT_CPU), r.getrlimit(r.RLIMIT_CORE))"
    said = made.call(subprocess.check_output, args=[sys.executable, "-c", says]).decode().split(") (")
    memory, seconds = apart.MOST_BYTES_OF_MEMORY, apart.MOST_SECONDS
    assert said == [f"({memory}, {memory}", f"{seconds}, {seconds}", "0, 0)\n"]


def test_one_that_nobody_calls_ends_and_is_replaced_when_it_is_wanted_again(processes: list) -> None:
    made = Apart(LIGHT, patience=0.1)
    made.keep_warm()
    assert processes[0].wait(10) == apart.NOBODY_CALLED
    made._command[-1] = "60"
    made.keep_warm()
    assert made.call(os.getpid) == processes[1].pid


def test_one_whose_patience_ends_while_it_is_called_is_no_failure(processes: list) -> None:
    made = Apart(LIGHT, patience=0.1)
    made.keep_warm()
    processes[0].wait(10)
    processes[0].poll = lambda: None  # it seemed to wait still
    made._command[-1] = "60"
    assert made.call(os.getpid) == processes[1].pid


@pytest.mark.parametrize("doing", ["made.keep_warm(); print(made._spare.pid, flush=True); signal.pause()", "made.call(tells)"])
def test_it_ends_when_who_has_started_it_is_killed_whether_it_waits_or_works(doing: str, tmp_path: Path) -> None:
    if not Path("/proc").is_dir():
        pytest.skip("processes are looked up in /proc")
    (tmp_path / "starting.py").write_text(
        "import signal, sys\nfrom w365core.jobs.apart import Apart\nfrom tests.jobs.test_apart import tells\n"
        f"made = Apart('tests.jobs.test_apart')\n{doing}\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    with subprocess.Popen(
        [sys.executable, tmp_path / "starting.py"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as parent:
        said = parent.stdout if "print" in doing else parent.stderr
        pid = int(said.readline())
        assert is_there(pid)
        parent.kill()
    deadline = time.monotonic() + 20
    while is_there(pid):
        assert time.monotonic() < deadline, "it was left behind"
        time.sleep(0.02)


def tells() -> None:
    """Says over there who it is, and goes on for long."""
    os.write(2, b"%d\n" % os.getpid())
    time.sleep(600)
