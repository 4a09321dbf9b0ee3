import logging

import pytest

from tests.providers.scripted import SECRET, TOKEN_PATH, Step, said
from w365core.errors import ProviderError
from w365core.model import Feed
from w365core.providers.contract import Patience
from w365core.providers.secrecy import cut_content, cut_text, cut_url

BILLING = "/v1.0/reports/partners/billing"
SIGNATURE = "pL4nted%2FSignature%3D"
SAS = f"skoid=0c41-planted&se=2026-11-13T12%3A37%3A17Z&sp=rl&sig={SIGNATURE}"
PLANTED = [SECRET, "token-1-of-contoso", "token-2-of-contoso", SIGNATURE, "pL4nted/Signature=", "pL4nted"]


def chain(failure):
    """Everything that a traceback could print, suppressed causes included."""
    while failure is not None:
        yield f"{failure!s} {failure!r} {vars(failure)!r}"
        failure = failure.__cause__ or failure.__context__


def operation(contoso):
    manifest = {
        "eTag": "v1",
        "dataFormat": "compressedJSON",
        "rootDirectory": f"{contoso.script.url}/folder",
        "sasToken": SAS,
        "blobCount": 1,
        "blobs": [{"name": "part-1.gz"}],
    }
    return said({"status": "succeeded", "resourceLocation": manifest})


BLOB_FAULTS = [
    Step(status=403, body=f"<Error>Signature did not match: {SAS}</Error>".encode()),
    Step(status=404, body=f'{{"error": {{"code": "NotFound", "message": "no {SAS}"}}}}'.encode()),
    Step(status=500, body=SAS.encode()),
    Step(status=302, headers={"Location": f"https://evil.example/x?{SAS}"}),
    Step(body=b"half", promised=90),
    Step(body=b"half", cut_after=2),
    Step(silent=3),
    Step(headers={"Content-Length": "bad"}),
]


@pytest.mark.parametrize("fault", BLOB_FAULTS)
def test_no_secret_shows_when_a_download_fails(contoso, caplog, tmp_path, fault):
    caplog.set_level(logging.DEBUG)
    contoso.script.on(f"{BILLING}/operations/7", operation(contoso))
    contoso.script.on("/folder/part-1.gz", fault)
    connector = contoso.connector(patience=Patience(timeout=0.3, tries=2))
    manifest = connector.wait_for_export(f"{contoso.script.url}{BILLING}/operations/7")
    with pytest.raises(ProviderError) as failed:
        connector.download(manifest, manifest.blobs[0], tmp_path / "blob")
    shown = [*chain(failed.value), caplog.text, *(str(vars(record)) for record in caplog.records), *(repr(kept) for kept in contoso.kept)]
    assert "part-1.gz" in caplog.text  # the library's own log did run
    assert [secret for secret in PLANTED for text in shown if secret in text] == []


ECHO = "you sent Bearer token-1-of-contoso and client_secret=" + SECRET
CALL_FAULTS = [
    (TOKEN_PATH, said({"error": "invalid_client", "error_description": ECHO}, 401)),
    (TOKEN_PATH, Step(status=200, body=ECHO.encode())),
    (TOKEN_PATH, Step(status=500, body=ECHO.encode())),
    (TOKEN_PATH, Step(status=200, body=b"{}", cut_after=1)),
    ("/v1/invoices", said({"code": "2032", "description": ECHO}, 403)),
    ("/v1/invoices", said({"items": ECHO, "echo": "token-1-of-contoso"})),
    ("/v1/invoices", Step(status=302, headers={"Location": "https://evil.example/?access_token=token-1-of-contoso"})),
    ("/v1/invoices", Step(body=b"{}", cut_after=1)),
]


@pytest.mark.parametrize(("path", "fault"), CALL_FAULTS)
def test_no_secret_shows_when_a_call_fails(contoso, caplog, path, fault):
    caplog.set_level(logging.DEBUG)
    contoso.script.on(path, fault)
    with pytest.raises(ProviderError) as failed:
        contoso.connector().invoices()
    shown = [*chain(failed.value), caplog.text, *(str(vars(record)) for record in caplog.records), *(repr(kept) for kept in contoso.kept)]
    assert [secret for secret in PLANTED for text in shown if secret in text] == []


def test_an_operations_url_carries_nothing_secret_into_the_exports_request(contoso):
    contoso.script.on(f"{BILLING}/usage/billed/export", Step(status=202, headers={"Location": "https://evil.example/op?sig=pL4nted"}))
    with pytest.raises(ProviderError) as failed:
        contoso.connector().request_export("G7", Feed.DAILY_RATED)
    assert "pL4nted" not in "".join(chain(failed.value)) + repr(contoso.kept)


def test_an_address_keeps_only_harmless_parameters():
    url = "https://u:p@x.example/a/b?size=2&sig=abc&offset=4&se=2026&skoid=1&Token=z#frag"
    assert cut_url(url) == "https://x.example/a/b?size=2&offset=4"


@pytest.mark.parametrize(
    ("content", "cut"),
    [
        (b'{"sasToken": "sp=rl\\u0026sig=ab\\"c", "eTag": "v1"}', b'{"sasToken": "(cut)", "eTag": "v1"}'),
        (b"https://x/y?sp=r&sig=abc%3D&se=1", b"https://x/y?sp=r&sig=(cut)&se=1"),
        (b"next=https%3A%2F%2Fx%3Fsp%3Dr%26sig%3Dabc&b=1", b"next=https%3A%2F%2Fx%3Fsp%3Dr%26sig%3D(cut)&b=1"),
        (b'{"design=1": "signature", "total": 10.50}', b'{"design=1": "signature", "total": 10.50}'),
    ],
)
def test_a_kept_body_loses_its_secrets_and_nothing_else(content, cut):
    assert cut_content(content) == cut


def test_the_providers_words_cannot_steer_a_terminal():
    assert cut_text("a\x1b[31mb\nc") == "a [31mb c"
