"""Does a sign-in by code wait as it is told to, end as the person ends it, and show its tokens to nobody?"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.providers.scripted import SECRET, TOKEN_PATH, Scripted, Step, said
from w365core.errors import ProviderChanged, ProviderRefused, ProviderUnavailable
from w365core.model import Answer, Provider, ProviderType, Secret
from w365core.providers import personal
from w365core.providers.contract import Patience
from w365core.providers.device_code import SCOPE, Granted, SignInOver

CODE_PATH = "/contoso.example/oauth2/v2.0/devicecode"
REFRESH = "planted-refresh-of-a-person"
ASKED = {
    "device_code": "d-1",
    "user_code": "ABCD-1234",
    "verification_uri": "https://microsoft.com/devicelogin",
    "expires_in": 900,
    "interval": 5,
}
PENDING = said({"error": "authorization_pending"}, 400)
SLOWER = said({"error": "slow_down"}, 400)


def granted(number: int = 1, **more: object) -> Step:
    claims = base64.urlsafe_b64encode(json.dumps({"preferred_username": "ann@contoso.example"}).encode()).decode().rstrip("=")
    tokens = {"access_token": f"person-{number}", "refresh_token": f"{REFRESH}-{number}", "id_token": f"e30.{claims}.x"}
    return said({"token_type": "Bearer", "expires_in": 3599} | tokens | more)


def refused(error: str, code: str = "") -> Step:
    return said({"error": error, "error_description": f"{code}: never show this"}, 400)


@dataclass
class Person:
    """Somebody who signs in at the scripted server; time passes only while we sleep."""

    script: Scripted
    secret: str = SECRET
    poll: float = 10.0
    slept: list[float] = field(default_factory=list)
    kept: list[Answer] = field(default_factory=list)
    given: list[str] = field(default_factory=list)

    @property
    def _clockwork(self) -> dict:
        return {"sleep": self.slept.append, "clock": lambda: sum(self.slept)}

    @property
    def _provider(self) -> Provider:
        url = self.script.url
        return Provider(
            "contoso-csp", ProviderType.PARTNER_CENTER, tenant_id="contoso.example", client_id="app-7", api_url=url, login_url=url
        )

    def sign_in(self) -> Granted:
        patience = Patience(timeout=3, tries=2, poll=self.poll)
        flow = personal.signing_in(self._provider, secret=Secret(self.secret), patience=patience, **self._clockwork)
        return flow.wait(flow.ask())

    def connector(self) -> personal.PersonalConnector:
        def rotation(exchange):
            done = exchange(Secret(self.given[-1] if self.given else REFRESH))
            self.given.append(done.refresh.reveal() if done.refresh else "")
            return done

        patience = Patience(timeout=3, tries=2)
        told = {"secret": Secret(self.secret), "patience": patience, "keep": self.kept.append, "rotation": rotation}
        return personal.personal(self._provider, **told, **self._clockwork)

    def forms(self) -> list[dict[str, str]]:
        return [{name: values[0] for name, values in parse_qs(asked.body.decode()).items()} for asked in self.script.asked_for(TOKEN_PATH)]


@pytest.fixture
def person(script: Scripted) -> Person:
    script.on(CODE_PATH, said(ASKED))
    return Person(script)


def test_it_asks_at_the_interval_it_was_given_and_slower_when_it_is_told_to(person: Person) -> None:
    person.script.on(TOKEN_PATH, PENDING, SLOWER, PENDING, SLOWER, granted())
    done = person.sign_in()
    assert person.slept == [5, 5, 10, 10, 15]
    assert (done.who, done.refresh.reveal(), done.seconds) == ("ann@contoso.example", f"{REFRESH}-1", 3599)
    (asked,) = person.script.asked_for(CODE_PATH)
    assert {name: values[0] for name, values in parse_qs(asked.body.decode()).items()} == {"client_id": "app-7", "scope": SCOPE}
    assert {"offline_access", "https://api.partnercenter.microsoft.com/.default"} <= set(SCOPE.split())
    wanted = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "d-1",
        "client_id": "app-7",
        "client_secret": SECRET,
    }
    assert person.forms() == [wanted] * 5


def test_a_short_poll_shortens_the_waiting_in_proportion(person: Person) -> None:
    person.poll = 0.02
    person.script.on(TOKEN_PATH, SLOWER, granted())
    person.sign_in()
    assert person.slept == [0.02, 0.04]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (refused("expired_token", "AADSTS70020"), "before the code ran out.*provider sign-in contoso-csp"),
        (refused("authorization_declined"), "was declined"),
        (refused("access_denied"), "was declined"),
        (refused("invalid_client", "AADSTS7000215"), "AADSTS7000215.*W365_SECRET_CONTOSO_CSP"),
        (refused("unauthorized_client", "AADSTS7000218"), "AADSTS7000218.*allows public client flows"),
        (Step(status=401), "401 without a reason"),
        (Step(status=307, headers={"Location": "https://evil.example"}), "redirect"),
    ],
)
def test_it_ends_as_the_person_or_microsoft_ends_it(person: Person, step: Step, words: str) -> None:
    person.script.on(TOKEN_PATH, PENDING, step)
    with pytest.raises(ProviderRefused, match=words) as refusal:
        person.sign_in()
    assert "never show this" not in str(refusal.value) and refusal.value.exit_code == 3


def test_nobody_waits_longer_than_the_code_is_good_for(person: Person) -> None:
    person.script.on(CODE_PATH, said(ASKED | {"expires_in": 12}))
    person.script.on(TOKEN_PATH, PENDING)
    with pytest.raises(ProviderRefused, match="before the code ran out"):
        person.sign_in()
    assert person.slept == [5, 5]


def test_a_public_app_shows_no_secret(person: Person) -> None:
    person.script.on(
        TOKEN_PATH, said({"error": "invalid_client", "error_description": "AADSTS700025: Client is public"}, 401), PENDING, granted()
    )
    person.sign_in()
    assert ["client_secret" in form for form in person.forms()] == [True, False, False]
    person.secret = ""
    person.sign_in()
    assert "client_secret" not in person.forms()[-1]


@pytest.mark.parametrize(
    "changed", [{"user_code": "\x1b[2Jboo"}, {"verification_uri": "javascript:alert(1)"}, {"device_code": 7}, {"user_code": None}]
)
def test_a_code_that_cannot_be_shown_is_a_change(person: Person, changed: dict) -> None:
    person.script.on(CODE_PATH, said(ASKED | changed))
    with pytest.raises(ProviderChanged):
        person.sign_in()
    assert person.forms() == []


def test_the_refresh_token_slides_and_nothing_of_the_sign_in_is_kept(person: Person, tmp_path: Path) -> None:
    person.script.on(TOKEN_PATH, granted(1), granted(2, refresh_token=None), granted(3))
    person.script.on("/v1/invoices/G1", said({"id": "G1", "pdfDownloadLink": "/invoices/G1/documents/statement"}))
    person.script.on("/v1/invoices/G1/documents/statement", Step(body=b"%PDF-1.7 x"))
    person.connector().pdf("G1", tmp_path / "g1.pdf")
    assert (tmp_path / "g1.pdf").read_bytes() == b"%PDF-1.7 x"
    assert [form.get("refresh_token") for form in person.forms()] == [REFRESH]
    assert person.given == [f"{REFRESH}-1"]
    (asked,) = person.script.asked_for("/v1/invoices/G1")
    assert (asked.header("Authorization"), asked.header("ValidateMfa")) == ("Bearer person-1", "true")
    assert person.script.asked[-1].header("Authorization") == "Bearer person-1"
    assert [answer.content for answer in person.kept] == [b'{"id": "G1", "pdfDownloadLink": "(cut)"}']
    with pytest.raises(ProviderChanged, match="refresh_token"):
        person.connector().pdf("G1", tmp_path / "g2.pdf")


def test_a_signed_link_gets_no_token_and_is_written_down_nowhere(person: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    person.script.on(TOKEN_PATH, granted())
    link = f"{person.script.url}/docs/g1.pdf?sv=1&sig=planted-signature"
    person.script.on("/v1/invoices/G1", said({"id": "G1", "pdfDownloadLink": link}, isMfaCompliant="false"))
    person.script.on("/docs/g1.pdf", Step(body=b"%PDF-1.7 y"))
    assert person.connector().pdf("G1", tmp_path / "g1.pdf") is False
    (asked,) = person.script.asked_for("/docs/g1.pdf")
    assert asked.header("Authorization") is None and asked.query == {"sv": "1", "sig": "planted-signature"}
    assert not any(b"planted" in answer.content or "planted" in answer.url for answer in person.kept)
    assert "planted-signature" not in caplog.text


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/g1.pdf",
        "http://169.254.169.254/x",
        "//evil.example/x",
        "https://blob.core.windows.net.evil.example/x",
        "file:///etc/passwd",
    ],
)
def test_a_link_elsewhere_is_refused_and_no_file_is_left(person: Person, tmp_path: Path, link: str) -> None:
    person.script.on(TOKEN_PATH, granted())
    person.script.on("/v1/invoices/G1", said({"id": "G1", "pdfDownloadLink": link}))
    with pytest.raises(ProviderRefused, match="refused"):
        person.connector().pdf("G1", tmp_path / "g1.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("document", "statement", "error", "words"),
    [
        (said({"id": "G1"}), Step(), ProviderUnavailable, "no PDF of invoice G1 yet"),
        (said({"id": "G1", "pdfDownloadLink": "/invoices/G1/x"}), Step(body=b"<html>"), ProviderChanged, "something else than a PDF"),
        (
            said({"id": "G1", "pdfDownloadLink": "/invoices/G1/x"}),
            Step(status=403),
            ProviderRefused,
            "signed-in person with the Admin agent",
        ),
        (said({"code": "900421"}, 401), Step(), ProviderRefused, "made without MFA.*provider sign-in contoso-csp"),
        (Step(status=401, headers={"isMfaCompliant": "false"}), Step(), ProviderRefused, "again with MFA"),
        (Step(status=403), Step(), ProviderRefused, "signed-in person with the Admin agent"),
        (Step(status=401), Step(), ProviderRefused, "also with a new token"),
        (Step(status=404), Step(), ProviderRefused, "not found"),
    ],
)
def test_a_pdf_that_cannot_be_had_leaves_no_file(person: Person, tmp_path: Path, document, statement, error, words: str) -> None:
    person.script.on(TOKEN_PATH, granted())
    person.script.on("/v1/invoices/G1", document)
    person.script.on("/v1/invoices/G1/x", statement)
    with pytest.raises(error, match=words):
        person.connector().pdf("G1", tmp_path / "g1.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("step", "proved"),
    [
        (said({"items": []}, isMfaCompliant="true"), True),
        (said({"items": []}, isMfaCompliant="false"), False),
        (said({"items": []}), None),
        (said({"code": 900421}, 401), False),
    ],
)
def test_partner_center_is_asked_whether_the_second_factor_was_there(person: Person, step: Step, proved: bool | None) -> None:
    person.script.on(TOKEN_PATH, granted())
    person.script.on("/v1/invoices", step)
    assert person.connector().has_second_factor() is proved


@pytest.mark.parametrize(("error", "words"), [("invalid_grant", "no longer takes"), ("interaction_required", "again, with MFA")])
def test_a_sign_in_that_is_over_says_so(person: Person, error: str, words: str) -> None:
    person.script.on(TOKEN_PATH, refused(error, "AADSTS700082"))
    with pytest.raises(SignInOver, match=rf"{words}.*provider sign-in contoso-csp|AADSTS700082.*{words}"):
        person.connector().document("G1")
