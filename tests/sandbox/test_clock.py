"""Does the sandbox answer as of its clock: nothing that is dated later, and each version of a document from its day on."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests

from tests.sandbox.test_sandbox import GRAPH, TENANT, blob_url, finished, get
from w365core.errors import CallRefused
from w365core.sandbox.server import running, serve

OLD, NEW, LATEST = "G000000001", "G000000002", "G000000003"


def put(folder: Path, path: str, content: object) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def packed(*lines: dict[str, object]) -> bytes:
    return gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines), mtime=0)


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    put(tmp_path, "estate.json", {"tenant_id": TENANT, "clock": "2026-11-12T06:00:00Z"})
    note = {"id": "G000000009", "invoiceDate": "2026-10-20T01:00:00Z", "totalCharges": -5}
    listed = [
        {"id": LATEST, "invoiceDate": "2026-12-08T01:00:00Z", "totalCharges": 3},
        {"id": NEW, "invoiceDate": "2026-11-08T01:00:00.1234567Z", "totalCharges": 10000},
        {"id": OLD, "invoiceDate": "2026-10-08T01:00:00Z", "totalCharges": 5, "amendments": [note]},
    ]
    put(tmp_path, "partner_center/invoices.json", listed)
    put(tmp_path, "partner_center/invoices@2026-11-10.json", [{**listed[1], "totalCharges": 12000}])
    for number in (OLD, NEW, LATEST, "G000000009"):
        put(tmp_path, f"partner_center/exports/{number}/reconciliation/part-00000.json.gz", packed({"InvoiceNumber": number}))
    put(tmp_path, f"partner_center/exports/{NEW}@2026-11-10/reconciliation/part-00000.json.gz", packed({"InvoiceNumber": "changed"}))
    days = [{"usageDate" if day % 2 else "UsageDate": f"2026-11-{day:02}T00:00:00Z"} for day in range(1, 11)]
    put(tmp_path, "partner_center/exports/unbilled-EUR-current/usage/part-00000.json.gz", packed(*days[:5]))
    put(tmp_path, "partner_center/exports/unbilled-EUR-current/usage/part-00001.json.gz", packed(*days[5:]))
    return tmp_path


@pytest.fixture
def base(estate: Path):
    with running(estate) as url:
        yield url


def set_clock(base: str, now: str | None) -> requests.Response:
    return requests.post(f"{base}/_sandbox/clock", json={"now": now}, timeout=10)


def totals(base: str) -> dict[str, int]:
    return {document["id"]: document["totalCharges"] for document in get(base, "/v1/invoices").json()["items"]}


def export(base: str, body: dict[str, str], feed: str) -> dict | None:
    """The manifest, None where there is no data."""
    said = finished(base, body, feed=feed, state="billed" if "invoiceId" in body else "unbilled")
    if said["status"] == "failed":
        return None
    link = said.get("resourceLocation@odata.navigationLink")
    return get(base, link, scope=GRAPH).json() if link else said["resourceLocation"]


def content(base: str, body: dict[str, str], feed: str = "reconciliation") -> list[dict]:
    manifest = export(base, body, feed)
    blobs = [requests.get(blob_url(manifest, one), timeout=10).content for one in range(len(manifest["blobs"]))] if manifest else []
    return [json.loads(line) for blob in blobs for line in gzip.decompress(blob).splitlines()]


def test_without_a_word_it_answers_as_of_the_estates_own_clock(base):
    assert requests.get(f"{base}/_sandbox/clock", timeout=10).json() == {"now": "2026-11-12T06:00:00Z"}
    assert totals(base) == {NEW: 12000, OLD: 5}


def test_an_estate_without_a_clock_has_everything(estate):
    put(estate, "estate.json", {"tenant_id": TENANT})
    with running(estate) as base:
        assert totals(base) == {LATEST: 3, NEW: 12000, OLD: 5}
        assert content(base, {"invoiceId": LATEST}) == [{"InvoiceNumber": LATEST}]


def test_only_documents_dated_before_the_clock_are_listed_and_exported(base):
    for now, listed in (
        ("2026-10-08T00:59:59Z", {}),
        ("2026-10-08T01:00:00Z", {OLD: 5}),
        ("2026-11-08T02:00:00+01:00", {OLD: 5}),
        ("2026-11-08T02:00:00", {NEW: 10000, OLD: 5}),
        ("2027-01-01", {LATEST: 3, NEW: 12000, OLD: 5}),
    ):
        assert set_clock(base, now).status_code == 200
        assert totals(base) == listed
        assert {number for number in (OLD, NEW, LATEST) if content(base, {"invoiceId": number})} == set(listed)


def test_an_amendment_appears_at_its_own_date(base):
    def amended() -> list[str]:
        (document,) = [one for one in get(base, "/v1/invoices").json()["items"] if one["id"] == OLD]
        return [one["id"] for one in document.get("amendments", ())]

    set_clock(base, "2026-10-19")
    assert amended() == [] and content(base, {"invoiceId": "G000000009"}) == []
    set_clock(base, "2026-10-21")
    assert amended() == ["G000000009"] and content(base, {"invoiceId": "G000000009"})


def test_a_changed_document_has_another_header_other_lines_and_another_etag_from_its_day_on(base):
    said = {}
    for now in ("2026-11-09T23:59:59Z", "2026-11-10T00:00:00Z"):
        set_clock(base, now)
        said[now] = totals(base)[NEW], content(base, {"invoiceId": NEW}), export(base, {"invoiceId": NEW}, "reconciliation")["eTag"]
    before, after = said.values()
    assert before[:2] == (10000, [{"InvoiceNumber": NEW}]) and after[:2] == (12000, [{"InvoiceNumber": "changed"}])
    assert before[2] != after[2]


def test_unbilled_usage_goes_up_to_the_clock(base):
    def days() -> int:
        return len(content(base, {"currencyCode": "EUR"}, "usage"))

    assert days() == 10
    etag = export(base, {"currencyCode": "EUR"}, "usage")["eTag"]
    for now, expected in (("2026-10-31", 0), ("2026-11-01", 1), ("2026-11-04T06:00:00Z", 4), ("2026-11-07T06:00:00Z", 7)):
        set_clock(base, now)
        assert days() == expected
    assert export(base, {"currencyCode": "EUR"}, "usage")["eTag"] != etag
    set_clock(base, None)
    assert export(base, {"currencyCode": "EUR"}, "usage")["eTag"] == etag


def test_a_clock_that_cannot_be_read_is_refused_and_the_old_one_stands(base):
    for wrong in ({"now": "yesterday"}, {"now": 12}, {}, []):
        assert requests.post(f"{base}/_sandbox/clock", json=wrong, timeout=10).status_code == 400
    assert requests.get(f"{base}/_sandbox/clock", timeout=10).json() == {"now": "2026-11-12T06:00:00Z"}


def test_it_may_be_started_at_another_moment(estate):
    with running(estate, now=datetime(2026, 10, 9, tzinfo=UTC)) as base:
        assert totals(base) == {OLD: 5}
    with pytest.raises(CallRefused, match="'soon' is no moment"):
        serve(estate=estate, port=0, now="soon")
