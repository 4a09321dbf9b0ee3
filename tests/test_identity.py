"""Is the tests' own provider of identities one? Asked by another client than the web app: codes are good once, tokens are signed, proofs are checked."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.jwk import KeySet

from tests import identity

BACK = "https://bills.example.com/oauth2callback"


@pytest.fixture
def provider() -> Iterator[identity.Provider]:
    with identity.running({"Ana": {"sub": "a1", "name": "Ana"}}) as made:
        yield made


def chosen(provider: identity.Provider, verifier: str) -> tuple[OAuth2Session, str]:
    """A client, and the address that the provider sends somebody back to who chose to be Ana."""
    client = OAuth2Session(identity.CLIENT, identity.SECRET, scope="openid", redirect_uri=BACK, code_challenge_method="S256")
    address, _ = client.create_authorization_url(f"{provider.address}/chosen", code_verifier=verifier, nonce="n-1", who="Ana")
    return client, requests.get(address, allow_redirects=False, timeout=10).headers["location"]


def test_a_code_becomes_a_signed_token_once(provider: identity.Provider) -> None:
    client, back = chosen(provider, "v" * 48)
    token = client.fetch_token(f"{provider.address}/token", authorization_response=back, code_verifier="v" * 48)
    keys = KeySet.import_key_set(requests.get(f"{provider.address}/jwks", timeout=10).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert (claims["sub"], claims["iss"], claims["aud"], claims["nonce"]) == ("a1", provider.address, identity.CLIENT, "n-1")
    with pytest.raises(OAuthError):
        client.fetch_token(f"{provider.address}/token", authorization_response=back, code_verifier="v" * 48)


def test_a_code_is_worth_nothing_to_whoever_has_not_asked_for_it(provider: identity.Provider) -> None:
    client, back = chosen(provider, "v" * 48)
    with pytest.raises(OAuthError):
        client.fetch_token(f"{provider.address}/token", authorization_response=back, code_verifier="w" * 48)
    assert parse_qs(urlsplit(back).query)["code"]
