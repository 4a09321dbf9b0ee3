"""How is a token kept that must outlive this process? Encrypted, with a key that is not where the token is.

Any text is a key: each sealing derives its own from it and a fresh salt, which stands in front of what was sealed.
"""

from __future__ import annotations

import base64
import hashlib
import secrets

from cryptography.fernet import Fernet, InvalidToken

from w365core.model import Secret

_SALT_BYTES = 16
_COST = {"n": 2**14, "r": 8, "p": 1, "maxmem": 64 * 2**20}


class WrongKey(Exception):
    """It was sealed with another key, or is damaged."""


class Vault:
    """Seals and opens with one key."""

    def __init__(self, key: Secret) -> None:
        self._key = key

    def seal(self, token: Secret) -> bytes:
        salt = secrets.token_bytes(_SALT_BYTES)
        return salt + self._cipher(salt).encrypt(token.reveal().encode())

    def open(self, sealed: bytes) -> Secret:
        """WrongKey where it cannot be."""
        try:
            return Secret(self._cipher(sealed[:_SALT_BYTES]).decrypt(sealed[_SALT_BYTES:]).decode())
        except (InvalidToken, UnicodeDecodeError):
            raise WrongKey from None

    def _cipher(self, salt: bytes) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(hashlib.scrypt(self._key.reveal().encode(), salt=salt, dklen=32, **_COST)))
