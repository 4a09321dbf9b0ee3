"""The only reader of the environment: one frozen Settings per process.

DATABASE_URL        the Postgres to use; unset: the embedded one under W365_HOME
W365_HOME           where the embedded database, landed answers and keys live
W365_NOW            the clock of a command (ISO time), for tests and demos
W365_HTTP_TIMEOUT, W365_HTTP_TRIES, W365_POLL     seconds, count, seconds: bounds on waiting for a provider
W365_SWEEP          seconds of silence after which a worker counts as dead and its jobs are run again
W365_PG_OSUSER      the account that runs the embedded server when we are root
W365_SECRET_<NAME>, W365_REFRESH_<NAME>           a provider's secret; never stored, printed or logged
W365_LOG            json: what happens is told as one JSON document a line; unset: in sentences
W365_SMTP_PASSWORD  the password of mail_user at the mail server; never stored, printed or logged
W365_WEBHOOK_SECRET what each message to the webhook is signed with; never stored, printed or logged
W365_KEY            what stored tokens are encrypted with; unset: a key file under W365_HOME, made when it is first needed
W365_NEW_KEY        what `rotate-key` encrypts them with from now on; unset: a new key file in the place of the old one
W365_OIDC_METADATA_URL, W365_OIDC_CLIENT_ID, W365_OIDC_CLIENT_SECRET, W365_PUBLIC_URL     sign-in for the web app; without them it is for one person
W365_OIDC_ROLE_CLAIM, W365_SIGN_IN_HOURS, W365_COOKIE_SECRET     which claim gives a role, how long a sign-in lasts, what its cookie is signed with
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from w365core.errors import ConfigurationMissing
from w365core.model import Secret

LOOPBACK = ("127.0.0.1", "localhost", "::1")
KEY_FILE = "token.key"
_SECRET_NAME = re.compile(r"W365_(SECRET_|REFRESH_|KEY$|\w*(PASSWORD|SECRET)$)")
_LEAST_HIDDEN = 4  # what is shorter hides nothing, and would blank ordinary words
COOKIE_FILE = "cookie.key"
_SIGN_IN = ("W365_OIDC_METADATA_URL", "W365_OIDC_CLIENT_ID", "W365_OIDC_CLIENT_SECRET", "W365_PUBLIC_URL")


@dataclass(frozen=True)
class Settings:
    home: Path
    database_url: str | None = None
    now: datetime | None = None
    http_timeout: float = 100.0
    http_tries: int = 6
    poll: float = 10.0
    sweep: float = 30.0
    pg_osuser: str = "w365pg"
    role_claim: str = ""
    sign_in_hours: float = 12.0
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def landing(self) -> Path:
        return self.home / "landing"

    def provider_secret(self, provider_name: str) -> Secret:
        """The provider's client secret. ConfigurationMissing names the variable to set."""
        variable = secret_variable(provider_name)
        value = self.environment.get(variable, "")
        if not value:
            raise ConfigurationMissing(
                f"The secret of provider {provider_name} is not set. Put it into the environment variable {variable} and run the command again."
            )
        return Secret(value)

    def refresh_token(self, provider_name: str) -> Secret:
        """The provider's first refresh token; blank where the environment has none."""
        return Secret(self.environment.get(secret_variable(provider_name, "REFRESH"), "").strip())

    def smtp_password(self) -> Secret:
        """The password at the mail server; blank where the environment has none."""
        return Secret(self.environment.get("W365_SMTP_PASSWORD", ""))

    def webhook_secret(self) -> Secret:
        """What is signed with; blank where the environment has none."""
        return Secret(self.environment.get("W365_WEBHOOK_SECRET", "").strip())

    def token_key(self) -> Secret:
        """What stored tokens are encrypted with: W365_KEY, else the key file. ConfigurationMissing where neither can be used."""
        return Secret(self.environment.get("W365_KEY", "")) or key_of(self.home / KEY_FILE)

    @property
    def key_is_of_environment(self) -> bool:
        """Whether W365_KEY is set, so that the key file says nothing."""
        return bool(self.environment.get("W365_KEY", ""))

    def new_key(self) -> Secret:
        """What a rotation goes over to, where the environment says; blank where a new key file is to be made."""
        return Secret(self.environment.get("W365_NEW_KEY", ""))

    def sign_in(self) -> dict[str, str] | None:
        """What Streamlit is told of the provider of identities, as its section `auth`; None where nothing is set. ConfigurationMissing where half is."""
        found = {name: self.environment.get(name, "").strip() for name in _SIGN_IN}
        lacking = [name for name, value in found.items() if not value]
        if len(lacking) == len(_SIGN_IN):
            return None
        if lacking:
            raise ConfigurationMissing(f"Sign-in is set up by half: set {' and '.join(lacking)} too, or unset the others.")
        metadata, client, secret, public = found.values()
        for name, address in (("W365_OIDC_METADATA_URL", metadata), ("W365_PUBLIC_URL", public)):
            if not _is_safe(address):
                raise ConfigurationMissing(f"{name} is {address!r}; write an https address (plain http on this machine alone).")
        return {
            "redirect_uri": f"{public.rstrip('/')}/oauth2callback",
            "cookie_secret": self.environment.get("W365_COOKIE_SECRET", "") or key_of(self.home / COOKIE_FILE).reveal(),
            "client_id": client,
            "client_secret": secret,
            "server_metadata_url": metadata,
        }


def _is_safe(address: str) -> bool:
    """Whether nobody on the way can read along."""
    parts = urlsplit(address)
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK))


def secret_variable(provider_name: str, kind: str = "SECRET") -> str:
    """W365_SECRET_CSP_DEMO for csp-demo."""
    return f"W365_{kind}_{provider_name.upper().replace('-', '_')}"


def key_of(path: Path) -> Secret:
    """The key in the file, which is made whole or not at all, for its owner's eyes only. ConfigurationMissing where it cannot be used."""
    try:
        if not path.exists():
            _make_key(path)
        loose = os.name != "nt" and path.stat().st_mode & 0o077
        key = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise ConfigurationMissing(
            f"The key file {path} cannot be used ({getattr(error, 'strerror', None) or 'it is no text'}). Give access to it, or set W365_KEY."
        ) from None
    if loose:
        raise ConfigurationMissing(f"The key file {path} may be read by others: run `chmod 600 {path}`, or set W365_KEY.")
    if not key:
        raise ConfigurationMissing(f"The key file {path} is empty: restore it from a backup, or set W365_KEY.")
    return Secret(key)


def _make_key(path: Path) -> None:
    """Written aside, then linked into place, which fails where another process was first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def compute_in_one_thread() -> None:
    """Keeps numpy from starting a thread per processor for algebra that nobody here asks of it, unless the environment says how many. To be called before
    numpy is loaded: the threads cost a command a tenth of a second."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def read(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from the environment. ConfigurationMissing where a value cannot be read."""
    env = dict(os.environ if environment is None else environment)
    return Settings(
        home=Path(env.get("W365_HOME") or default_home(env)).expanduser().absolute(),
        database_url=env.get("DATABASE_URL") or None,
        now=_moment(env, "W365_NOW"),
        http_timeout=_number(env, "W365_HTTP_TIMEOUT", 100.0, least=0.1),
        http_tries=int(_number(env, "W365_HTTP_TRIES", 6, least=1)),
        poll=_number(env, "W365_POLL", 10.0, least=0.01),
        sweep=_number(env, "W365_SWEEP", 30.0, least=1),
        pg_osuser=env.get("W365_PG_OSUSER") or "w365pg",
        role_claim=env.get("W365_OIDC_ROLE_CLAIM", "").strip(),
        sign_in_hours=_number(env, "W365_SIGN_IN_HOURS", 12.0, least=0.01),
        environment=env,
    )


def logs_json() -> bool:
    """Whether what happens is told as JSON; asked before the rest of the environment can be read."""
    return os.environ.get("W365_LOG", "").strip().lower() == "json"


def secret_values(environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Every value that no log may hold, the longest first: secrets, tokens, keys, and the password of the database."""
    env = os.environ if environment is None else environment
    found = {value.strip() for name, value in env.items() if _SECRET_NAME.match(name)}
    given = re.match(r"[^:]+://[^:/@]*:(.+)@", env.get("DATABASE_URL", ""))
    found |= {given[1], unquote(given[1])} if given else set()
    parts = {part for value in found for part in value.split(":") if ":" in value}
    return tuple(sorted((value for value in found | parts if len(value) >= _LEAST_HIDDEN), key=len, reverse=True))


def default_home(env: Mapping[str, str]) -> str:
    """The platform's data folder; for root a folder that the database's own account can reach."""
    if os.name == "nt":
        return os.path.join(env.get("LOCALAPPDATA", os.path.expanduser("~")), "w365")
    if os.geteuid() == 0:
        return "/var/lib/w365"
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/w365")
    return os.path.join(env.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share"), "w365")


def _number(env: Mapping[str, str], name: str, default: float, *, least: float) -> float:
    text = env.get(name)
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = least - 1
    if not least <= number < 1e6:
        raise ConfigurationMissing(f"{name} is {text!r}; set it to a number of at least {least:g}, or unset it.")
    return number


def _moment(env: Mapping[str, str], name: str) -> datetime | None:
    text = env.get(name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationMissing(f"{name} is {text!r}; set it to an ISO time such as 2026-11-21T06:00:00+00:00, or unset it.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
