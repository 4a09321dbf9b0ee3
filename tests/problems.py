"""Is every row of docs/provider-problems.md and docs/rules.md shown in this run? By tests that ran and passed; a problem's read bytes from a file or a socket.

    read      a table: a number, what is met, what the product does, the tests that show it
    Shown     a plugin of pytest: watches what each test opens, and ends a whole run as failed where a row is not shown

A run of chosen tests is not judged; that every name exists is tested by tests/test_provider_problems.py and tests/test_rules.py in any run.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "provider-problems.md"
RULES = ROOT / "docs" / "rules.md"
BYTES = "bytes from"
_CHOOSING = ("keyword", "markexpr", "lf", "failedfirst", "deselect", "ignore", "ignore_glob", "collectonly", "stepwise")
_OURS = (f"{ROOT / 'data'}{os.sep}", f"{ROOT / 'tests' / 'samples'}{os.sep}")


@dataclass(frozen=True)
class Problem:
    """One row. `tests` are node ids; one without parameters means all of them."""

    number: int
    met: str
    does: str
    tests: tuple[str, ...]


def read(table: Path) -> list[Problem]:
    """The rows that begin with a number (of a rule: R and a number); tests are what stands in backticks in the last cell."""
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if re.match(r"\| *R?\d+ *\|", line)]
    return [
        Problem(int(number.strip().removeprefix("R")), met.strip(), does.strip(), tuple(re.findall(r"`([^`]+)`", tests)))
        for number, met, does, tests in rows
    ]


# --- what a test opens -------------------------------------------------------------------------------------------------------------------------


@dataclass
class Opened:
    """What this process has opened since it was asked last: `file`, `socket`."""

    kinds: set[str] = field(default_factory=set)

    def taken(self) -> set[str]:
        kinds, self.kinds = self.kinds, set()
        return kinds

    def hear(self, event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            reads = "r" in mode if isinstance(mode, str) else (flags or 0) & os.O_ACCMODE == os.O_RDONLY
            if reads and isinstance(path, str | os.PathLike) and _is_data(os.fspath(path)):
                self.kinds.add("file")
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            self.kinds.add("socket")
        elif event == "subprocess.Popen" and any(
            isinstance(part, str) and _is_data(part) and os.path.isfile(part) for part in arguments[1]
        ):
            self.kinds.add("file")


def _is_data(path: str | bytes) -> bool:
    """A file that a test has written, or one of the samples; no source and no settings."""
    return isinstance(path, str) and (f"{os.sep}pytest-of-" in path or path.startswith(_OURS))


# --- the plugin --------------------------------------------------------------------------------------------------------------------------------


class Shown:
    """Registered in every process of a run: those that run tests say what each opened, the one that reports judges."""

    def __init__(self, table: Path, *, tests: Path, noun: str = "provider problem", needs_bytes: bool = True) -> None:
        self.table = table
        self.tests = tests
        self.noun = noun
        self.needs_bytes = needs_bytes
        self.outcomes: dict[str, str] = {}
        self.bytes: dict[str, str] = {}
        self.lacking: list[str] | None = None
        self._opened = Opened()
        self._by_module: defaultdict[str, set[str]] = defaultdict(set)

    def pytest_sessionstart(self) -> None:
        if self.needs_bytes:
            sys.addaudithook(self._opened.hear)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        """What a fixture of a module reads, all tests of the module have read."""
        self._opened.taken()
        try:
            return (yield)
        finally:
            self._by_module[item.nodeid.partition("::")[0]] |= self._opened.taken()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        try:
            return (yield)
        finally:
            kinds = self._opened.taken() | self._by_module[item.nodeid.partition("::")[0]]
            if self.needs_bytes:
                item.user_properties.append((BYTES, " ".join(sorted(kinds))))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped or report.when == "call":
            self.outcomes[report.nodeid] = "failed" if "failed" in (report.outcome, self.outcomes.get(report.nodeid)) else report.outcome
        self.bytes[report.nodeid] = dict(report.user_properties).get(BYTES, "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workerinput") or not self._is_whole(session.config):
            return
        self.lacking = self.not_shown()
        if self.lacking and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.lacking is None:
            return
        count = len(read(self.table))
        terminalreporter.write_line(f"{self.noun}s: {count}, {count - len(self.lacking)} shown")
        for sentence in self.lacking:
            terminalreporter.write_line(f"{self.noun} {sentence}", red=True)

    def not_shown(self) -> list[str]:
        """A sentence for each problem that this run has not shown."""
        return [
            f"{problem.number} is not shown: {', '.join(why)}"
            for problem in read(self.table)
            if (why := [said for test in problem.tests for said in self._lacks(test)] or ([] if problem.tests else ["no test is named"]))
        ]

    def _lacks(self, test: str) -> list[str]:
        ran = [node for node in self.outcomes if node == test or node.startswith(f"{test}[")]
        if not ran:
            return [f"{test} did not run"]
        if bad := [node for node in ran if self.outcomes[node] != "passed"]:
            return [f"{bad[0]} {self.outcomes[bad[0]]}"]
        read = not self.needs_bytes or any(self.bytes[node] for node in ran)
        return [] if read else [f"{test} read neither a file nor a socket"]

    def _is_whole(self, config: pytest.Config) -> bool:
        named = {(config.invocation_params.dir / argument).resolve() for argument in config.args}
        chosen: list[Any] = [getattr(config.option, option, None) for option in _CHOOSING]
        return named <= {self.tests, self.tests.parent} and not any(chosen)
