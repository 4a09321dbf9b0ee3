"""Is a secret to be found anywhere? Everything said, stored, landed and shown by two providers that misbehave, with all logs on, searched for all of them.

Secrets that we give are searched for as they are; those that the sandbox makes up, by what they look like, which is tried on real ones first.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from sqlalchemy import text
from streamlit.testing.v1 import AppTest

from pages.components import cached
from tests import estates, postgres, streamones
from tests.conftest import NOW, ROOT
from tests.estates import Estate
from tests.streamones import Account
from w365core.settings import KEY_FILE
from w365core.store.engine import pooled

WRONG = "planted-wrong-secret-Hk27"
_KEY_SECRET = streamones.KEY.partition(":")[2]
GIVEN = (
    estates.SECRET, WRONG, _KEY_SECRET, streamones.REFRESH,
    *(base64.b64encode(key.encode()).decode().rstrip("=") for key in (streamones.KEY, f"key-41:{WRONG}")),
)  # fmt: skip
LOOKS = {
    "a token of Microsoft": re.compile(r"(?:graph|partner-center|person|refresh)\.[0-9]{10}\.[0-9a-f]{64}"),
    "a token of StreamOne": re.compile(r"\b[ra]t-[A-Za-z0-9_-]{32}\b"),
    "a signature of a blob": re.compile(r"sig=[A-Za-z0-9%+/]{20,}"),
    "a signature of a file": re.compile(r"X-Amz-Signature=[0-9a-f]{64}"),
}
NUMBERS = ("G1", "4410")
FAULTS = {
    "csp": (
        "refused-secret@token", "500@token", "reset@token", "hang@token", "empty-401@invoices", "empty-401@export", "redirect@operation",
        "reset@operation", "expired-sas@manifest", "expired-sas@blob", "reset@blob", "redirect@blob", "500@blob", "truncated@blob", "missing-blob",
    ),
    streamones.NAME: (
        "empty-401@streamone", "reset@streamone", "redirect@streamone", "expired-url@detailed", "reset@detailed", "empty-401@detailed",
        "redirect@file", "reset@file", "500@file", "throttle:99999@file", "truncated@file", "missing-blob@file",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Ran:
    """What the commands left: their output, the database and the home."""

    output: str
    database_url: str
    home: Path
    sandbox: str


def commands(url: str, records: list[Path], folder: Path) -> list[tuple[list[str], list[str]]]:
    """Faults, and the command under them: both providers set up, failing in every place that has a secret, then fine."""
    microsoft = ["--api-url", url, "--graph-url", url, "--login-url", url, "--tenant-id", estates.TENANT, "--client-id", "app"]
    calm = [
        ["provider", "add", "csp", "--type", "partner_center", *microsoft],
        ["provider", "add", streamones.NAME, "--type", "streamone", "--account-id", streamones.ACCOUNT, "--api-url", url],
        *(["load", str(one)] for one in records),
        ["provider", "sign-in", "csp"],
    ]
    failing = [([fault], ["sync", "--provider", provider]) for provider, faults in FAULTS.items() for fault in faults]
    fine = [
        ["sync"], ["sync-accounts", "--provider", "csp"], ["sync-accounts", "--provider", streamones.NAME], ["provider", "list"],
        ["provider", "test", "csp"], ["provider", "test", streamones.NAME], ["pdf", "--invoice", "G1", "--out", str(folder / "g1.pdf")],
        ["invoices", "--json"], *(["lines", "--json", "--invoice", number] for number in NUMBERS), ["missing-references", "--json"],
    ]  # fmt: skip
    refused = [
        (["refused-secret@token"], ["sync-accounts", "--provider", streamones.NAME]),
        (["refused-secret@token"], ["provider", "test", "csp"]),
    ]
    return [*(([], command) for command in calm), *failing, *refused, *(([], command) for command in fine)]


@pytest.fixture(scope="module")
def ran(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """Each command once with the right secrets, and a sync with wrong ones at the end."""
    folder = tmp_path_factory.mktemp("secrets")
    estate, account = Estate(folder / "estate", client_secret=estates.SECRET), Account(folder / "estate")
    said = json.loads((account.folder / "estate.json").read_text())
    (account.folder / "estate.json").write_text(json.dumps(said | {"tenant_id": estates.TENANT, "client_secret": estates.SECRET}))
    estates.two_invoices_worth(estate, "G1")
    account.invoice("4410", {"detail.csv": streamones.PLAIN})
    records = [estate.records(folder / "records"), streamones.records(folder / "theirs")]
    with estates.serve(estate) as served, postgres.used_database(template) as database_url:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
        environment = {
            **kept, **streamones.ENVIRONMENT, "W365_SECRET_CSP": estates.SECRET, "DATABASE_URL": database_url, "W365_NOW": NOW.isoformat(),
            "W365_HOME": str(folder / "home"), "W365_POLL": "0.02", "W365_HTTP_TIMEOUT": "0.4", "W365_HTTP_TRIES": "1",
        }  # fmt: skip
        wrong = {"W365_SECRET_CSP": WRONG, "W365_SECRET_ION_EU": f"key-41:{WRONG}"}
        output = told({**environment}, served.url, commands(served.url, records, folder))
        output += told({**environment, **wrong}, served.url, [([], ["sync"]), ([], ["provider", "test", "csp"])])
        yield Ran(output, database_url, folder / "home", served.url)


def told(environment: dict[str, str], sandbox: str, asked: list) -> str:
    process = subprocess.run(
        [sys.executable, "-m", "tests.jobs.commanded", sandbox],
        input=json.dumps(asked), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr[-2000:]
    return process.stdout + process.stderr


def found(written: str) -> list[str]:
    """What of a secret stands in a text, with what stands around it."""
    given = [re.compile(re.escape(spelled)) for secret in GIVEN for spelled in {secret, quote(secret, safe="")}]
    hits = [match for pattern in (*given, *LOOKS.values()) for match in pattern.finditer(written)]
    return [written[max(0, hit.start() - 80) : hit.end() + 20] for hit in hits]


# --- the search would find them ----------------------------------------------------------------------------------------------------------------


def test_what_the_sandbox_makes_up_looks_as_it_is_searched_for(ran: Ran) -> None:
    def answered(method: str, path: str, **more) -> requests.Response:
        return requests.request(method, path if path.startswith("http") else ran.sandbox + path, timeout=10, **more)

    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": estates.SECRET}
    tokens = [
        answered("POST", f"/{estates.TENANT}/oauth2/v2.0/token", data=form | {"scope": f"https://{host}/.default"}).json()["access_token"]
        for host in ("graph.microsoft.com", "api.partnercenter.microsoft.com")
    ]
    bearer = {"Authorization": f"Bearer {tokens[0]}"}
    operation = answered("POST", "/v1.0/reports/partners/billing/reconciliation/billed/export", json={"invoiceId": "G1"}, headers=bearer)
    state = [answered("GET", operation.headers["Location"], headers=bearer).json() for _ in range(2)][1]
    link = state.get("resourceLocation@odata.navigationLink")
    manifest = answered("GET", link, headers=bearer).json() if link else state["resourceLocation"]
    files = answered("GET", "/api/v1/invoices/4410/detailed", auth=tuple(streamones.KEY.split(":"))).text
    seen = [*tokens, f"sig={manifest['sasToken'].partition('sig=')[2]}", files]
    patterns = [LOOKS[name] for name in ("a token of Microsoft", "a token of Microsoft", "a signature of a blob", "a signature of a file")]
    assert all(pattern.search(one) for pattern, one in zip(patterns, seen, strict=True))
    assert all(found(f"before {secret} after") for secret in (*GIVEN, *seen))


# --- where it was looked for -------------------------------------------------------------------------------------------------------------------


def test_nothing_secret_is_said_or_logged(ran: Ran) -> None:
    codes = re.findall(r"^exit (\S+)$", ran.output, re.MULTILINE)
    failed = sum(map(len, FAULTS.values()))
    assert codes.count("3") >= failed and set(codes) <= {"0", "1", "3"}, codes
    assert "/blobs/G1/" in ran.output and "/ion-files/4410/" in ran.output and "DEBUG:urllib3" in ran.output  # all logs are really there
    assert "Traceback" not in ran.output
    assert found(ran.output) == []


def test_nothing_secret_is_in_any_row_of_any_table(ran: Ran) -> None:
    engine = pooled(ran.database_url)
    with engine.connect() as connection:
        tables = connection.execute(text("select table_name from information_schema.tables where table_schema = 'public'")).scalars().all()
        rows = {table: connection.execute(text(f'select t::text from "{table}" t')).scalars().all() for table in tables}
        asked = "select table_name, column_name from information_schema.columns where table_schema = 'public' and data_type = 'bytea'"
        binary = [
            bytes(value).decode("latin-1")
            for table, name in connection.execute(text(asked)).all()
            for value in connection.execute(text(f'select "{name}" from "{table}" where "{name}" is not null')).scalars()
        ]
    engine.dispose()
    assert rows["landed_answer"] and rows["audit_log"] and rows["license_line"] and len(rows["stored_token"]) == 2 and binary
    assert found("\n".join([row for some in rows.values() for row in some] + binary)) == []


def test_nothing_secret_is_in_any_file_of_the_home(ran: Ran) -> None:
    kept = {path.relative_to(ran.home): path.read_bytes() for path in ran.home.rglob("*") if path.is_file() and path.name != KEY_FILE}
    assert any(path.parts[0] == "landing" for path in kept) and len(kept) > 50
    plain = "\n".join(part for content in kept.values() for part in (content.decode("latin-1"), unpacked(content)))
    assert "sasToken" in plain and "detailedInvoiceFilesUrls" in plain  # what is searched is really there
    assert found(plain) == []


def unpacked(content: bytes) -> str:
    try:
        return gzip.decompress(content).decode("utf-8", "replace")
    except (OSError, EOFError, zlib.error):
        return ""


def test_nothing_secret_is_on_a_page(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"DATABASE_URL": ran.database_url, "W365_HOME": str(ran.home), "W365_NOW": NOW.isoformat()}.items():
        monkeypatch.setenv(name, value)
    for name, value in {**streamones.ENVIRONMENT, "W365_SECRET_CSP": estates.SECRET}.items():
        monkeypatch.setenv(name, value)
    cached.engine.clear()
    cached.customers.clear()
    shown = []
    for query in ({}, *({"invoice": number} for number in NUMBERS)):
        app = AppTest.from_file(str(ROOT / "pages" / "frame.py"), default_timeout=90)
        for name, value in query.items():
            app.query_params[name] = value
        shown.append(drawn(app.run()))
        if not query:
            app.switch_page("providers/connections.py")
            shown.append(drawn(app.run()))
    assert "csp" in shown[1] and streamones.NAME in shown[1] and "G1" in shown[0]
    assert found("\n".join(shown)) == []


def drawn(app: AppTest) -> str:
    """Everything that was sent to the browser, tables included."""
    assert not app.exception
    return "\n".join(str(getattr(node, "proto", "")) for place in (app.main, app.sidebar) for node in place)
