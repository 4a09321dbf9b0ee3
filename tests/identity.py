"""A provider of identities for tests: OpenID Connect over HTTP with codes, PKCE, nonces and signed tokens; whoever comes chooses who they are.

running(people)     its address; `people` are claims by a name that stands on its page as a button
"""

from __future__ import annotations

import base64
import hashlib
import html
import secrets
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "w365", "only-for-this-test"


class Provider:
    """What it knows: people, codes that were given and not yet taken."""

    def __init__(self, address: str, people: Mapping[str, Mapping[str, Any]]) -> None:
        self.address, self.people = address, people
        self.key = RSAKey.generate_key(2048, {"kid": "test", "alg": "RS256", "use": "sig"})
        self.codes: dict[str, dict[str, str]] = {}
        self.age = 0  # seconds since the sign-in of the next token

    def routes(self) -> list[Route]:
        return [
            Route("/.well-known/openid-configuration", self.metadata),
            Route("/authorize", self.authorize),
            Route("/chosen", self.chosen),
            Route("/token", self.token, methods=["POST"]),
            Route("/jwks", self.jwks),
            Route("/end", self.end),
        ]

    async def metadata(self, _request: Request) -> Response:
        return JSONResponse(
            {
                "issuer": self.address,
                "authorization_endpoint": f"{self.address}/authorize",
                "token_endpoint": f"{self.address}/token",
                "jwks_uri": f"{self.address}/jwks",
                "end_session_endpoint": f"{self.address}/end",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
            }
        )

    async def authorize(self, request: Request) -> Response:
        asked = dict(request.query_params)
        if asked.get("client_id") != CLIENT or asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return Response("a wrong question", status_code=400)
        links = [f'<p><a href="/chosen?{html.escape(urlencode({**asked, "who": who}))}">{html.escape(who)}</a></p>' for who in self.people]
        return HTMLResponse(f"<h1>Who are you?</h1>{''.join(links)}")

    async def chosen(self, request: Request) -> Response:
        asked = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}", status_code=302)

    async def token(self, request: Request) -> Response:
        form = await request.form()
        asked = self.codes.pop(str(form.get("code")), None)
        verifier = str(form.get("code_verifier", ""))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or form.get("redirect_uri") != asked["redirect_uri"]
            or not _is_client(request, form)
        ):
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        issued = int(time.time()) - self.age
        claims = {
            "iss": self.address,
            "aud": CLIENT,
            "iat": issued,
            "exp": int(time.time()) + 300,
            "nonce": asked["nonce"],
            **self.people[asked["who"]],
        }
        token = jwt.encode({"alg": "RS256", "kid": "test"}, claims, self.key)
        return JSONResponse({"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300, "id_token": token})

    async def jwks(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def end(self, request: Request) -> Response:
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], status_code=302)


def _is_client(request: Request, form: Mapping[str, Any]) -> bool:
    basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
    return request.headers.get("authorization") == f"Basic {basic}" or (form.get("client_id"), form.get("client_secret")) == (
        CLIENT,
        SECRET,
    )


@contextmanager
def running(people: Mapping[str, Mapping[str, Any]]) -> Iterator[Provider]:
    """A provider on this machine, until the block ends."""
    listening = socket.create_server(("127.0.0.1", 0))
    provider = Provider(f"http://127.0.0.1:{listening.getsockname()[1]}", people)
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=provider.routes()), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(10)


def settings_for(provider: Provider, public: str) -> dict[str, str]:
    """The environment of an app that people sign in to here."""
    return {
        "W365_OIDC_METADATA_URL": f"{provider.address}/.well-known/openid-configuration",
        "W365_OIDC_CLIENT_ID": CLIENT,
        "W365_OIDC_CLIENT_SECRET": SECRET,
        "W365_PUBLIC_URL": public,
        "W365_COOKIE_SECRET": "a-cookie-secret-that-is-long-enough-for-tests",
    }
