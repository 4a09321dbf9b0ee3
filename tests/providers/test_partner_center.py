from datetime import date
from decimal import Decimal

import pytest

from tests.providers.scripted import Step, said
from w365core.errors import ProviderChanged, ProviderUnavailable

LIST = "/v1/invoices"


def invoice(number, **changed):
    shape = {
        "id": number,
        "invoiceDate": "2026-10-08T01:22:47.603895Z",
        "totalCharges": 10.5,
        "currencyCode": "EUR",
        "documentType": "invoice",
    }
    return {**shape, **changed}


def page(*items, uri=None, token=None, count=None):
    links = {"self": {"uri": "/invoices?size=2&offset=0", "method": "GET", "headers": []}}
    if uri is not None or token is not None:
        headers = [] if token is None else [{"key": "MS-ContinuationToken", "value": token}]
        links["next"] = {"uri": uri or "/invoices?size=2?seekOperation=Next", "method": "GET", "headers": headers}
    document = {"items": list(items), "links": links, "attributes": {"objectType": "Collection"}}
    return said(document if count is None else {**document, "totalCount": count})


def numbers(contoso):
    return [header.number for header in contoso.connector().invoices()]


def test_a_document_is_read_as_listed(contoso):
    body = (
        b'{"totalCount": 1, "items": [{"id": "G000000007", "invoiceDate": "2026-10-08T23:22:47.6038951Z", "totalCharges": 586366.10,'
        b'"billingPeriodStartDate": "2026-09-01T00:00:00", "billingPeriodEndDate": "0001-01-01T00:00:00", "currencyCode": "CHF",'
        b'"documentType": "invoice", "invoiceType": "OneTime", "pdfDownloadLink": "/invoices/G000000007/documents/statement"}]}'
    )
    contoso.script.on(LIST, Step(body=b"\xef\xbb\xbf" + body))
    (header,) = contoso.connector().invoices()
    assert (header.number, header.invoice_date, header.currency) == ("G000000007", date(2026, 10, 8), "CHF")
    assert str(header.total) == "586366.10"
    assert (header.period_start, header.period_end) == (date(2026, 9, 1), None)
    assert (header.document_type, header.invoice_type, header.amends_of) == ("invoice", "one_time", None)


def test_a_total_keeps_every_digit(contoso):
    contoso.script.on(
        LIST,
        Step(
            body=b'{"items": [%s]}'
            % b'{"id": "D1", "invoiceDate": "2026-10-08", "totalCharges": 0.10000000000000000555, "currencyCode": "EUR"}'
        ),
    )
    assert contoso.connector().invoices()[0].total == Decimal("0.10000000000000000555")


@pytest.mark.parametrize(("value", "total"), [(586366, "586366"), ("-12.50", "-12.50"), (0, "0")])
def test_a_total_may_be_an_integer_or_a_text(contoso, value, total):
    contoso.script.on(LIST, page(invoice("G1", totalCharges=value)))
    assert str(contoso.connector().invoices()[0].total) == total


def test_link_prefixes_are_no_part_of_the_number(contoso):
    contoso.script.on(LIST, page(invoice("Recurring-D02005"), invoice("OneTime-G00013", amendsOf="OneTime-G00012"), invoice(700123)))
    headers = contoso.connector().invoices()
    assert [(header.number, header.amends_of) for header in headers] == [("D02005", None), ("G00013", "G00012"), ("700123", None)]


@pytest.mark.parametrize(
    ("spelled", "folded"),
    [("void_note", "void_note"), ("VoidNote", "void_note"), ("Credit Note", "credit_note"), ("Invoice", "invoice"), (None, "invoice")],
)
def test_document_types_have_one_spelling(contoso, spelled, folded):
    contoso.script.on(LIST, page(invoice("G1", documentType=spelled)))
    assert contoso.connector().invoices()[0].document_type == folded


def test_amendments_are_documents_of_their_own(contoso):
    note = invoice("G00131", totalCharges=107661.12, documentType="adjustment_note", amendments=[invoice("G00132")])
    contoso.script.on(
        LIST, page(invoice("G00130", totalCharges=586366, documentType="void_note", amendments=[note]), invoice("G00200"), count=2)
    )
    headers = contoso.connector().invoices()
    assert [(header.number, header.amends_of) for header in headers] == [
        ("G00130", None),
        ("G00131", "G00130"),
        ("G00132", "G00131"),
        ("G00200", None),
    ]


def test_an_amendment_that_is_listed_too_counts_once_and_knows_whom_it_amends(contoso):
    nested = invoice("G00131", documentType="adjustment_note")
    contoso.script.on(LIST, page(invoice("G00130", amendments=[nested]), invoice("G00131", documentType="adjustment_note"), count=2))
    headers = contoso.connector().invoices()
    assert [(header.number, header.amends_of) for header in headers] == [("G00130", None), ("G00131", "G00130")]


@pytest.mark.parametrize(
    "uri",
    [
        "/invoices?size=2&offset=2",
        "/v1/invoices?size=2&offset=2",
        "invoices?size=2&offset=",
        "https://evil.example/v1/invoices?offset=2",
        "",
    ],
)
def test_the_next_page_is_built_from_our_own_parameters(contoso, uri):
    contoso.script.on(LIST, page(invoice("G1"), invoice("G2"), uri=uri, count=3), page(invoice("G3"), count=3))
    assert numbers(contoso) == ["G1", "G2", "G3"]
    assert [asked.query for asked in contoso.script.asked_for(LIST)] == [{"size": "200", "offset": "0"}, {"size": "200", "offset": "2"}]


def test_a_continuation_token_is_followed(contoso):
    contoso.script.on(
        LIST, page(invoice("G1"), token="t-1", count=3), page(invoice("G2"), token="t-2", count=3), page(invoice("G3"), count=3)
    )
    assert numbers(contoso) == ["G1", "G2", "G3"]
    asked = contoso.script.asked_for(LIST)
    assert [one.header("MS-ContinuationToken") for one in asked] == [None, "t-1", "t-2"]
    assert asked[1].query == {"size": "200", "seekOperation": "Next"}


def test_a_repeated_token_ends_the_list(contoso):
    contoso.script.on(LIST, page(invoice("G1"), token="t-1"), page(invoice("G2"), token="t-1"))
    assert numbers(contoso) == ["G1", "G2"]
    assert len(contoso.script.asked_for(LIST)) == 2


def test_a_link_to_the_same_page_ends_the_list(contoso):
    contoso.script.on(LIST, page(invoice("G1"), uri="/invoices?size=2&offset=0"))
    assert numbers(contoso) == ["G1"]
    assert len(contoso.script.asked_for(LIST)) == 1


def test_an_empty_page_ends_the_list(contoso):
    contoso.script.on(LIST, page(invoice("G1"), uri="/invoices?size=1&offset=1", count=1), page(uri="/invoices?size=1&offset=2", count=1))
    assert numbers(contoso) == ["G1"]
    assert len(contoso.script.asked_for(LIST)) == 2


def test_a_page_repeated_under_ever_new_links_ends_the_list(contoso):
    contoso.script.on(LIST, *[page(invoice("G1"), token=f"t-{turn}") for turn in range(50)])
    assert numbers(contoso) == ["G1"]
    assert len(contoso.script.asked_for(LIST)) == 4


def test_no_invoices_is_no_failure(contoso):
    contoso.script.on(LIST, page(count=0))
    assert numbers(contoso) == []


def test_fewer_invoices_than_counted_are_a_short_read(contoso):
    contoso.script.on(LIST, page(invoice("G1"), uri="/invoices?size=1&offset=1", count=3), page(invoice("G2"), count=3))
    with pytest.raises(ProviderUnavailable, match="counts 3 invoices but listed only 2"):
        contoso.connector().invoices()


def test_a_page_repeated_in_place_of_another_is_a_short_read(contoso):
    contoso.script.on(LIST, page(invoice("G1"), uri="/invoices?size=1&offset=1", count=2), page(invoice("G1"), count=2))
    with pytest.raises(ProviderUnavailable, match="listed only 1"):
        contoso.connector().invoices()


@pytest.mark.parametrize("name", ["totalCharges", "currencyCode", "invoiceDate"])
@pytest.mark.parametrize("value", [None, "", "nonsense", True, [], {}, "Infinity", "28/2/2026"])
def test_a_missing_or_unreadable_field_is_named_with_its_invoice(contoso, name, value):
    contoso.script.on(LIST, page(invoice("G1"), invoice("G2", **{name: value})))
    with pytest.raises(ProviderChanged, match=f"`{name}` of invoice G2"):
        contoso.connector().invoices()


def test_an_absent_field_is_not_zero(contoso):
    short = invoice("G2")
    del short["totalCharges"]
    contoso.script.on(LIST, page(short))
    with pytest.raises(ProviderChanged, match="`totalCharges` of invoice G2"):
        contoso.connector().invoices()


@pytest.mark.parametrize("number", [None, "", "../../etc", "G1/lineitems", "G 1", [], "x" * 80])
def test_an_invoice_without_a_usable_number_is_a_change(contoso, number):
    contoso.script.on(LIST, page(invoice(number)))
    with pytest.raises(ProviderChanged, match="`id`"):
        contoso.connector().invoices()


@pytest.mark.parametrize("document", [{}, {"items": None}, {"items": {}}, {"items": [7]}, {"items": [None]}])
def test_another_shape_is_a_change(contoso, document):
    contoso.script.on(LIST, said(document))
    with pytest.raises(ProviderChanged):
        contoso.connector().invoices()


def test_a_token_that_no_header_can_carry_is_a_change(contoso):
    contoso.script.on(LIST, page(invoice("G1"), token="a\r\nHost: evil.example"))
    with pytest.raises(ProviderChanged, match="continuation token"):
        contoso.connector().invoices()
