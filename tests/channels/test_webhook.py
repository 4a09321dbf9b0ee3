"""Does a message reach a real HTTP receiver signed, and nobody else?"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.ports import free_port
from tests.providers.scripted import Scripted, Step, scripted
from w365core.channels import webhook
from w365core.channels.outcome import Delivered, Outcome, Postponed, Refused
from w365core.channels.webhook import Notice, Receiver
from w365core.model import Secret

NOW = datetime(2026, 11, 12, 6, tzinfo=UTC)
SECRET = "planted-webhook-secret-Lw90"
NOTICE = Notice(
    "0123abcd@w365.example",
    "invoice_failed",
    "invoice_failed:csp:G1:x",
    "Failed: Müller",
    "text\n",
    {"invoice": {"number": "G1", "total": "1.10"}},
    NOW,
)


@pytest.fixture
def script() -> Iterator[Scripted]:
    with scripted() as served:
        yield served


def post(url: str, *hosts: str, secret: str = SECRET, seconds: float = 5, resolve=None) -> Outcome:
    more = {"resolve": resolve} if resolve else {}
    return webhook.send(Receiver(url, hosts, Secret(secret), seconds), NOTICE, now=NOW, **more)


def test_it_arrives_whole_and_its_signature_is_that_of_its_bytes(script: Scripted) -> None:
    script.on("/hook", Step(status=204))
    assert post(f"{script.url}/hook?token=1") == Delivered()
    (asked,) = script.asked
    assert (asked.method, asked.target, asked.header("Content-Type")) == ("POST", "/hook?token=1", "application/json")
    assert json.loads(asked.body) == {
        "id": NOTICE.id, "kind": NOTICE.kind, "key": NOTICE.key, "subject": NOTICE.subject, "text": NOTICE.text,
        "queued_at": "2026-11-12T06:00:00+00:00", "facts": NOTICE.facts,
    }  # fmt: skip
    timestamp = asked.header("Webhook-Timestamp")
    assert timestamp == str(int(NOW.timestamp())) and asked.header("Webhook-Id") == NOTICE.id
    sealed = hmac.new(SECRET.encode(), f"{timestamp}.".encode() + asked.body, hashlib.sha256).hexdigest()
    assert asked.header("Webhook-Signature") == f"sha256={sealed}"
    assert SECRET not in str(asked.headers) + asked.body.decode()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_receiver_in_trouble_is_asked_again_later(script: Scripted, status: int) -> None:
    script.on("/hook", Step(status=status))
    assert post(f"{script.url}/hook") == Postponed(f"The webhook answered {status}.")


@pytest.mark.parametrize("status", [400, 401, 404, 410])
def test_a_receiver_that_refuses_is_not_asked_again(script: Scripted, status: int) -> None:
    script.on("/hook", Step(status=status))
    assert isinstance(post(f"{script.url}/hook"), Refused)


def test_a_redirect_is_not_followed(script: Scripted) -> None:
    script.on("/hook", Step(status=302, headers={"Location": f"{script.url}/elsewhere"}))
    outcome = post(f"{script.url}/hook")
    assert isinstance(outcome, Refused) and "not followed" in outcome.said and len(script.asked) == 1


def test_nobody_listens_and_nobody_answers(script: Scripted) -> None:
    script.on("/hook", Step(silent=1))
    assert isinstance(post(f"http://127.0.0.1:{free_port()}/hook"), Postponed)
    assert post(f"{script.url}/hook", seconds=0.3) == Postponed("The webhook did not answer within 0.3 seconds.")


def test_an_answer_that_never_ends_is_not_read(script: Scripted) -> None:
    script.on("/hook", Step(status=200, body=b"x" * 10, promised=10**9))
    assert post(f"{script.url}/hook") == Delivered()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://hooks.x.example/h", ("x.example",)),
        ("https://hooks.y.example/h", ("x.example",)),
        ("https://x.example.evil.example/h", ("x.example",)),
        ("https://notx.example/h", ("x.example",)),
        ("https://hooks.x.example/h", ()),
        ("https://hooks.x.example:8443/h", ("x.example",)),
        ("https://ana:secret@hooks.x.example/h", ("x.example",)),
        ("https://10.0.0.7/h", ("10.0.0.7",)),
        ("https://169.254.169.254/latest", ("169.254.169.254",)),
        ("http://127.1/h", ()),
        ("http://[::ffff:127.0.0.1]/h", ()),
        ("file:///etc/passwd", ()),
        ("https://hooks.x.example\\@evil.example/", ("x.example",)),
    ],
)
def test_an_address_that_is_not_listed_or_not_private_is_sent_nothing(url: str, hosts: tuple[str, ...]) -> None:
    asked: list[str] = []
    outcome = post(url, *hosts, resolve=lambda host, port: asked.append(host) or [])
    assert isinstance(outcome, Postponed) and "Nothing was sent there" in outcome.said and not asked and "secret" not in outcome.said


def test_a_listed_name_that_leads_into_our_own_network_is_refused() -> None:
    outcome = post("https://hooks.x.example/h", "x.example", resolve=lambda host, port: ["10.0.0.7"])
    assert isinstance(outcome, Refused) and "private" in outcome.said


def test_without_a_secret_nothing_is_posted(script: Scripted) -> None:
    outcome = post(f"{script.url}/hook", secret="")
    assert isinstance(outcome, Postponed) and "W365_WEBHOOK_SECRET" in outcome.said and not script.asked


def test_another_body_or_time_has_another_signature() -> None:
    bodies = [webhook.body(NOTICE), webhook.body(replace(NOTICE, text="other\n"))]
    assert len({webhook.signature(Secret(SECRET), time, body) for time in ("1", "2") for body in bodies}) == 4
