import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.ports import free_port
from tests.providers.scripted import Step, said
from w365core.errors import ConfigurationMissing, ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.providers import http, waiting
from w365core.providers.addresses import Allowed, Service
from w365core.providers.contract import Patience, SasExpired
from w365core.providers.http import Calls

LIST = "/v1/invoices"
EMPTY = {"totalCount": 0, "items": []}
HERE = Allowed(Service.STORAGE, loopback=True)


def calls(**changed):
    return Calls(
        patience=Patience(**{"timeout": 2, "tries": 3, "deadline": 10, **changed}), keep=lambda answer: None, sleep=lambda seconds: None
    )


def download(script, tmp_path, **changed):
    calls(**changed).download(f"{script.url}/blob?sig=s3cr3t", within=HERE, to=tmp_path / "blob", what="the download of part-1")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_passing_failure_is_tried_again(contoso, status):
    contoso.script.on(LIST, Step(status=status), said(EMPTY))
    assert contoso.connector().invoices() == []
    assert len(contoso.slept) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 501])
def test_a_final_answer_is_not_tried_again(contoso, status):
    contoso.script.on(LIST, Step(status=status))
    with pytest.raises((ProviderRefused, ProviderUnavailable)):
        contoso.connector().invoices()
    assert len(contoso.script.asked_for(LIST)) == 1


def test_tries_are_bounded_and_the_message_says_what_failed(contoso):
    contoso.script.on(LIST, Step(status=503))
    with pytest.raises(ProviderUnavailable, match=r"the list of invoices in 4 tries: it answered 503"):
        contoso.connector().invoices()
    assert len(contoso.script.asked_for(LIST)) == 4


def test_retry_after_in_seconds_is_obeyed(contoso):
    contoso.script.on(
        LIST, said({"statusCode": 429, "message": "Rate limit is exceeded. Try again in 57 seconds."}, 429, Retry_After="57"), said(EMPTY)
    )
    contoso.connector(patience=Patience(timeout=3, tries=4)).invoices()
    assert contoso.slept == [57]


def test_retry_after_as_a_date_is_obeyed(contoso):
    contoso.script.on(
        LIST,
        Step(status=503, headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)}),
        said(EMPTY),
    )
    contoso.connector(patience=Patience(timeout=3, tries=4)).invoices()
    assert 25 < contoso.slept[0] <= 30


@pytest.mark.parametrize("text", ["901", "86400", "9" * 30])
def test_an_absurd_retry_after_is_not_slept_through(contoso, text):
    contoso.script.on(LIST, Step(status=429, headers={"Retry-After": text}))
    with pytest.raises(ProviderUnavailable, match=r"Try again after \d{4}-\d\d-\d\d \d\d:\d\d UTC"):
        contoso.connector(patience=Patience()).invoices()
    assert contoso.slept == []


@pytest.mark.parametrize("text", ["soon", "-5", "", "1e3", "12 seconds"])
def test_a_senseless_retry_after_counts_as_none(text):
    assert waiting.asked_for({"Retry-After": text}, now=datetime.now(UTC)) is None


def test_the_backoff_grows_up_to_a_minute_and_never_exceeds_the_timeout():
    longest = [waiting.backoff(attempt, chance=lambda: 1.0, most=100) for attempt in range(1, 9)]
    assert longest == [2, 4, 8, 16, 32, 60, 60, 60]
    assert [waiting.backoff(attempt, chance=lambda: 0.0, most=100) for attempt in (1, 5)] == [1, 1]
    assert waiting.backoff(6, chance=lambda: 1.0, most=2) == 2


def test_the_request_id_is_repeated_until_an_answer_comes_and_new_after_any(contoso):
    contoso.script.on(LIST, Step(silent=0.6), Step(body=b"{}", cut_after=1), Step(status=500), Step(status=401), said(EMPTY))
    connector = contoso.connector(patience=Patience(timeout=0.3, tries=5))
    connector.invoices()
    silent, torn, broken, refused, fine = (asked.header("MS-RequestId") for asked in contoso.script.asked_for(LIST))
    assert silent == torn == broken
    assert len({broken, refused, fine}) == 3
    assert len({asked.header("MS-CorrelationId") for asked in contoso.script.asked_for(LIST)}) == 5
    connector.invoices()
    assert contoso.script.asked[-1].header("MS-RequestId") not in (broken, refused, fine)


def test_partner_center_is_asked_in_english_for_version_one(contoso):
    contoso.script.on(LIST, said(EMPTY))
    contoso.connector().invoices()
    (asked,) = contoso.script.asked_for(LIST)
    wanted = {"X-Locale": "en-US", "Accept": "application/json", "MS-Contract-Version": "v1", "Authorization": "Bearer token-1-of-contoso"}
    assert {name: asked.header(name) for name in wanted} == wanted


def test_a_token_is_renewed_once_on_401(contoso):
    contoso.script.on(LIST, Step(status=401), said(EMPTY))
    contoso.connector().invoices()
    assert [asked.header("Authorization") for asked in contoso.script.asked_for(LIST)] == [
        "Bearer token-1-of-contoso",
        "Bearer token-2-of-contoso",
    ]


def test_a_second_401_is_final(contoso):
    contoso.script.on(LIST, Step(status=401))
    with pytest.raises(ProviderRefused, match="also with a new token"):
        contoso.connector().invoices()
    assert len(contoso.script.asked_for(LIST)) == 2


@pytest.mark.parametrize(
    "step", [said({"code": 900421, "description": "MFA required"}, 401), Step(status=401, headers={"isMfaCompliant": "false"})]
)
def test_a_missing_second_factor_is_said_and_not_retried(contoso, step):
    contoso.script.on(LIST, step)
    with pytest.raises(ProviderRefused, match="Sign in again with MFA"):
        contoso.connector().invoices()
    assert len(contoso.script.asked_for(LIST)) == 1


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'"text"', b"\xff\xfe"])
def test_a_403_names_the_call_and_what_it_needs_whatever_its_body(contoso, body):
    contoso.script.on(LIST, Step(status=403, body=body))
    with pytest.raises(ProviderRefused, match=r"403 to the list of invoices.*needs an app .* Admin agent role"):
        contoso.connector().invoices()


def test_an_error_answer_passes_on_the_providers_own_words(contoso):
    contoso.script.on(LIST, said({"code": "2032", "description": "Access\nis denied"}, 403))
    with pytest.raises(ProviderRefused, match=r"\(2032: Access is denied\)"):
        contoso.connector().invoices()


def test_a_redirect_is_not_followed(contoso):
    contoso.script.on(LIST, Step(status=302, headers={"Location": f"{contoso.script.url}/elsewhere?sig=abc"}, body=b"moved"))
    with pytest.raises(ProviderRefused, match="redirect to 127.0.0.1"):
        contoso.connector().invoices()
    assert contoso.script.asked_for("/elsewhere") == []
    assert contoso.kept[0].content == b"moved"


def test_every_answer_is_kept_before_it_is_understood(contoso):
    contoso.script.on(LIST, Step(status=500, body=b"oops"), said({"nothing": "known"}, MS_RequestId="r-1"))
    with pytest.raises(ProviderChanged):
        contoso.connector().invoices()
    assert [(kept.status, kept.content) for kept in contoso.kept] == [(500, b"oops"), (200, b'{"nothing": "known"}')]
    assert contoso.kept[1].url == f"{contoso.script.url}{LIST}?size=200&offset=0"
    assert contoso.kept[1].request_id == "r-1"


def test_a_body_that_is_reset_or_cut_is_fetched_again(contoso):
    whole = said(EMPTY)
    cut = Step(body=whole.body, promised=len(whole.body) + 5)
    reset = Step(body=whole.body, cut_after=9)
    unframed = Step(body=whole.body[:-3], promised=-1)
    contoso.script.on(LIST, cut, reset, unframed, whole)
    assert contoso.connector().invoices() == []
    assert len(contoso.script.asked_for(LIST)) == 4


def test_a_body_that_only_ends_with_the_connection_is_read(contoso):
    contoso.script.on(LIST, Step(body=said(EMPTY).body, promised=-1))
    assert contoso.connector().invoices() == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"items": [], "totalCount": NaN}', b"[" * 100_000, b'{"n": ' + b"9" * 5000 + b"}"])
def test_a_body_that_is_no_json_object_is_a_change(contoso, body):
    contoso.script.on(LIST, Step(body=body))
    with pytest.raises(ProviderChanged):
        contoso.connector().invoices()
    assert len(contoso.script.asked_for(LIST)) == 1


def test_a_body_without_end_is_refused(contoso, monkeypatch):
    monkeypatch.setattr(http, "MOST_JSON_BYTES", 1000)
    contoso.script.on(LIST, Step(body=b" " * 2000 + said(EMPTY).body))
    with pytest.raises(ProviderChanged, match="larger than"):
        contoso.connector().invoices()


def test_an_answer_that_never_begins_is_given_up(contoso):
    contoso.script.on(LIST, Step(silent=5))
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="no answer within 0.3 s"):
        contoso.connector(patience=Patience(timeout=0.3, tries=2)).invoices()
    assert time.monotonic() - begun < 3


def test_a_head_that_drips_is_cut_off(contoso):
    contoso.script.on(LIST, Step(drip_head=0.1))
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        contoso.connector(patience=Patience(timeout=0.4, tries=2)).invoices()
    assert time.monotonic() - begun < 3


def test_a_refused_connection_ends_soon_and_once_known_at_once(contoso):
    connector = contoso.connector(
        provider=contoso.provider(api_url=f"http://127.0.0.1:{free_port()}"), sleep=time.sleep, patience=Patience()
    )
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="refused"):
        connector.invoices()
    first = time.monotonic() - begun
    assert first < 5
    with pytest.raises(ProviderUnavailable):
        connector.invoices()
    assert time.monotonic() - begun - first < 1


def test_plain_http_behind_an_https_address_is_said(contoso):
    provider = contoso.provider(api_url=contoso.script.url.replace("http:", "https:"))
    with pytest.raises(ProviderUnavailable, match="TLS"):
        contoso.connector(provider=provider).invoices()


def test_a_download_is_byte_for_byte_and_carries_no_token(script, tmp_path):
    packed = bytes(range(256)) * 5000
    script.on("/blob", Step(body=packed, headers={"Content-Encoding": "gzip"}))
    download(script, tmp_path)
    assert (tmp_path / "blob").read_bytes() == packed
    assert script.asked[0].header("Authorization") is None
    assert script.asked[0].header("Accept-Encoding") == "identity"
    assert script.asked[0].query == {"sig": "s3cr3t"}


def test_a_download_that_breaks_off_starts_anew(script, tmp_path):
    body = b"x" * 100_000
    script.on("/blob", Step(body=body, cut_after=40_000), Step(body=body[:-1], promised=100_000), Step(body=body))
    download(script, tmp_path)
    assert (tmp_path / "blob").read_bytes() == body


@pytest.mark.parametrize(
    "step", [Step(body=b"half", promised=9), Step(body=b"half", cut_after=2), Step(status=404), Step(status=403), Step(status=206)]
)
def test_a_failed_download_leaves_no_file(script, tmp_path, step):
    script.on("/blob", step)
    with pytest.raises((ProviderUnavailable, ProviderRefused, ProviderChanged)):
        download(script, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dripping_download_hits_the_least_rate(script, tmp_path):
    script.on("/blob", Step(body=b"x" * 500, drip=0.05))
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="stands still"):
        download(script, tmp_path, timeout=0.3, tries=2)
    assert time.monotonic() - begun < 3


def test_a_download_has_a_deadline_in_all(script, tmp_path, monkeypatch):
    monkeypatch.setattr(http, "LEAST_BYTES_PER_SECOND", 0)
    script.on("/blob", Step(body=b"x" * 500, drip=0.05))
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="did not finish within 0.5 s"):
        download(script, tmp_path, deadline=0.5)
    assert time.monotonic() - begun < 2
    assert len(script.asked) == 1


def test_a_signature_that_ran_out_is_told_apart(script, tmp_path):
    script.on("/blob", Step(status=403, body=b"<Error>AuthenticationFailed sig=s3cr3t</Error>"))
    with pytest.raises(SasExpired):
        download(script, tmp_path)
    assert len(script.asked) == 1


def test_a_blob_that_is_announced_and_missing_is_asked_for_later(script, tmp_path):
    script.on("/blob", Step(status=404))
    with pytest.raises(ProviderUnavailable, match="Ask for the export again"):
        download(script, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_named(script, tmp_path):
    script.on("/blob", Step(body=b"x"))
    with pytest.raises(ConfigurationMissing, match="missing-folder"):
        calls().download(f"{script.url}/blob", within=HERE, to=tmp_path / "missing-folder" / "blob", what="the download")


def test_a_blob_host_that_resolves_inside_is_never_connected_to(script, tmp_path):
    guarded = Calls(patience=Patience(timeout=1, tries=1), keep=lambda answer: None, resolve=lambda host, _: ["127.0.0.1"])
    with pytest.raises(ProviderRefused, match="private or link-local"):
        guarded.download(
            "https://adls.blob.core.windows.net/x?sig=s3cr3t", within=Allowed(Service.STORAGE), to=tmp_path / "b", what="the download"
        )


def test_proxy_variables_are_not_obeyed(contoso, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    contoso.script.on(LIST, said(EMPTY))
    assert contoso.connector().invoices() == []
