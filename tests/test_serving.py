"""Who reaches the app at all, what do answers say to browsers, and does a sign-in lead back to the page that was asked for?"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests import identity
from w365core import serving, settings
from w365core.errors import ConfigurationMissing
from w365core.serving import Guarded

ROOT = Path(__file__).resolve().parents[1]
HERE, ABROAD = ("127.0.0.1", 8501), ("192.0.2.7", 8501)
SIGNED_IN = (b"set-cookie", b"_streamlit_user=abc; Path=/; HttpOnly")


def answered(
    path: str = "/",
    *,
    server: Any = HERE,
    shared: bool = True,
    public: str = "https://bills.example.com",
    status: int = 200,
    kind: str = "http",
    **asked: str,
) -> tuple[int, list[tuple[str, str]]]:
    """Status and headers of what comes out; what is behind answers with `status`, to "/", and signs in where the way back is asked for."""

    async def behind(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.accept"})
        headers = [(b"location", b"/"), *([SIGNED_IN] if scope["path"] == "/oauth2callback" and "failed" not in asked else [])]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    headers = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in asked.items()]
    scope = {"type": kind, "path": path, "server": server, "headers": headers}
    with ThreadPoolExecutor(1) as beside:  # a browser test of the same process may have left a loop running in this thread
        beside.submit(asyncio.run, Guarded(behind, shared=shared, public=public)(scope, None, send)).result()
    if kind == "websocket":
        return (101 if said[0]["type"] == "websocket.accept" else 403), []
    return said[0]["status"], [(name.decode(), value.decode()) for name, value in said[0]["headers"]]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_without_sign_in_nothing_answers_what_came_in_from_elsewhere(kind: str) -> None:
    assert answered(server=ABROAD, shared=False, kind=kind)[0] == 403
    assert answered(server=HERE, shared=False, kind=kind)[0] in (200, 101)
    assert answered(server=("::1", 1, 0, 0), shared=False, kind=kind)[0] in (200, 101)
    assert answered(server=ABROAD, shared=True, kind=kind)[0] in (200, 101)


@pytest.mark.parametrize("address", ["0.0.0.0", "", None, "::", "192.0.2.7", "bills.example.com"])
def test_without_sign_in_the_app_starts_on_loopback_alone(address: str | None) -> None:
    with pytest.raises(ConfigurationMissing, match="let in whoever comes"):
        serving.refuse_open(address, shared=False)
    serving.refuse_open(address, shared=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.0.1.1"])
def test_loopback_needs_no_sign_in(address: str) -> None:
    serving.refuse_open(address, shared=False)


def test_the_app_itself_does_not_start_open_to_whoever_comes(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("W365_", "STREAMLIT_"))}
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", "0", "--server.address", "0.0.0.0"]
    ended = subprocess.run(
        command, cwd=ROOT, env=kept | {"W365_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 4
    assert "let in whoever comes" in ended.stderr and "Traceback" not in ended.stderr


def test_every_answer_says_what_browsers_may_do_with_it() -> None:
    said = dict(answered("/healthz")[1])
    assert {name: said[name] for name in serving.HEADERS} == serving.HEADERS
    assert "frame-ancestors 'none'" in said["content-security-policy"] and "http:" not in said["content-security-policy"]
    assert said["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in dict(answered("/healthz", public="http://127.0.0.1:8501")[1])


def test_cookies_go_over_a_safe_line_alone_where_there_is_one() -> None:
    cookies = [value for name, value in answered("/oauth2callback", status=302)[1] if name == "set-cookie"]
    assert cookies and all(value.endswith("; Secure") for value in cookies)
    assert not any(
        "Secure" in value for name, value in answered("/oauth2callback", status=302, public="http://127.0.0.1:1")[1] if name == "set-cookie"
    )


# --- the way back ------------------------------------------------------------------------------------------------------------------------


def remembered(referer: str, **more: Any) -> str | None:
    """The cookie that a sign-in from this page sets."""
    found = [
        value
        for name, value in answered("/auth/login", status=302, referer=referer, host="bills.example.com", **more)[1]
        if name == "set-cookie"
    ]
    return found[0].split(";")[0] if found else None


def led_to(cookie: str, **more: Any) -> str:
    return dict(answered("/oauth2callback", status=302, cookie=cookie, **more)[1])["location"]


@pytest.mark.parametrize(
    "page", ["/", "/tolerance", "/invoices?invoice=7&lines=usage", "/reconciliation?customer=Grün%20%26%20gut&month=2026-11"]
)
def test_a_sign_in_leads_back_to_the_page_that_it_began_on(page: str) -> None:
    page = page.replace("ü", "%C3%BC")
    cookie = remembered(f"https://bills.example.com{page}")
    assert led_to(f"other=1; {cookie}") == page


@pytest.mark.parametrize(
    "referer", ["https://evil.example/x", "", "https://bills.example.com.evil.example/x", "nonsense", "//evil.example"]
)
def test_a_page_of_somebody_else_is_not_remembered(referer: str) -> None:
    assert remembered(referer) is None


@pytest.mark.parametrize(
    "cookie",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/x%0d%0aset-cookie: a=b",
        "/auth/logout",
        "/oauth2callback",
        "x" * 2000,
        "",
    ],
)
def test_a_forged_cookie_leads_nowhere_else(cookie: str) -> None:
    assert led_to(f"w365_wanted={cookie}") == "/"


def test_a_sign_in_that_failed_leads_to_the_first_page() -> None:
    assert led_to("w365_wanted=/tolerance", failed="yes") == "/"


# --- what is set -------------------------------------------------------------------------------------------------------------------------


def told(**changed: str) -> settings.Settings:
    provider = identity.Provider("https://login.example.com", {})
    return settings.read(identity.settings_for(provider, "https://bills.example.com/") | changed)


def test_what_is_set_becomes_what_streamlit_is_told() -> None:
    auth = told().sign_in()
    assert auth["redirect_uri"] == "https://bills.example.com/oauth2callback"
    assert auth["server_metadata_url"] == "https://login.example.com/.well-known/openid-configuration"
    assert settings.read({}).sign_in() is None


@pytest.mark.parametrize("variable", ["W365_OIDC_METADATA_URL", "W365_OIDC_CLIENT_ID", "W365_OIDC_CLIENT_SECRET", "W365_PUBLIC_URL"])
def test_a_sign_in_by_half_is_refused_and_names_what_is_lacking(variable: str) -> None:
    with pytest.raises(ConfigurationMissing, match=variable):
        told(**{variable: ""}).sign_in()


@pytest.mark.parametrize("address", ["http://login.example.com/x", "login.example.com", "ftp://127.0.0.1/"])
def test_nobody_signs_in_over_an_open_line(address: str) -> None:
    with pytest.raises(ConfigurationMissing, match="write an https address"):
        told(W365_OIDC_METADATA_URL=address).sign_in()


def test_the_cookie_is_signed_with_the_same_secret_after_a_restart(tmp_path: Path) -> None:
    one, other = (told(W365_COOKIE_SECRET="", W365_HOME=str(tmp_path)).sign_in() for _ in range(2))
    assert one["cookie_secret"] == other["cookie_secret"] and len(one["cookie_secret"]) > 30
    assert (tmp_path / settings.COOKIE_FILE).stat().st_mode & 0o077 == 0
