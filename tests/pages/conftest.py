"""The frame of the pages on a database of its own, run by Streamlit's own test runner."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import Engine
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from pages.components import cached

# Each new test app reads what every installed package says of itself, a second's work; the packages stay the same.
manifest_scanner.scan_component_manifests = cache(manifest_scanner.scan_component_manifests)
FRAME = Path(__file__).resolve().parents[2] / "pages" / "frame.py"


@pytest.fixture
def frame(engine: Engine, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens the app at an address, given as query parameters."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.delenv("W365_NOW", raising=False)
    cached.engine.clear()
    cached.customers.clear()

    def open_at(**query: str) -> AppTest:
        app = AppTest.from_file(str(FRAME), default_timeout=90)
        for name, value in query.items():
            app.query_params[name] = value
        return app.run()

    return open_at


def page_at(frame: Callable[..., AppTest], page: str) -> Callable[..., AppTest]:
    """Opens a page by its own address; the frame's own page is run once before it."""

    def open_at(**query: str) -> AppTest:
        app = frame()
        for name, value in query.items():
            app.query_params[name] = value
        return app.switch_page(page).run()

    return open_at


def unmarked(app: AppTest) -> str:
    """What the page says, without the signs that keep names from being Markdown."""
    return said(app).replace("\\", "")


def said(app: AppTest) -> str:
    """Every sentence on the page and in the sidebar, in one text."""
    kinds = ("title", "subheader", "caption", "text", "markdown", "code")
    parts = [element.value for kind in kinds for element in app.get(kind)]
    parts += [f"{metric.label} {metric.value}" for metric in app.metric] + [button.label for button in app.button]
    return "\n".join(str(part) for part in parts)


@contextmanager
def renamed(database_url: str) -> Iterator[None]:
    """The database under another name for a while, so that nobody finds it; whoever is connected to it is sent away."""
    name = database_url.split("@/")[1].split("?")[0]
    server = database_url.replace("+psycopg", "").replace(f"@/{name}?", "@/postgres?")

    def rename(old: str, new: str) -> None:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s", (old,))
            connection.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(old), sql.Identifier(new)))

    rename(name, f"{name}_away")
    try:
        yield
    finally:
        rename(f"{name}_away", name)
