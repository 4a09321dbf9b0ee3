"""Does the sandbox speak as documented, and can each fault be met over a real socket."""

from __future__ import annotations

import gzip
import json
import socket
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
import requests

from tests.ports import free_port
from w365core.errors import CallRefused
from w365core.sandbox import damage
from w365core.sandbox.faults import KINDS, Faults, parsed
from w365core.sandbox.server import running, serve

TENANT = "0f3a4a44-52c1-4b0e-9a53-7d6c1f2f8a10"
CUSTOMERS = [f"c{number}b2c3d4-0000-4000-8000-00000000000{number}" for number in range(5)]
PARTNER = "https://api.partnercenter.microsoft.com/.default"
GRAPH = "https://graph.microsoft.com/.default"
ROOT = "/v1.0/reports/partners/billing"


@pytest.fixture
def estate(tmp_path: Path) -> Path:
    def put(path: str, content: object) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())

    put("estate.json", {"clock": "2026-11-12T06:00:00Z", "tenant_id": TENANT, "providers": []})
    documents = b",".join(
        b'{"id": "G00000000%d", "totalCharges": 1234567890123456.10, "currencyCode": "EUR"}' % number for number in range(5)
    )
    put("partner_center/invoices.json", b"[" + documents + b"]")
    put("partner_center/customers.json", [{"id": identifier} for identifier in CUSTOMERS])
    put(f"partner_center/subscriptions/{CUSTOMERS[1]}.json", [{"id": "AAAA", "quantity": 3}])
    for document in ("G000000000", "G000000001", "G000000002", "unbilled-EUR-current"):
        for part in range(2):
            lines = gzip.compress(f'{{"InvoiceNumber": "{document}", "Part": {part}}}\n'.encode(), mtime=0)
            put(f"partner_center/exports/{document}/reconciliation/part-{part:05}.c000.json.gz", lines)
    return tmp_path


@pytest.fixture
def base(estate: Path):
    with running(estate) as url:
        yield url


def token(base: str, scope: str, secret: str = "any") -> str:
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": secret, "scope": scope}
    answer = requests.post(f"{base}/{TENANT}/oauth2/v2.0/token", data=form, timeout=10)
    answer.raise_for_status()
    return answer.json()["access_token"]


def get(base: str, path: str, *, scope: str = PARTNER, headers: dict[str, str] | None = None) -> requests.Response:
    bearer = {"Authorization": f"Bearer {token(base, scope)}", **(headers or {})}
    return requests.get(path if path.startswith("http") else base + path, headers=bearer, timeout=10)


def asked(base: str, body: dict, *, feed: str = "reconciliation", state: str = "billed") -> requests.Response:
    bearer = {"Authorization": f"Bearer {token(base, GRAPH)}"}
    return requests.post(f"{base}{ROOT}/{feed}/{state}/export", json=body, headers=bearer, timeout=10)


def finished(base: str, body: dict, **where: str) -> dict:
    """The operation's last answer, polled past `running`."""
    location = asked(base, body, **where).headers["Location"]
    assert get(base, location, scope=GRAPH).json()["status"] == "running"
    return get(base, location, scope=GRAPH).json()


def manifest(base: str, document: str = "G000000000") -> dict:
    succeeded = finished(base, {"invoiceId": document, "attributeSet": "full"})
    assert succeeded["status"] == "succeeded"
    if "resourceLocation" in succeeded:
        return succeeded["resourceLocation"]
    return get(base, succeeded["resourceLocation@odata.navigationLink"], scope=GRAPH).json()


def blob_url(said: dict, position: int = 0) -> str:
    return f"{said['rootDirectory']}/{said['blobs'][position]['name']}?{said['sasToken']}"


def test_a_token_for_graph_is_refused_by_partner_center_and_the_other_way_round(base):
    assert get(base, "/v1/invoices").status_code == 200
    assert get(base, "/v1/invoices", scope=GRAPH).status_code == 401
    assert get(base, f"{ROOT}/operations/none", scope=PARTNER).status_code == 401
    assert get(base, f"{ROOT}/operations/none", scope=GRAPH).status_code == 404
    assert requests.get(f"{base}/v1/invoices", timeout=10).json()["code"] == "800001"


def test_a_forged_or_altered_token_is_refused(base):
    good = token(base, PARTNER)
    for bad in (good[:-1] + ("0" if good[-1] != "0" else "1"), good.replace(".", ".9", 1), "partner-center.99999999999.x", ""):
        assert requests.get(f"{base}/v1/invoices", headers={"Authorization": f"Bearer {bad}"}, timeout=10).status_code == 401


def test_an_empty_secret_a_foreign_grant_and_a_foreign_scope_are_refused(base):
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "any", "scope": PARTNER}
    for change, said in (
        ({"client_secret": ""}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "https://management.azure.com/.default"}, "invalid_scope"),
        ({"client_id": ""}, "invalid_request"),
    ):
        answer = requests.post(f"{base}/{TENANT}/oauth2/v2.0/token", data={**form, **change}, timeout=10)
        assert answer.status_code in (400, 401) and answer.json()["error"] == said


def test_an_estate_that_names_its_secret_takes_no_other(estate):
    (estate / "estate.json").write_text(json.dumps({"tenant_id": TENANT, "client_secret": "right"}))
    with running(estate) as base:
        assert token(base, PARTNER, "right")
        with pytest.raises(requests.HTTPError):
            token(base, PARTNER, "wrong")


def test_documents_come_in_pages_whose_links_are_relative_and_without_v1(base):
    seen, path = [], "/v1/invoices?size=2&offset=0"
    while path:
        page = get(base, path).json()
        seen += [document["id"] for document in page["items"]]
        following = page["links"].get("next", {}).get("uri")
        assert following is None or following.startswith("/invoices?size=2&offset=")
        path = following and "/v1" + following
    assert seen == [f"G00000000{number}" for number in range(5)] and page["totalCount"] == 5


def test_an_amount_leaves_digit_for_digit_as_a_number(base):
    assert b'"totalCharges":1234567890123456.10,' in get(base, "/v1/invoices?size=1").content
    assert json.loads(get(base, "/v1/invoices").content, parse_float=Decimal)["items"][0]["totalCharges"] == Decimal("1234567890123456.10")


def test_a_document_by_id_needs_a_signed_in_person(base):
    answer = get(base, "/v1/invoices/G000000001")
    assert (answer.status_code, answer.json()["code"]) == (403, "900150")


def test_customers_are_continued_by_a_token_in_a_header(base):
    seen, headers = [], {}
    while headers is not None:
        page = get(base, "/v1/customers?size=2", headers=headers).json()
        seen += [customer["id"] for customer in page["items"]]
        following = page["links"].get("next")
        headers = following and {header["key"]: header["value"] for header in following["headers"]}
    assert seen == CUSTOMERS
    assert get(base, "/v1/customers", headers={"MS-ContinuationToken": "%%%"}).status_code == 400


def test_subscriptions_are_those_of_the_customer_and_a_stranger_is_refused(base):
    assert get(base, f"/v1/customers/{CUSTOMERS[1].upper()}/subscriptions").json()["items"] == [{"id": "AAAA", "quantity": 3}]
    assert get(base, f"/v1/customers/{CUSTOMERS[2]}/subscriptions").json()["items"] == []
    assert get(base, "/v1/customers/stranger/subscriptions").json()["code"] == "20002"
    assert get(base, f"/v1/customers/{CUSTOMERS[1]}/subscriptions/aaaa").json()["quantity"] == 3
    assert get(base, f"/v1/customers/{CUSTOMERS[1]}/subscriptions/bbbb").status_code == 404


def test_audit_records_are_those_of_the_days_in_pages_and_none_is_older_than_90_days_or_later_than_the_clock(estate, base):
    moments = ("2026-11-10T23:59:59.9Z", "2026-11-11T00:00:00Z", "2026-11-11T10:00:00Z", "2026-11-12T05:00:00Z", "2026-11-12T07:00:00Z")
    records = [{"id": f"r{number}", "operationDate": moment} for number, moment in enumerate(moments)]
    (estate / "partner_center/auditrecords.json").write_text(json.dumps(records))

    def listed(since: str, until: str, **headers: str) -> requests.Response:
        return get(base, f"/v1/auditrecords?startDate={since}&endDate={until}&size=1", headers=headers)

    first = listed("2026-11-11", "2026-11-11").json()
    assert (first["totalCount"], [one["id"] for one in first["items"]]) == (2, ["r1"])
    token = first["links"]["next"]["headers"][0]["value"]
    assert [one["id"] for one in listed("2026-11-11", "2026-11-11", **{"MS-ContinuationToken": token}).json()["items"]] == ["r2"]
    assert listed("2026-11-12", "2026-11-12").json()["totalCount"] == 1
    assert listed("2026-08-14", "2026-08-14").status_code == 200
    assert [listed(*days).status_code for days in (("2026-08-13", "2026-08-13"), ("soon", "2026-11-11"))] == [400, 400]


def test_an_export_is_accepted_runs_with_retry_after_and_then_hands_out_its_lines(base):
    accepted = asked(base, {"invoiceId": "G000000001", "attributeSet": "full"})
    assert accepted.status_code == 202 and accepted.content == b""
    first = get(base, accepted.headers["Location"], scope=GRAPH)
    assert first.json()["status"] == "running" and first.headers["Retry-After"] == "1"
    said = manifest(base, "G000000001")
    assert said["blobCount"] == len(said["blobs"]) == 2
    lines = [json.loads(gzip.decompress(requests.get(blob_url(said, part), timeout=10).content)) for part in range(2)]
    assert lines == [{"InvoiceNumber": "G000000001", "Part": part} for part in range(2)]


def test_some_manifests_stand_inline_and_some_behind_a_link(base):
    ways = {tuple(sorted(key for key in finished(base, {"invoiceId": f"G00000000{n}"}) if key.startswith("resource"))) for n in range(3)}
    assert ways == {("resourceLocation",), ("resourceLocation@odata.navigationLink",)}


def test_a_feed_the_estate_does_not_have_fails_with_5000(base):
    for feed, document in (("usage", "G000000000"), ("reconciliation", "G999999999"), ("reconciliation", "../../x")):
        failed = finished(base, {"invoiceId": document}, feed=feed)
        assert (failed["status"], failed["error"]) == ("failed", {"message": "No data available", "code": "5000"})


def test_unbilled_lines_are_asked_for_by_currency_and_period(base):
    assert finished(base, {"currencyCode": "EUR", "billingPeriod": "current"}, state="unbilled")["status"] == "succeeded"
    assert finished(base, {"currencyCode": "EUR", "billingPeriod": "last"}, state="unbilled")["status"] == "failed"
    assert asked(base, {"currencyCode": "EURO"}, state="unbilled").status_code == 400
    assert asked(base, {"billingPeriod": "current"}, state="unbilled").status_code == 400
    assert asked(base, {"invoiceId": "G000000000", "attributeSet": "some"}).status_code == 400


def test_a_blob_wants_its_sas_and_nothing_but_its_sas(base):
    said = manifest(base)
    url = blob_url(said)
    assert requests.get(url, timeout=10).status_code == 200
    assert requests.get(url, headers={"Authorization": "Bearer x"}, timeout=10).status_code == 403
    assert requests.get(url.partition("?")[0], timeout=10).status_code == 403
    assert requests.get(url.replace("sig=", "sig=A"), timeout=10).status_code == 403
    assert requests.get(url.replace("se=2", "se=3"), timeout=10).status_code == 403
    assert requests.get(url.replace("G000000000", "G000000001"), timeout=10).status_code == 403
    assert requests.get(url.replace("part-00000", "part-00009"), timeout=10).status_code == 404


def test_the_etag_survives_a_restart_and_changes_with_the_content(estate):
    with running(estate) as base:
        before = manifest(base)["eTag"]
    with running(estate) as base:
        assert manifest(base)["eTag"] == before
        changed = estate / "partner_center/exports/G000000000/reconciliation/part-00001.c000.json.gz"
        changed.write_bytes(gzip.compress(b'{"Part": 1, "Subtotal": 2}\n', mtime=0))
        assert manifest(base)["eTag"] != before
        assert manifest(base, "G000000001")["eTag"] != before


def test_every_spelling_of_a_fault_is_read_and_any_other_refused():
    assert str(parsed("throttle:2@operationx3")) == "throttle:2@operationx3"
    assert (parsed("500x2").times, parsed("hang").times, parsed("500@exportx1").places) == (2, None, ("export",))
    for spelling in ("", "flood", "hang@nowhere", "truncated@token", "500x0", "throttle:soon", "500@", "hang x1 x1"):
        with pytest.raises(CallRefused):
            parsed(spelling)


def test_a_fault_strikes_as_often_as_said_and_where_said():
    faults = Faults(["500@blobx2", "500@token"])
    assert [bool(faults.strike("500", "blob")) for _ in range(3)] == [True, True, False]
    assert faults.strike("500", "token") and faults.strike("500", "token") and not faults.strike("500", "export")
    assert faults.left() == ["500@token"]


def switched(base: str, *spellings: str) -> None:
    assert requests.post(f"{base}/_sandbox/faults", json={"faults": spellings}, timeout=10).json() == {"faults": list(spellings)}


def test_faults_are_switched_and_told_while_running(base):
    switched(base, "throttle:7@invoicesx1", "500@export")
    throttled = get(base, "/v1/invoices")
    assert (throttled.status_code, throttled.headers["Retry-After"]) == (429, "7")
    assert throttled.json()["message"] == "Rate limit is exceeded. Try again in 7 seconds."
    assert get(base, "/v1/invoices").status_code == 200
    assert requests.get(f"{base}/_sandbox/faults", timeout=10).json() == {"faults": ["500@export"]}
    assert asked(base, {"invoiceId": "G000000000"}).json()["error"]["code"] == "InternalServerError"
    assert requests.post(f"{base}/_sandbox/faults", json={"faults": ["flood"]}, timeout=10).status_code == 400


def test_a_hang_says_nothing_and_holds_up_nobody_else(base):
    switched(base, "hang@tokenx1")
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{base}/{TENANT}/oauth2/v2.0/token", data={}, timeout=0.3)
    assert token(base, PARTNER)


def test_a_reset_tears_the_connection_in_the_middle_of_the_answer(base):
    url = blob_url(manifest(base))
    switched(base, "reset@blobx1")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        assert requests.get(url, timeout=10).content is None
    assert requests.get(url, timeout=10).status_code == 200


def test_a_drip_hands_out_a_byte_at_a_time(base):
    switched(base, "drip:0.002@invoicesx1")
    bearer = token(base, PARTNER)
    started = time.monotonic()
    dripped = requests.get(f"{base}/v1/invoices", headers={"Authorization": f"Bearer {bearer}"}, timeout=10)
    assert time.monotonic() - started > 0.002 * len(dripped.content) and dripped.json()["totalCount"] == 5


def test_the_other_faults_look_as_they_say(base):
    switched(base, "empty-401@invoicesx1")
    empty = get(base, "/v1/invoices")
    assert (empty.status_code, empty.content) == (401, b"")
    switched(base, "refused-secret@tokenx1")
    with pytest.raises(requests.HTTPError):
        token(base, GRAPH)
    switched(base, "duplicate-page@invoicesx1")
    assert get(base, "/v1/invoices?size=2&offset=2").json()["items"][0]["id"] == "G000000000"
    switched(base, "changed-total:G000000003@invoicesx1")
    changed = json.loads(get(base, "/v1/invoices").content, parse_float=Decimal)["items"]
    assert [document["totalCharges"] - Decimal("1234567890123456.10") for document in changed] == [0, 0, 0, 2000, 0]
    switched(base, "lost-customer:" + CUSTOMERS[1] + "@customers")
    owned = [get(base, f"/v1/customers/{one}/subscriptions") for one in CUSTOMERS[:2]]
    assert [answer.status_code for answer in owned] == [200, 403] and owned[1].json()["code"] == "20002"
    switched(base, "wrong-count@manifestx1")
    assert manifest(base)["blobCount"] == 3
    switched(base, "new-etag@manifestx1")
    assert manifest(base)["eTag"] != manifest(base)["eTag"]
    switched(base, "expired-sas@manifestx1")
    assert [requests.get(blob_url(manifest(base)), timeout=10).status_code for _ in range(2)] == [403, 200]
    switched(base, "missing-blob@blobx1")
    assert requests.get(blob_url(manifest(base)), timeout=10).status_code == 404
    switched(base, "truncated@blobx1")
    cut = requests.get(blob_url(manifest(base)), timeout=10)
    assert cut.status_code == 200
    with pytest.raises(EOFError):
        gzip.decompress(cut.content)


def test_a_list_of_pages_can_be_told_wrongly(base):
    def pages() -> list[list[str]]:
        asked = [get(base, f"/v1/invoices?size=2&offset={offset}").json() for offset in (0, 2, 4)]
        return [[document["id"][-1] for document in page["items"]] for page in asked]

    assert pages() == [["0", "1"], ["2", "3"], ["4"]]
    switched(base, "skipped-page@invoices")
    assert pages() == [["0", "1"], ["4"], ["4"]]
    switched(base, "reordered-pages@invoices")
    assert pages() == [["4", "3"], ["2", "1"], ["0"]]
    switched(base, "next-loop@invoices")
    assert get(base, "/v1/invoices?size=2&offset=2").json()["links"]["next"]["uri"].endswith("offset=0")


def test_a_blob_can_be_packed_wrongly_in_every_way(base):
    whole = requests.get(blob_url(manifest(base)), timeout=10).content
    received = {}
    for way in damage.WAYS:
        switched(base, f"damaged:{way}@blobx1")
        received[way] = requests.get(blob_url(manifest(base)), timeout=10).content
    assert gzip.decompress(received["members"]) == gzip.decompress(whole) and received["members"] != whole
    assert gzip.decompress(received["last-line"]) == b""
    for way, failure in (("trailer", EOFError), ("checksum", gzip.BadGzipFile), ("garbage", gzip.BadGzipFile)):
        with pytest.raises(failure):
            gzip.decompress(received[way])


def test_an_answer_can_stall_be_sent_elsewhere_or_ask_to_wait_in_any_words(base):
    switched(base, "redirect@invoicesx1")
    bearer = {"Authorization": f"Bearer {token(base, PARTNER)}"}
    moved = requests.get(f"{base}/v1/invoices", headers=bearer, timeout=10, allow_redirects=False)
    assert moved.status_code == 302 and moved.headers["Location"].startswith("https://elsewhere.example/")
    switched(base, "stall@invoicesx1")
    with pytest.raises(requests.ConnectionError):
        assert requests.get(f"{base}/v1/invoices", headers=bearer, timeout=0.3).content is None
    said = []
    for way in ("date", "absent", "nonsense"):
        switched(base, f"throttle:{way}@invoicesx1")
        said.append(get(base, "/v1/invoices").headers.get("Retry-After"))
    assert said[0].endswith("GMT") and said[1:] == [None, "in a while"]
    switched(base, "500:503@invoicesx1", "expired-sas:part-00001.c000.json.gz@blobx1")
    assert get(base, "/v1/invoices").status_code == 503
    answers = [requests.get(blob_url(manifest(base), part), timeout=10).status_code for part in (0, 1, 1)]
    assert answers == [200, 403, 200]


def test_a_refresh_token_of_streamone_is_good_once_and_using_it_twice_ends_its_line(base):
    def exchanged(refresh: str) -> requests.Response:
        return requests.post(f"{base}/oauth/token", data={"grant_type": "refresh_token", "refresh_token": refresh}, timeout=10)

    def customers(access: str) -> int:
        headers = {"Authorization": f"Bearer {access}"}
        return requests.get(f"{base}/api/v3/accounts/1/customers", headers=headers, timeout=10).status_code

    first = exchanged("first").json()
    second = exchanged(first["refresh_token"]).json()
    assert customers(second["access_token"]) == 200 and customers("another") == 401
    again = exchanged(first["refresh_token"])
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert exchanged(second["refresh_token"]).status_code == 400 and customers(second["access_token"]) == 401


def test_a_file_of_streamone_wants_its_signature_and_nothing_but_it(base, estate):
    folder = estate / "streamone" / "files" / "7"
    folder.mkdir(parents=True)
    (folder / "a.csv").write_text("x\n")
    (estate / "streamone" / "invoices.json").write_text('[{"id": "7", "billingStartDate": "2026-10-01"}]')

    def address(authorization: tuple[str, str] | None = ("key", "secret")) -> str:
        reply = requests.get(f"{base}/api/v1/invoices/7/detailed", auth=authorization, timeout=10)
        return reply.json()["data"]["invoice"]["detailedInvoiceFilesUrls"][0]

    assert requests.get(f"{base}/api/v1/invoices/myinvoices", timeout=10).status_code == 401
    assert requests.get(address(), timeout=10).text == "x\n"
    assert requests.get(address(), auth=("key", "secret"), timeout=10).status_code == 400
    assert requests.get(address().replace("/7/", "/8/"), timeout=10).status_code == 403
    switched(base, "expired-url@detailedx1")
    assert [requests.get(address(), timeout=10).status_code for _ in range(2)] == [403, 200]


def test_every_kind_of_fault_is_named_in_these_tests():
    told = Path(__file__).read_text(encoding="utf-8")
    assert [kind for kind in KINDS if f'"{kind}' not in told] == []


def test_a_folder_that_is_no_estate_and_a_host_that_is_not_this_machine_are_refused(tmp_path, estate):
    for folder in (tmp_path / "nothing", tmp_path):
        (tmp_path / "estate.json").write_text("{}")
        with pytest.raises(CallRefused, match="is no estate"), running(folder):
            pass
    with pytest.raises(CallRefused, match="this machine only"):
        serve(estate=estate, port=0, host="0.0.0.0")


def test_a_port_in_use_is_refused_in_one_sentence(estate):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(CallRefused, match="choose another --port"):
        serve(estate=estate, port=taken.getsockname()[1])


def test_served_from_a_process_it_says_nothing_on_standard_output(estate):
    port = free_port()
    code = f"from pathlib import Path; from w365core.sandbox.server import serve; serve(estate=Path({str(estate)!r}), port={port})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                assert token(f"http://127.0.0.1:{port}", PARTNER)
                break
            except requests.ConnectionError:
                time.sleep(0.05)
    finally:
        process.terminate()
        said, complained = process.communicate(timeout=20)
    assert (said, complained) == (b"", b"")
