"""Are the provider's audit records read a day at a time, each one kept, with the seats before and after where they say them?"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.providers.scripted import Step, said
from w365core.errors import ProviderRefused, ProviderUnavailable
from w365core.providers.contract import DayForgotten, NoEvidence

LIST = "/v1/auditrecords"
DAY = date(2026, 11, 10)


def record(identifier="r-1", **changed):
    told = {
        "id": identifier, "customerId": "c-1", "userPrincipalName": "mara@contoso.example", "resourceType": "subscription",
        "operationType": "update_subscription", "operationDate": "2026-11-10T22:56:05.0589308Z", "operationStatus": "succeeded",
    }  # fmt: skip
    return {name: value for name, value in {**told, **changed}.items() if value is not None}


def page(*items, token=None, count=None):
    links = {} if token is None else {"next": {"uri": "/auditrecords?x", "headers": [{"key": "ms-continuationtoken", "value": token}]}}
    return said({"totalCount": len(items) if count is None else count, "items": list(items), "links": links})


def read(contoso, *steps, days=1):
    contoso.script.on(LIST, *steps)
    return list(contoso.connector().changes(since=DAY - timedelta(days=days - 1), until=DAY))


def keys(**pairs):
    return [{"key": name.replace("_", "-"), "value": value} for name, value in pairs.items()]


def test_each_day_is_asked_for_by_itself_and_goes_on_over_its_pages(contoso):
    found = read(contoso, page(record("a"), token="t1", count=2), page(record("b"), count=2), page(record("c")), days=2)
    assert [one.id for one in found] == ["a", "b", "c"]
    asked = contoso.script.asked_for(LIST)
    days = [(one.query["startDate"], one.query["endDate"], one.header("MS-ContinuationToken")) for one in asked]
    assert days == [("2026-11-09", "2026-11-09", None), ("2026-11-09", "2026-11-09", "t1"), ("2026-11-10", "2026-11-10", None)]


def test_seats_before_and_after_come_from_the_json_texts(contoso):
    old, new = (json.dumps({"Id": "S-1", "Quantity": quantity, "Status": "Active", "OrderId": "o-9"}) for quantity in (10, "12"))
    (found,) = read(contoso, page(record(resourceOldValue=old, resourceNewValue=new)))
    assert (found.subscription_id, found.quantity_before, found.quantity_after) == ("S-1", Decimal(10), Decimal(12))
    assert (found.state_before, found.state_after, found.order_id, found.customer_id) == ("active", "active", "o-9", "c-1")
    assert found.at == datetime(2026, 11, 10, 22, 56, 5, 58930, tzinfo=UTC)
    assert (found.operation, found.status, found.source, found.initiated_by) == (
        "update_subscription", "succeeded", "audit", "mara@contoso.example",
    )  # fmt: skip


def test_a_subscription_that_its_keys_name_too_has_both_sides(contoso):
    old, new = (json.dumps({"Id": "S-1", "Quantity": quantity}) for quantity in (10, None))
    pairs = keys(SubscriptionId_0="S-1", Quantity_0="12")
    (found,) = read(contoso, page(record(resourceOldValue=old, resourceNewValue=new, customizedData=pairs)))
    assert (found.id, found.subscription_id, found.quantity_before, found.quantity_after) == ("r-1", "S-1", Decimal(10), Decimal(12))


def test_a_suspension_says_the_state_on_both_sides(contoso):
    old, new = (json.dumps({"Id": "S-1", "Quantity": 9, "Status": state}) for state in ("active", "suspended"))
    (found,) = read(contoso, page(record(resourceOldValue=old, resourceNewValue=new)))
    assert (found.quantity_before, found.quantity_after, found.state_before, found.state_after) == (9, 9, "active", "suspended")


def test_an_order_of_several_subscriptions_is_a_change_each_with_ids_that_stay(contoso):
    pairs = keys(OrderId="o-1", SubscriptionId_1="S-B", Quantity_1="7", SubscriptionId_0="S-A", Quantity_0="25", PartnerOnRecord_0=None)
    old = json.dumps({"LineItems": [{"SubscriptionId": "s-b", "Quantity": 5}]})
    order = record("r-9", resourceType="order", operationType="update_order", customizedData=pairs, resourceOldValue=old)
    found = read(contoso, page(order))
    assert [(one.id, one.subscription_id, one.quantity_before, one.quantity_after) for one in found] == [
        ("r-9/0", "S-A", None, Decimal(25)),
        ("r-9/1", "S-B", Decimal(5), Decimal(7)),
    ]
    assert {one.order_id for one in found} == {"o-1"}


def test_an_order_without_its_list_of_keys_is_read_from_its_lines(contoso):
    new = json.dumps({"Id": "o-1", "LineItems": [{"LineItemNumber": 0, "SubscriptionId": "S-A", "Quantity": 25}]})
    (found,) = read(contoso, page(record(resourceType="order", operationType="create_order", resourceNewValue=new)))
    assert (found.id, found.subscription_id, found.order_id, found.quantity_before, found.quantity_after) == (
        "r-1", "s-a", "o-1", None, Decimal(25),
    )  # fmt: skip


@pytest.mark.parametrize(
    "said_of_it",
    [
        {"resourceType": "customer", "operationType": "add_customer", "resourceNewValue": '{"Id": "c-7"}'},
        {"resourceType": "license", "operationType": "update_customer_user_licenses", "customizedData": keys(Quantity="3")},
        {"resourceType": None, "operationType": None, "resourceNewValue": "{broken"},
        {"resourceNewValue": '["a list"]', "customizedData": "no list"},
    ],
)
def test_every_record_is_kept_and_what_is_no_seat_has_none(contoso, said_of_it):
    (found,) = read(contoso, page(record(**said_of_it)))
    assert (found.id, found.quantity_before, found.quantity_after) == ("r-1", None, None)
    assert found.operation == (said_of_it.get("operationType", "update_subscription") or "unknown")


def test_a_record_without_an_id_is_known_by_its_content_while_it_is_under_way_and_after(contoso):
    begun, ended, other = (record(None, operationStatus="progress"), record(None), record(None, customerId="c-2"))
    first, second, third = (read(contoso, page(one))[0] for one in (begun, ended, other))
    assert first.id == second.id != third.id and (first.status, second.status) == ("progress", "succeeded")


@pytest.mark.parametrize(
    ("spelled", "status"),
    [("InProgress", "progress"), ("in_progress", "progress"), ("Failed", "failed"), ("odd", "odd"), (None, "unknown")],
)
def test_the_status_has_one_spelling_and_an_unknown_one_is_kept(contoso, spelled, status):
    assert read(contoso, page(record(operationStatus=spelled)))[0].status == status


@pytest.mark.parametrize("text", [None, "yesterday", "0001-01-01T00:00:00Z"])
def test_a_record_without_a_moment_stands_at_its_day(contoso, text):
    assert read(contoso, page(record(operationDate=text)))[0].at == datetime(2026, 11, 10, tzinfo=UTC)


def test_fewer_records_than_counted_are_a_short_read(contoso):
    with pytest.raises(ProviderUnavailable, match="counts 3 audit records of 2026-11-10 but listed only 1"):
        read(contoso, page(record("a"), token="t", count=3), page(record("a"), count=3))


def test_a_day_that_the_provider_has_forgotten_is_said_and_the_others_are_read(contoso):
    first, *others = read(contoso, said({"code": 3000, "description": "too old"}, status=400), page(record("a")), page(), days=91)
    assert first == DayForgotten(DAY - timedelta(days=90)) and [one.id for one in others] == ["a"]


def test_a_refused_young_day_is_an_error_and_a_missing_list_is_no_evidence(contoso):
    with pytest.raises(ProviderRefused, match="audit records of 2026-11-10 "):
        read(contoso, said({"code": 3000, "description": "no"}, status=400))
    with pytest.raises(NoEvidence, match="no audit records at this address"):
        read(contoso, Step(status=404))
    with pytest.raises(ProviderRefused, match="Admin agent"):
        read(contoso, Step(status=403))
