"""What the tests stand on: a real Postgres, one schema as a template, a database of its own for each test that asks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests import compiled, forked, postgres, problems
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store import schema
from w365core.store.engine import pooled

ROOT = Path(__file__).resolve().parents[1]
NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)


@pytest.fixture(scope="session")
def template() -> Iterator[str]:
    """The name of a database that has the schema and nothing else."""
    with postgres.fresh_database() as url:
        engine = pooled(url)
        schema.upgrade(engine)
        engine.dispose()
        yield engine.url.database


@pytest.fixture
def database_url(template: str) -> Iterator[str]:
    """A database of one's own, with the schema."""
    with postgres.used_database(template) as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = pooled(database_url)
    yield made
    made.dispose()


@pytest.fixture
def context(engine: Engine, database_url: str, tmp_path: Path) -> Context:
    """What a job is handed, on a database and a home of its own."""
    settings = Settings(home=tmp_path / "home", database_url=database_url, http_timeout=5, http_tries=2, poll=0.02)
    return Context(settings, engine, NOW, "tester", lambda sentence: None)


@dataclass
class Command:
    """A command of ours in a process of its own, on a database and a home of its own: forked from one that is loaded, or started as a person does it."""

    environment: dict[str, str] = field(default_factory=dict)
    forks: bool = True

    def __call__(self, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        given, told = [str(argument) for argument in arguments], {**self.environment, **environment}
        if not self.forks:
            program = [sys.executable, "-m", "w365core", *given]
            return subprocess.run(program, cwd=ROOT, env=told, capture_output=True, text=True, timeout=300, check=False)
        with tempfile.TemporaryDirectory(prefix="w365-said-") as folder:
            code = forked.shared().run(Path(folder), told, *given)
            said, errors = ((Path(folder) / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(given, code, said, errors)


@pytest.fixture
def w365(database_url: str, tmp_path: Path) -> Command:
    """The command line, on a fresh database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    told = {"DATABASE_URL": database_url, "W365_HOME": str(tmp_path / "home"), "W365_POLL": "0.02", "W365_HTTP_TIMEOUT": "5"}
    return Command({**kept, **told, "W365_NOW": NOW.isoformat()})


_TOLD = {"kill harness": pytest.StashKey[list[str]](), "truth": pytest.StashKey[list[str]]()}


@pytest.fixture(scope="session")
def harness_said(pytestconfig: pytest.Config) -> list[str]:
    """Sentences that stand under the summary of the run, such as how often an import was killed."""
    return pytestconfig.stash.setdefault(_TOLD["kill harness"], [])


@pytest.fixture(scope="session")
def truth_said(pytestconfig: pytest.Config) -> list[str]:
    """Sentences that stand under the summary of the run: how often each verdict, charge type and trap was met."""
    return pytestconfig.stash.setdefault(_TOLD["truth"], [])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs a part of the tests hands its sentences to the one that prints."""
    if hasattr(session.config, "workeroutput"):
        for speaker, key in _TOLD.items():
            session.config.workeroutput[f"{speaker} said"] = session.config.stash.get(key, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node) -> None:
    for speaker, key in _TOLD.items():
        node.config.stash.setdefault(key, []).extend(getattr(node, "workeroutput", {}).get(f"{speaker} said", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for speaker, key in _TOLD.items():
        for sentence in config.stash.get(key, []):
            terminalreporter.write_line(f"{speaker}: {sentence}")
    matrix = {outcome: _of_the_matrix(terminalreporter, outcome) for outcome in ("passed", "failed", "error", "skipped")}
    if tried := sum(matrix.values()):
        terminalreporter.write_line(f"fault matrix: {tried} faults, {matrix['passed']} as promised")


def _of_the_matrix(reporter: pytest.TerminalReporter, outcome: str) -> int:
    return sum("test_fault_matrix.py::" in report.nodeid for report in reporter.stats.get(outcome, []))


def pytest_configure(config: pytest.Config) -> None:
    compiled.share()
    config.pluginmanager.register(problems.Shown(problems.TABLE, tests=ROOT / "tests"), "provider problems")
    config.pluginmanager.register(
        problems.Shown(problems.RULES, tests=ROOT / "tests", noun="import rule", needs_bytes=False), "import rules"
    )


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file into the test's folder."""

    def write(name: str, content: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return write
