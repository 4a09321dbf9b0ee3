"""Does the code keep to its own map? Who imports what, where SQL, floats, the environment and raw HTML may stand: read from every file's syntax.

`PARTS` is the table. `EXCEPTIONS` are today's departures from it, by file or part, each with its reason; one that no longer occurs fails the test, so it shrinks.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOUNS = (
    *("model", "errors", "lifecycle", "money", "frames", "arrays", "dates", "difference", "tolerance", "correction", "usage_invoice"),
    *("reconciliation", "charge_types", "preferences", "schedule", "access"),
)
COMPOSERS = ("app.py", "pages/frame.py", "w365core/cli.py", "w365core/printing.py", "w365core/__main__.py", "w365core/__init__.py")


@dataclass(frozen=True)
class Part:
    """What a part may import: of ours, and of third parties."""

    ours: tuple[str, ...]
    others: tuple[str, ...] = ()
    pure: bool = False  # no I/O, clock, environment or logging: only the harmless part of the standard library
    exact: bool = False  # money passes here: no float


_ABOVE = (
    "nouns",
    "settings",
    "providers",
    "intake",
    "rating",
    "billing",
    "reconcile",
    "diagnosis",
    "kernels",
    "messages",
    "store",
    "reports",
    "channels",
)
DOORS = (
    "queue",
    "naming",
    "deciding",
    "supplying",
    "tolerances",
    *("invoicing", "remaking"),
    "diagnosing",
    *("correcting", "big_files"),
    *("reviewing", "mending", "preferring", "rates", "contracts", "scheduling", "asking_again", "messaging"),
    *("permitting", "peopling"),
)  # of jobs: what pages may ask for, none of which loads a connector
PARTS = {
    "nouns": Part(("nouns",), ("polars",), pure=True, exact=True),
    "settings": Part(("nouns",)),
    "serving": Part(("nouns", "settings")),
    "providers": Part(("nouns",), ("requests", "msal", "cryptography")),
    "intake": Part(("nouns",), ("polars", "rapidfuzz"), pure=True, exact=True),
    "rating": Part(("nouns",), ("polars",), pure=True, exact=True),
    "billing": Part(("nouns",), ("polars",), pure=True, exact=True),
    "reconcile": Part(("nouns",), ("numpy", "pyarrow", "polars"), pure=True, exact=True),
    "diagnosis": Part(("nouns",), ("polars",), pure=True, exact=True),
    "messages": Part(("nouns",), ("jinja2",), pure=True, exact=True),
    "channels": Part(("nouns", "providers"), ("requests",)),
    "kernels": Part(("nouns", "intake", "rating", "reconcile"), ("polars", "pyarrow", "numpy", "msgspec", "isal"), pure=True, exact=True),
    "store": Part(("nouns",), ("sqlalchemy", "psycopg", "alembic", "polars"), exact=True),
    "reports": Part(("nouns", "messages", "store"), ("polars", "plotly", "xlsxwriter")),
    "jobs": Part(_ABOVE, ("procrastinate", "jinja2", "prometheus_client")),
    "sandbox": Part(("nouns",), ("starlette", "uvicorn")),
    "pages/components": Part(("nouns", "reports", *DOORS), ("streamlit",)),
    "pages/section": Part(("model", "errors", "pages/components"), ("streamlit",)),
}
HARMLESS = {
    *("__future__", "abc", "array", "bisect", "calendar", "collections", "csv", "dataclasses", "datetime", "decimal", "enum", "fractions"),
    *("functools", "hashlib", "heapq", "html", "io", "itertools", "operator", "re", "string", "types", "typing", "unicodedata"),
}
HANDED_A_CONNECTION = ("store", "reports", "jobs", "pages/components")
CONNECTION_TYPES = {"Connection", "Engine", "Row"}  # what is handed through; every other name of sqlalchemy builds or runs SQL
RAW_SQL = re.compile(r"\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\s+set\s|delete\s+from\s|copy\s+\w+.*\sfrom\s)", re.I | re.S)

_FILES = "the readers of files by hand give Arrow batches and take JSON apart without losing a digit"
_BUILDER = "builds a small statement over store.tables itself; to become a named function of store"
EXCEPTIONS = {
    ("w365core/frames.py", "pyarrow"): "the columns are declared once, and one declaration serves polars, Arrow and Postgres alike",
    ("w365core/arrays.py", "pyarrow"): "Arrow arrays out of Python values are made in one place",
    ("w365core/arrays.py", "numpy"): "makes the buffers that Arrow arrays are read from",
    ("w365core/intake/parse.py", "pyarrow"): "a batch comes in as Arrow; parsing is the kernel's first step",
    ("w365core/intake/parse.py", "msgspec"): "the exact and fastest JSON reader measured; the kernel's first step",
    ("w365core/providers/files.py", "w365core.intake.csv_text"): "one strict reading of CSV, for files by hand and for our records",
    ("w365core/providers/csv_batches.py", "w365core.intake.csv_text"): "the same: what is not plain goes to the strict reader",
    ("w365core/providers/csv_batches.py", "pyarrow"): _FILES,
    ("w365core/providers/files.py", "pyarrow"): _FILES,
    ("w365core/providers/files.py", "msgspec"): _FILES,
    ("w365core/providers/json_batches.py", "pyarrow"): _FILES,
    ("w365core/providers/json_batches.py", "numpy"): "finds the line ends of a block at once",
    ("w365core/providers/file_bytes.py", "isal"): "unzips a quarter faster than zlib, and checks what it unzips",
    ("w365core/providers/connections.py", "urllib3"): "total deadlines and checked addresses need the layer under requests",
    ("w365core/providers/http.py", "urllib3"): "its errors come through requests unwrapped",
    ("sandbox", "msgspec"): "the look-alikes read and print numbers to the last digit",
    ("w365core/store/copy_text.py", "pyarrow"): "COPY takes the kernel's Arrow batches as text, without an object per line",
    ("w365core/store/copy_text.py", "numpy"): "looks for what has to be escaped in all the text at once",
    ("w365core/reports/tables.py", "pyarrow"): "a page's cells in the form that the browser gets them",
    ("w365core/store/stage.py", "pyarrow"): "names the kernel's batches in its signatures",
    ("w365core/store/reconciliation_inputs.py", "pyarrow"): "reads what COPY gives as the kernel's tables, without an object per row",
    (
        "w365core/store/reconciliation_inputs.py",
        "numpy",
    ): "adds up the hashes of a subscription's rows, with the wrapping of machine integers",
    ("w365core/store/reconciliations.py", "pyarrow"): "writes the kernel's tables by COPY",
    ("store", "msgspec"): "documents of our own that land and come back: exact, and in one order of keys",
    ("w365core/store/migrations/versions/0002_jobs.py", "procrastinate"): "the queue's own schema, as its package has it",
    ("w365core/store/engine.py", "w365core.settings"): "the one place that turns settings into an engine",
    ("w365core/store/records.py", "w365core.intake.records"): "loads what intake.records read, in its own types",
    ("w365core/store/records.py", "w365core.intake.record_cells"): "loads what intake.records read, in its own types",
    ("w365core/store/embedded.py", "float"): "seconds of waiting, no money",
    ("w365core/store/embedded_account.py", "float"): "seconds of waiting, no money",
    ("w365core/store/embedded_account.py", "environment"): "PATH is handed on to the server's own process",
    ("w365core/jobs/up.py", "environment"): "whether there is a screen to open a browser on",
    ("w365core/jobs/rating.py", "pyarrow"): "names the kernel's batches in its signatures",
    ("w365core/jobs/excel_rows.py", "python_calamine"): "reads Excel workbooks of usage, in a process of its own",
    ("jobs", "msgspec"): "orders and the demo estate are JSON documents of our own, read to the last digit",
    ("w365core/reports/connection.py", "w365core.settings"): "opens the database for pages, which may not know settings",
    ("w365core/reports/connection.py", "sql"): "sets a read-only transaction and its time limit, and asks whether the database answers",
    ("w365core/jobs/configuring.py", "sql"): _BUILDER,
    ("w365core/jobs/context.py", "sql"): _BUILDER,
    ("w365core/jobs/demo.py", "sql"): _BUILDER,
    ("w365core/jobs/estimating.py", "sql"): _BUILDER,
    ("w365core/jobs/fetching.py", "sql"): _BUILDER,
    ("w365core/jobs/importing.py", "sql"): _BUILDER,
    ("w365core/jobs/rebuilding.py", "sql"): _BUILDER,
    ("w365core/jobs/runs.py", "sql"): _BUILDER,
    ("w365core/jobs/syncing.py", "sql"): _BUILDER,
}


@dataclass(frozen=True)
class Finding:
    """A departure from the map: the file, what it is (as `EXCEPTIONS` names it), where and in which words."""

    file: str
    what: str
    line: int
    sentence: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.sentence}"


def findings(root: Path) -> list[Finding]:
    """Everything in the product under `root` that the map does not allow."""
    paths = [*root.glob("app.py"), *root.glob("pages/**/*.py"), *root.glob("w365core/**/*.py")]
    return [finding for path in sorted(paths) for finding in _of_file(path, root)]


def part_of(file: str) -> str | None:
    """The part a file belongs to; None for those that compose and may import anything."""
    if file in COMPOSERS or file.startswith("w365core/commands/"):
        return None
    top, _, rest = file.removesuffix(".py").partition("/")
    first = rest.split("/")[0]
    if top == "pages":
        return "pages/components" if first == "components" else "pages/section"
    return "nouns" if first in NOUNS else first


def _of_file(path: Path, root: Path) -> Iterator[Finding]:
    file = path.relative_to(root).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"), file)
    name = part_of(file)
    if name is not None and name not in PARTS:
        yield Finding(file, "part", 1, f"{name} is no part of the map; give it a row in PARTS")
        return
    for node in ast.walk(tree):
        if name is not None:
            for module, line in _imports(node, root):
                yield from _import(file, name, PARTS[name], module, line)
            yield from _impure(file, PARTS[name], node)
        yield from _elsewhere(file, node)
        if name != "store":
            yield from _sql(file, node)


def _imports(node: ast.AST, root: Path) -> Iterator[tuple[str, int]]:
    """Imported modules by their full names; `from package import module` is the module."""
    if isinstance(node, ast.Import):
        yield from ((alias.name, node.lineno) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            inside = root.joinpath(*whole.split("."))
            yield (whole if inside.is_dir() or inside.with_suffix(".py").exists() else node.module or ".", node.lineno)


def _import(file: str, name: str, part: Part, module: str, line: int) -> Iterator[Finding]:
    top = module.split(".")[0]
    if module.startswith("."):
        yield Finding(file, module, line, "imports relatively; name the module in full")
    elif top in ("w365core", "pages"):
        whose = part_of(module.replace(".", "/") + ".py")
        allowed = {*part.ours, name} if name != "pages/section" else set(part.ours)
        if whose not in allowed and module.split(".")[-1] not in part.ours:
            yield Finding(file, module, line, f"{name} may not import {module}")
    elif top in sys.stdlib_module_names:
        if part.pure and top not in HARMLESS:
            yield Finding(file, top, line, f"{name} is pure and may not import {top}")
    elif top not in part.others and not (top == "sqlalchemy" and name in HANDED_A_CONNECTION):
        yield Finding(file, top, line, f"{name} may not import {top}")


def _impure(file: str, part: Part, node: ast.AST) -> Iterator[Finding]:
    """Floats where money passes; the clock and files where nothing but values may."""
    if part.exact and isinstance(node, ast.Constant) and isinstance(node.value, float):
        yield Finding(file, "float", node.lineno, f"a float literal, {node.value}, where money passes")
    if isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if part.exact and called in ("float", "read_sql", "to_sql", "read_sql_query", "read_database"):
            yield Finding(file, called, node.lineno, f"{called}() where money passes loses digits")
        if part.pure and called in ("open", "now", "today", "utcnow", "read_text", "read_bytes", "write_text", "print", "input"):
            yield Finding(file, called, node.lineno, f"{called}() in a pure part: bring the value in as an argument")


def _elsewhere(file: str, node: ast.AST) -> Iterator[Finding]:
    """What has one place only: the environment, caches, and no place at all: raw HTML."""
    named = {alias.name for alias in node.names} if isinstance(node, ast.ImportFrom) and node.module == "os" else set()
    attribute = node.attr if isinstance(node, ast.Attribute) else ""
    if file != "w365core/settings.py" and (attribute in ("environ", "getenv", "environb") or named & {"environ", "getenv"}):
        yield Finding(file, "environment", node.lineno, "reads the environment; only settings does")
    if attribute.startswith("cache_") and file != "pages/components/cached.py":
        yield Finding(file, "cache", node.lineno, f"uses {attribute}; caches stand in pages/components/cached.py")
    of_streamlit = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "st"
    if of_streamlit and attribute == "html":
        yield Finding(file, "html", node.lineno, "st.html prints raw HTML")
    if isinstance(node, ast.keyword) and node.arg == "unsafe_allow_html":
        yield Finding(file, "html", node.value.lineno, "unsafe_allow_html prints raw HTML")


def _sql(file: str, node: ast.AST) -> Iterator[Finding]:
    """Statements outside store: names of sqlalchemy beyond the types that are handed through, its tables, SQL as text."""
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sqlalchemy" and node.module != "sqlalchemy.exc":
        builders = sorted({alias.name for alias in node.names} - CONNECTION_TYPES)
        if builders:
            yield Finding(file, "sql", node.lineno, f"builds SQL outside store: imports {', '.join(builders)}")
    if isinstance(node, ast.Import) and any(alias.name.split(".")[0] in ("sqlalchemy", "psycopg") for alias in node.names):
        yield Finding(file, "sql", node.lineno, "builds SQL outside store: imports the whole library")
    if isinstance(node, ast.ImportFrom) and node.module == "w365core.store.tables":
        yield Finding(file, "sql", node.lineno, "builds SQL outside store: imports tables")
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and RAW_SQL.match(node.value):
        yield Finding(file, "sql", node.lineno, f"SQL as text outside store: {node.value.strip()[:40]!r}")


def excused_by(finding: Finding) -> tuple[str, str] | None:
    """The exception that covers a finding."""
    for named in (finding.file, part_of(finding.file)):
        if (named, finding.what) in EXCEPTIONS:
            return named, finding.what
    return None


# --- the tests ---------------------------------------------------------------------------------------------------------------------------


def test_the_code_keeps_to_its_map():
    found = [str(finding) for finding in findings(ROOT) if not excused_by(finding)]
    assert not found, "\n".join(found)


def test_every_exception_still_occurs_and_says_why():
    occurring = {excused_by(finding) for finding in findings(ROOT)}
    gone = sorted(key for key in EXCEPTIONS if key not in occurring)
    assert not gone, f"these exceptions are no longer needed; take them off the table: {gone}"
    assert all(len(reason) > 15 for reason in EXCEPTIONS.values())


PLANTED = [
    ("w365core/intake/parse.py", "import logging", "logging"),
    ("w365core/intake/parse.py", "import os", "os"),
    ("w365core/intake/parse.py", "from time import sleep", "time"),
    ("w365core/intake/parse.py", "import requests", "requests"),
    ("w365core/intake/parse.py", "from sqlalchemy import Connection", "sqlalchemy"),
    ("w365core/intake/parse.py", "from w365core.settings import Settings", "w365core.settings"),
    ("w365core/intake/parse.py", "from w365core.rating import summaries", "w365core.rating.summaries"),
    ("w365core/intake/parse.py", "from . import resolve", "."),
    ("w365core/intake/parse.py", "from datetime import datetime\nnow = datetime.now()", "now"),
    ("w365core/intake/parse.py", "rows = open('x')", "open"),
    ("w365core/rating/summaries.py", "from w365core.intake.resolve import resolve", "w365core.intake.resolve"),
    ("w365core/kernels/lines.py", "from w365core import store", "w365core.store"),
    ("w365core/money.py", "CENT = 0.01", "float"),
    ("w365core/money.py", "def f(x): return float(x)", "float"),
    ("w365core/money.py", "from w365core.intake import parse", "w365core.intake.parse"),
    ("w365core/store/ledger.py", "frame = pl.read_sql('x')", "read_sql"),
    ("w365core/store/ledger.py", "from w365core.jobs import rating", "w365core.jobs.rating"),
    ("w365core/providers/http.py", "from w365core.store import ledger", "w365core.store.ledger"),
    ("w365core/reports/status.py", "from w365core.jobs import rating", "w365core.jobs.rating"),
    ("w365core/reports/status.py", "import pandas", "pandas"),
    ("w365core/reports/status.py", "from sqlalchemy import text", "sql"),
    ("w365core/reports/status.py", "import sqlalchemy", "sql"),
    ("w365core/jobs/syncing.py", "from w365core.store.tables import account", "sql"),
    ("w365core/jobs/syncing.py", "sql = 'select name from account where x'", "sql"),
    ("w365core/jobs/syncing.py", "import os\nhome = os.environ['HOME']", "environment"),
    ("w365core/jobs/syncing.py", "from os import getenv", "environment"),
    ("w365core/cli.py", "import os\nhome = os.getenv('HOME')", "environment"),
    ("w365core/helpers/things.py", "x = 1", "part"),
    ("pages/invoices/status.py", "from w365core.reports import tables", "w365core.reports.tables"),
    ("pages/invoices/status.py", "import polars", "polars"),
    ("pages/invoices/status.py", "import streamlit as st\nst.html('<b>')", "html"),
    ("pages/invoices/status.py", "import streamlit as st\nst.cache_data(len)", "cache"),
    ("pages/components/tables.py", "import streamlit as st\nst.markdown('x', unsafe_allow_html=True)", "html"),
    ("pages/components/tables.py", "from w365core.store import queries", "w365core.store.queries"),
    ("pages/components/sync.py", "from w365core.jobs import syncing", "w365core.jobs.syncing"),
]
ALLOWED = [
    ("w365core/intake/parse.py", "from decimal import Decimal\nfrom w365core import money\nfrom w365core.model import Feed\nimport polars"),
    ("w365core/intake/parse.py", "from w365core.intake import resolve\nx = 1"),
    ("w365core/kernels/lines.py", "import pyarrow\nfrom w365core.intake.parse import parse\nfrom w365core.rating import summaries"),
    ("w365core/store/ledger.py", "from sqlalchemy import text\nq = text('select a from b where c')"),
    ("w365core/jobs/syncing.py", "from sqlalchemy import Connection\nfrom sqlalchemy.exc import OperationalError\nseconds = 0.5"),
    ("w365core/settings.py", "import os\nhome = os.environ"),
    ("pages/components/sync.py", "from w365core.jobs import queue"),
    ("pages/components/cached.py", "import streamlit as st\nst.cache_data(len)"),
    ("pages/invoices/status.py", "import streamlit as st\nfrom pages.components import tables\nfrom w365core.errors import W365Error"),
    ("w365core/cli.py", "import typer\nfrom w365core.jobs import syncing"),
]


@pytest.fixture
def planted(tmp_path: Path):
    """A small product with the given text in one file, and the modules that the samples name."""

    def plant(file: str, source: str) -> list[Finding]:
        for other in [
            *(file for file, *_ in PLANTED),
            "w365core/intake/resolve.py",
            "w365core/jobs/rating.py",
            "w365core/jobs/queue.py",
            "w365core/store/queries.py",
        ]:
            if "helpers" not in other:
                tmp_path.joinpath(other).parent.mkdir(parents=True, exist_ok=True)
                tmp_path.joinpath(other).touch()
        tmp_path.joinpath("w365core/reports/tables.py").touch()
        tmp_path.joinpath(file).parent.mkdir(parents=True, exist_ok=True)
        tmp_path.joinpath(file).write_text(source)
        return findings(tmp_path)

    return plant


@pytest.mark.parametrize(("file", "source", "what"), PLANTED, ids=lambda value: value.splitlines()[-1])
def test_a_planted_departure_is_found(planted, file, source, what):
    assert {(finding.file, finding.what) for finding in planted(file, source)} == {(file, what)}


@pytest.mark.parametrize(("file", "source"), ALLOWED, ids=lambda value: value.splitlines()[-1])
def test_what_the_map_allows_is_no_finding(planted, file, source):
    assert planted(file, source) == []
