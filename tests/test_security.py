"""Does the table of threats name each once, with a control and tests that there are? And the few controls that stand nowhere else."""

from __future__ import annotations

import ast
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.test_provider_problems import functions
from w365core.reports import audit_log
from w365core.reports.audit_log import Wanted
from w365core.store import people

ROOT = Path(__file__).resolve().parents[1]
THREATS = range(1, 17)


def rows() -> dict[int, tuple[str, str, tuple[str, ...]]]:
    """Threat, control and tests by number."""
    lines = (ROOT / "docs" / "security.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if re.match(r"\| T\d+ \|", line)]
    return {int(number[1:]): (threat, control, tuple(re.findall(r"`([^`]+)`", tests))) for number, threat, control, tests in cells}


def test_every_threat_stands_there_once_and_in_order() -> None:
    assert list(rows()) == list(THREATS)


@pytest.mark.parametrize("number", THREATS, ids=lambda number: f"T{number}")
def test_a_threat_has_a_control_and_names_tests_that_there_are(number: int) -> None:
    threat, control, tests = rows()[number]
    assert threat.endswith(".") and control.endswith(".") and tests
    for test in tests:
        path, _, name = test.partition("::")
        assert name in functions(ROOT / path), f"{test} does not exist"


def test_the_web_app_is_shipped_closed() -> None:
    shipped = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    wanted = {
        "server": {
            "address": "127.0.0.1",
            "enableCORS": True,
            "enableXsrfProtection": True,
            "enableStaticServing": False,
            "maxUploadSize": 200,
        },
        "browser": {"serverAddress": "127.0.0.1", "gatherUsageStats": False},
        "client": {"showErrorDetails": "none", "toolbarMode": "viewer", "disableDataExport": True},
    }
    assert {part: {name: shipped[part][name] for name in names} for part, names in wanted.items()} == wanted
    assert set(shipped["server"]["allowedHosts"]) == {"localhost", "127.0.0.1", "::1"}
    assert "cookieSecret" not in shipped["server"], "a secret has no place in a file that is shipped"


@pytest.mark.parametrize(("package", "least"), [("streamlit", (1, 54)), ("starlette", (1, 1)), ("authlib", (1, 6)), ("jinja2", (3, 1, 6))])
def test_no_package_is_below_the_version_that_mended_a_hole(package: str, least: tuple[int, ...]) -> None:
    assert tuple(int(part) for part in re.findall(r"\d+", version(package))[:3]) >= least
    line = next(one for one in (ROOT / "requirements.txt").read_text().splitlines() if one.lower().startswith(f"{package}>="))
    asked = tuple(int(part) for part in re.findall(r"\d+", line.partition(">=")[2].partition(",")[0]))
    assert asked >= least[: len(asked)]


@pytest.mark.parametrize("text", ["'; drop table person; --", '"; select 1', "%' or '1'='1", "\\", "%", "_", "$$", "\x00"[:0] + "a' || 'b"])
def test_text_of_a_person_is_never_sql(engine: Engine, text: str) -> None:
    with engine.connect() as connection:
        assert people.find(connection, text) == []
        assert people.role_of(connection, text) is None
        assert audit_log.load(connection, Wanted(actors=(text,), actions=(text,), kinds=(text,), target=text)).total == 0
        assert people.all_of_them(connection) == []


def test_what_is_cached_for_all_depends_on_nobody() -> None:
    """A cache is shared by all sessions: what it holds may not hang on who asked."""
    tree = ast.parse((ROOT / "pages" / "components" / "cached.py").read_text())
    cached = [
        one for one in tree.body if isinstance(one, ast.FunctionDef) and any("cache_" in ast.unparse(mark) for mark in one.decorator_list)
    ]
    assert {one.name for one in cached} >= {"unguarded", "customers"}
    assert not [one.name for one in cached if re.search(r"signed_in|session_state|st\.user", ast.unparse(one))]
