import json
import time

import pytest

from tests.providers.scripted import Step, said
from w365core.errors import CallRefused, ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Feed
from w365core.providers.addresses import Service, allowed
from w365core.providers.contract import Blob, ExportFailed, ExportGone, Manifest, NoData, Patience, SasExpired

BILLING = "/v1.0/reports/partners/billing"
OPERATION = f"{BILLING}/operations/op-7"
MANIFEST = f"{BILLING}/manifests/m-8"
SAS = "skt=2026-11-13T00%3A37%3A17Z&sp=rl&sig=aBc%2DdEf%3D"
NAME = "part-00049-b016.c000.json.gz"


def manifest(contoso, **changed):
    shape = {
        "id": "m-8",
        "schemaVersion": "1",
        "dataFormat": "compressedJSON",
        "createdDateTime": "2026-11-09T06:34:34.8712345Z",
        "eTag": "WYjLro78",
        "rootDirectory": f"{contoso.script.url}/billed/InvoiceId=G7/PartitionType=default",
        "sasToken": SAS,
        "partitionType": "Default",
        "blobCount": 1,
        "blobs": [{"name": NAME, "partitionValue": "default"}],
    }
    return {name: value for name, value in {**shape, **changed}.items() if value is not None}


def running(status="running", **headers):
    return said({"id": "op-7", "status": status, "createdDateTime": "2026-11-09T08:12:53"}, **headers)


def succeeded(**place):
    return said({"id": "op-7", "status": "succeeded", **place})


def waited(contoso, *steps, **options):
    contoso.script.on(OPERATION, *steps)
    return contoso.connector(**options).wait_for_export(contoso.script.url + OPERATION)


@pytest.mark.parametrize(("feed", "path"), [(Feed.RECONCILIATION, "reconciliation"), (Feed.DAILY_RATED, "usage")])
def test_an_export_of_an_invoice_is_asked_for_in_full(contoso, feed, path):
    contoso.script.on(f"{BILLING}/{path}/billed/export", Step(status=202, headers={"Location": contoso.script.url + OPERATION}))
    assert contoso.connector().request_export("G016907411", feed) == contoso.script.url + OPERATION
    asked = contoso.script.asked[-1]
    assert (asked.method, json.loads(asked.body)) == ("POST", {"invoiceId": "G016907411", "attributeSet": "full"})
    assert asked.header("Content-Type") == "application/json" and asked.header("client-request-id")


def test_unbilled_lines_are_asked_for_by_currency_and_period(contoso):
    contoso.script.on(f"{BILLING}/usage/unbilled/export", Step(status=202, headers={"Location": OPERATION}))
    assert contoso.connector().request_unbilled("USD", "current", Feed.DAILY_RATED) == contoso.script.url + OPERATION
    assert json.loads(contoso.script.asked[-1].body) == {"currencyCode": "USD", "billingPeriod": "current", "attributeSet": "full"}


def test_a_feed_or_period_that_does_not_exist_is_refused_before_any_call(contoso):
    connector = contoso.connector()
    with pytest.raises(CallRefused):
        connector.request_export("G7", Feed.PLAIN)
    with pytest.raises(CallRefused):
        connector.request_unbilled("USD", "next", Feed.DAILY_RATED)
    assert contoso.script.asked == []


@pytest.mark.parametrize(
    "location", ["https://evil.example/operations/7", "http://10.0.0.1/x", "//evil.example/x", "http://graph.microsoft.com/x"]
)
def test_a_location_elsewhere_is_refused(contoso, location):
    contoso.script.on(f"{BILLING}/usage/billed/export", Step(status=202, headers={"Location": location}))
    with pytest.raises(ProviderRefused):
        contoso.connector().request_export("G7", Feed.DAILY_RATED)


def test_an_export_without_a_location_is_a_change(contoso):
    contoso.script.on(f"{BILLING}/usage/billed/export", Step(status=202))
    with pytest.raises(ProviderChanged, match="where to wait"):
        contoso.connector().request_export("G7", Feed.DAILY_RATED)


def test_an_operation_is_polled_until_its_manifest_is_there(contoso):
    steps = [running("notStarted"), running("Running", Retry_After="2"), running("unknownFutureValue"), running("somethingNew")]
    found = waited(contoso, *steps, succeeded(resourceLocation=manifest(contoso)), patience=Patience(poll=10))
    assert contoso.slept == [10, 2, 10, 10]
    assert (found.etag, found.data_format, found.blobs) == ("WYjLro78", "compressedJSON", (Blob(NAME, "default"),))
    assert found.sas_token.reveal() == SAS and "sig" not in repr(found)
    assert found.created_at.isoformat() == "2026-11-09T06:34:34.871234+00:00"
    assert len(contoso.kept) == 5


def test_a_longer_retry_after_is_capped_at_a_minute_and_by_a_short_poll(contoso):
    done = succeeded(resourceLocation=manifest(contoso))
    waited(contoso, running(Retry_After="600"), done, patience=Patience(poll=10))
    waited(contoso, running(Retry_After="600"), done, patience=Patience(poll=0.05))
    waited(contoso, running(Retry_After="0"), done, patience=Patience(poll=10))
    assert contoso.slept == [60, 0.05, 1]


@pytest.mark.parametrize("place", ["resourceLocation@odata.navigationLink", "resourceLocation@odata.associationLink", "resourceLocation"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_manifest_behind_a_link_is_fetched(contoso, place, relative):
    contoso.script.on(MANIFEST, said(manifest(contoso, dataFormat="compressedJSONLines")))
    found = waited(contoso, succeeded(**{place: MANIFEST if relative else contoso.script.url + MANIFEST}))
    assert found.data_format == "compressedJSONLines"
    assert contoso.script.asked[-1].header("Authorization")


def test_a_manifest_link_elsewhere_gets_no_token(contoso):
    with pytest.raises(ProviderRefused, match="evil.example"):
        waited(contoso, succeeded(**{"resourceLocation@odata.navigationLink": "https://evil.example/manifest"}))


def test_a_finished_export_without_a_manifest_is_a_change(contoso):
    with pytest.raises(ProviderChanged):
        waited(contoso, succeeded())


@pytest.mark.parametrize(
    "error",
    [{"code": "5000", "message": "No data available"}, {"code": 5000}, {"code": "x", "message": "no data available for the invoice"}],
)
def test_no_data_is_an_answer_and_no_failure(contoso, error):
    assert isinstance(waited(contoso, said({"status": "FAILED", "error": error})), NoData)


@pytest.mark.parametrize("error", [{"code": "5001", "message": "Export job died"}, None, "text", {}])
def test_a_failed_export_is_said_in_the_providers_words(contoso, error):
    with pytest.raises(ExportFailed, match=r"5001: Export job died|no reason given"):
        waited(contoso, said({"status": "failed", "error": error}))


@pytest.mark.parametrize("step", [running(), Step(status=202)])
def test_an_export_that_never_ends_is_left_for_later(contoso, step):
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="still running"):
        waited(contoso, step, patience=Patience(poll=0.05, deadline=0.4), sleep=time.sleep)
    assert 0.2 < time.monotonic() - begun < 3


def test_the_wait_for_an_export_shrinks_with_the_poll():
    assert Patience().export_deadline == 3600
    assert Patience(poll=0.05).export_deadline == 30


@pytest.mark.parametrize("status", [404, 410])
def test_an_operation_that_is_gone_is_told_apart(contoso, status):
    with pytest.raises(ExportGone):
        waited(contoso, Step(status=status))


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"blobCount": 4}, ProviderUnavailable, "lists 1 of 4 blobs"),
        ({"blobCount": 0}, ProviderUnavailable, "lists 1 of 0 blobs"),
        ({"blobs": [{"name": NAME}, {"name": NAME}], "blobCount": 2}, ProviderUnavailable, "twice"),
        ({"blobs": None}, ProviderChanged, "blobs"),
        ({"eTag": None}, ProviderChanged, "eTag"),
        ({"eTag": ""}, ProviderChanged, "eTag"),
        ({"sasToken": None}, ProviderChanged, "sasToken"),
        ({"sasToken": "sig=a b"}, ProviderChanged, "sasToken"),
        ({"sasToken": "sig=a#b"}, ProviderChanged, "sasToken"),
        ({"rootDirectory": None}, ProviderChanged, "rootDirectory"),
        ({"rootDirectory": "https://evil.example/x"}, ProviderRefused, "evil.example"),
        ({"rootDirectory": "https://a.blob.core.windows.net.evil.example/x"}, ProviderRefused, "evil.example"),
        ({"rootDirectory": "http://169.254.169.254/x"}, ProviderRefused, "169.254.169.254"),
        ({"rootDirectory": "https://a.blob.core.windows.net/x?y=1"}, ProviderRefused, "plain folder"),
        ({"rootDirectory": "https://a.blob.core.windows.net/x/%2e%2e/y"}, ProviderRefused, "plain folder"),
    ],
)
def test_a_manifest_that_is_not_whole_or_not_ours_is_refused(contoso, changed, error, words):
    if changed.get("rootDirectory"):
        changed = {**changed, "blobCount": None}
    with pytest.raises(error, match=words):
        waited(contoso, succeeded(resourceLocation=manifest(contoso, **changed), **{"@odata.type": "#x"}))


@pytest.mark.parametrize(
    "name",
    [
        "../part",
        "a..b",
        "a/b",
        "a\\b",
        "..",
        ".hidden",
        "https://evil.example/x",
        "a?b",
        "a#b",
        "a:b",
        "a%2fb",
        "a\nb",
        "",
        None,
        7,
        "x" * 300,
        "-rf",
    ],
)
def test_a_blob_name_that_is_more_than_a_name_is_refused(contoso, name):
    with pytest.raises(ProviderRefused, match="names a blob"):
        waited(contoso, succeeded(resourceLocation=manifest(contoso, blobs=[{"name": name}])))


def test_a_blob_is_fetched_with_its_signature_as_given_and_without_a_token(contoso, tmp_path):
    found = waited(contoso, succeeded(resourceLocation=manifest(contoso, sasToken="?" + SAS, blobs=[{"name": "part 1 (a).gz"}])))
    path = "/billed/InvoiceId=G7/PartitionType=default/part%201%20%28a%29.gz"
    contoso.script.on(path, Step(body=b"\x1f\x8b\x00raw"))
    contoso.connector().download(found, found.blobs[0], tmp_path / "blob")
    asked = contoso.script.asked[-1]
    assert (tmp_path / "blob").read_bytes() == b"\x1f\x8b\x00raw"
    assert asked.target == f"{path}?{SAS}"
    assert asked.header("Authorization") is None


def test_a_signature_that_ran_out_is_renewed_by_asking_the_operation_again(contoso, tmp_path):
    found = waited(contoso, succeeded(resourceLocation=manifest(contoso)))
    assert isinstance(found, Manifest)
    contoso.script.on(f"/billed/InvoiceId=G7/PartitionType=default/{NAME}", Step(status=403), Step(body=b"fine"))
    connector = contoso.connector()
    with pytest.raises(SasExpired):
        connector.download(found, found.blobs[0], tmp_path / "blob")
    fresh = waited(contoso, succeeded(resourceLocation=manifest(contoso, sasToken="sig=new")))
    connector.download(fresh, fresh.blobs[0], tmp_path / "blob")
    assert contoso.script.asked[-1].query == {"sig": "new"}


def test_graph_configured_over_https_never_leads_to_this_machine(contoso):
    with pytest.raises(ProviderRefused, match="on this machine"):
        contoso.connector(provider=contoso.provider(graph_url=None)).wait_for_export(contoso.script.url + OPERATION)
    assert not allowed("https://graph.microsoft.com", service=Service.STORAGE).loopback
    assert contoso.script.asked == []
