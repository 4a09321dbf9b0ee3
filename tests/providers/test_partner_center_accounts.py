"""Does the connector say what Partner Center knows of our customers, over both ways of paging and with its oddities?"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tests.providers.scripted import Step, said
from w365core.errors import ProviderChanged, ProviderUnavailable
from w365core.providers.contract import CustomerRefused

LIST = "/v1/customers"


def customer(identifier, name="Contoso", domain="contoso.example", **changed):
    profile = {"tenantId": identifier, "companyName": name, "domain": domain}
    return {"id": identifier, "companyProfile": profile, "relationshipToPartner": "reseller", **changed}


def page(*items, uri=None, token=None, count=None):
    document = {"items": list(items), "links": {"self": {"uri": "/customers?size=2", "headers": []}}}
    if uri is not None or token is not None:
        headers = [] if token is None else [{"key": "MS-ContinuationToken", "value": token}]
        document["links"]["next"] = {"uri": uri or "/customers?size=2?seekOperation=Next", "headers": headers}
    return said(document if count is None else {**document, "totalCount": count})


def listed(contoso):
    return [one.id for one in contoso.connector().customers()]


def owned(contoso, *steps, customer_id="c-1"):
    contoso.script.on(f"{LIST}/{customer_id}/subscriptions", *steps)
    return list(contoso.connector().subscriptions([customer_id]))


def test_customers_come_over_continuation_tokens_built_from_our_own_parameters(contoso):
    contoso.script.on(LIST, page(customer("A"), token="t1", count=3), page(customer("B"), token="t2"), page(customer("C")))
    assert listed(contoso) == ["A", "B", "C"]
    asked = contoso.script.asked_for(LIST)
    assert [one.query for one in asked] == [
        {"size": "500"},
        {"size": "500", "seekOperation": "Next"},
        {"size": "500", "seekOperation": "Next"},
    ]
    assert [one.header("MS-ContinuationToken") for one in asked] == [None, "t1", "t2"]


def test_customers_come_over_offsets_too(contoso):
    contoso.script.on(LIST, page(customer("A"), customer("B"), uri="/customers?size=2&offset=", count=3), page(customer("C")))
    assert listed(contoso) == ["A", "B", "C"]
    assert contoso.script.asked_for(LIST)[1].query == {"size": "500", "offset": "2"}


@pytest.mark.parametrize(
    "steps",
    [
        [page(customer("A"), token="t1"), page(customer("B"), token="t1")],  # a repeated token
        [page(customer("A"), token="t1"), page(customer("B"), token="t2"), page()],  # an empty page
        [page(customer("A"), token="t1"), page(customer("b"), customer("B"), customer("a"))],  # the same ones in other letters
    ],
)
def test_a_list_ends_and_holds_each_customer_once(contoso, steps):
    contoso.script.on(LIST, *steps)
    assert [one.lower() for one in listed(contoso)] == ["a", "b"]


def test_fewer_customers_than_counted_are_a_short_read(contoso):
    contoso.script.on(LIST, page(customer("A"), token="t1", count=3), page(customer("B"), count="3"))
    with pytest.raises(ProviderUnavailable, match="counts 3 customers but listed only 2"):
        listed(contoso)


@pytest.mark.parametrize("item", [7, {}, {"id": ""}, {"id": "a\nb"}, {"id": True}])
def test_a_customer_without_a_usable_id_is_a_change(contoso, item):
    contoso.script.on(LIST, page(item))
    with pytest.raises(ProviderChanged, match="list of customers holds an item without a usable `id`"):
        listed(contoso)


@pytest.mark.parametrize(
    ("domain", "custom", "expected"),
    [
        ("contoso.example", ["other.example"], "contoso.example"),
        ("c1.onmicrosoft.com", ["c1.onmicrosoft.com", "contoso.example"], "contoso.example"),
        ("c1.onmicrosoft.com", ["a.example", "b.example"], "c1.onmicrosoft.com"),
        ("c1.onmicrosoft.com", None, "c1.onmicrosoft.com"),
        ("  ", None, None),
    ],
)
def test_the_domain_is_the_customers_own_where_there_is_one(contoso, domain, custom, expected):
    contoso.script.on(LIST, page(customer("A", domain=domain, customDomains=custom)))
    (found,) = contoso.connector().customers()
    assert (found.domain, found.name, found.status) == (expected, "Contoso", "reseller")


def test_a_new_commerce_subscription_says_what_may_still_be_given_back_and_what_is_scheduled(contoso):
    (found,) = owned(
        contoso,
        page(
            {
                "id": "S-1", "offerId": "CFQ7TTC0LH18:0001:CFQ7TTC0K971", "offerName": "Business", "friendlyName": "Ours", "quantity": "12",
                "unitType": "License(s)", "status": "somethingNew", "autoRenewEnabled": "true", "billingType": "license",
                "termDuration": "P1Y", "billingCycle": "monthly", "orderId": "o-1", "migratedFromSubscriptionId": "S-0",
                "creationDate": "2015-11-25T06: 41: 12Z", "effectiveStartDate": "2026-11-01T00:00:00.1234567-07:00",
                "commitmentEndDate": "9999-12-31T23:59:59.9999999-07:00", "cancellationAllowedUntilDate": "2026-11-08T00:00:00Z",
                "refundableQuantity": {"totalQuantity": 4, "details": [{"quantity": 3, "allowedUntilDateTime": "2026-11-08T00:00:00Z"}]},
                "refundOptions": [{"type": "Full", "expiresAt": "0001-01-01T00:00:00"}],
                "scheduledNextTermInstructions": {"product": {"productId": "CFQ7", "skuId": "0002", "termDuration": "P1M"}, "quantity": 8},
            }
        ),
    )  # fmt: skip
    assert (found.id, found.customer_id, found.kind, found.name, found.quantity) == ("S-1", "c-1", "License", "Ours", Decimal(12))
    assert (found.status, found.auto_renew, found.term, found.billing_cycle) == ("somethingNew", True, "P1Y", "monthly")
    assert found.started_at == datetime(2026, 11, 1, 7, 0, 0, 123456, tzinfo=UTC) and found.term_ends_at is None
    assert found.cancellable_until == datetime(2026, 11, 8, tzinfo=UTC)
    assert found.refundable == (
        {"quantity": "3", "until": "2026-11-08T00:00:00+00:00"},
        {"option": "Full", "until": None},
    )
    assert found.scheduled == {"at": "next term", "quantity": "8", "product_id": "CFQ7:0002", "term": "P1M"}
    assert (found.migrated_from_id, found.order_id, found.product_id) == ("S-0", "o-1", "CFQ7TTC0LH18:0001:CFQ7TTC0K971")


def test_an_azure_plan_brings_its_azure_subscriptions_without_seats(contoso):
    entitlements = f"{LIST}/c-1/subscriptions/P-1/azureEntitlements"
    contoso.script.on(entitlements, page({"id": "E-1", "friendlyName": "Dev", "status": "active", "subscriptionId": "p-1"}))
    plan = {"id": "P-1", "offerId": "DZH318Z0BPS6:0001:X", "offerName": "Azure plan", "quantity": 1, "billingType": "usage"}
    found = owned(contoso, page(plan, {"id": "L-1", "billingType": "license", "quantity": None}))
    assert [(one.id, one.kind, one.quantity, one.parent_id, one.name) for one in found] == [
        ("P-1", "Usage", Decimal(1), None, "Azure plan"),
        ("E-1", "Usage", None, "P-1", "Dev"),
        ("L-1", "License", None, None, None),
    ]


def test_a_plan_that_the_provider_knows_no_more_has_no_azure_subscriptions(contoso):
    contoso.script.on(f"{LIST}/c-1/subscriptions/P-1/azureEntitlements", said({"code": 20003}, status=404))
    assert [one.id for one in owned(contoso, page({"id": "P-1", "unitType": "Usage"}))] == ["P-1"]


def test_a_legacy_azure_subscription_is_known_by_both_of_its_ids(contoso):
    legacy = {"id": "S-1", "billingType": "usage", "offerId": "0cca44d6-68e9-4762-94ee-31ece98783b9", "entitlementId": "E-9"}
    assert [(one.id, one.parent_id) for one in owned(contoso, page(legacy))] == [("S-1", None), ("E-9", "S-1")]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (said({"code": 20002, "description": "No commerce relationship."}, status=403), "403 (20002: No commerce relationship.)"),
        (Step(status=404), "404 without a word"),
    ],
)
def test_a_lost_customer_does_not_stop_the_others(contoso, refusal, words):
    contoso.script.on(f"{LIST}/lost/subscriptions", refusal)
    contoso.script.on(f"{LIST}/kept/subscriptions", page({"id": "S-1"}))
    lost, kept = contoso.connector().subscriptions(["lost", "kept"])
    assert lost == CustomerRefused("lost", f"Partner Center answered {words}")
    assert (kept.id, kept.customer_id) == ("S-1", "kept")


@pytest.mark.parametrize(("field", "value"), [("quantity", "many"), ("quantity", "NaN"), ("effectiveStartDate", "soon")])
def test_what_cannot_be_read_is_named_with_its_subscription(contoso, field, value):
    with pytest.raises(ProviderChanged, match=f"`{field}` of subscription S-7"):
        owned(contoso, page({"id": "S-7", field: value}))


def test_a_short_list_of_subscriptions_is_an_error(contoso):
    with pytest.raises(ProviderUnavailable, match="counts 37 subscriptions of a customer but listed only 1"):
        owned(contoso, page({"id": "S-1"}, count=37))
