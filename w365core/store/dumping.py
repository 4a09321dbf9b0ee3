"""How does the whole database get into a file, and out of it? By Postgres' own programs, and with a digest of every table to compare by.

    holding        the digests of all tables, and a snapshot of just these rows for `dump`, for the length of a block
    dump, restore  our schema into a file of pg_dump, and such a file into an empty database: whole, or nothing of it
    clients        the folder with pg_dump and pg_restore that fit the server

A password travels in the environment of these programs, never among their arguments.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import URL

from w365core.errors import AlreadyRunning, ConfigurationMissing, StoreUnavailable
from w365core.store import embedded_account, engine as store_engine, rebuilding
from w365core.store.rebuilding import BESIDE, Digest

_DEBIAN = Path("/usr/lib/postgresql")
_ALONE = "w365 backup"  # held by a backup, and by whoever takes landed files away


@dataclass(frozen=True)
class Held:
    """What the database holds at one moment. `snapshot` is what `dump` reads by."""

    snapshot: str
    postgres: str
    tables: dict[str, Digest]


@contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """While a backup is made, nothing is taken away from under it. AlreadyRunning while somebody else is at it."""
    with engine.connect() as connection:
        if not store_engine.lock(connection, _ALONE):
            raise AlreadyRunning("A backup is being made, or old data are being removed, right now; wait until that has ended.")
        connection.commit()
        yield  # the lock ends with the connection


@contextmanager
def holding(engine: Engine) -> Iterator[Held]:
    """One moment of the database, for as long as the block lasts; others go on working."""
    with engine.connect() as connection:
        connection.execute(text("set transaction isolation level repeatable read, read only"))
        snapshot = connection.execute(text("select pg_export_snapshot()")).scalar_one()
        yield Held(snapshot, server_version(connection), digests(connection))


def server_version(connection: Connection) -> str:
    return connection.execute(text("select split_part(current_setting('server_version'), ' ', 1)")).scalar_one()


def digests(connection: Connection) -> dict[str, Digest]:
    """Of every table in our schema, by name; partitions count to their table."""
    connection.execute(text("set local time zone 'UTC'"))
    names = connection.execute(
        text(
            "select oid::regclass::text from pg_class where relnamespace = to_regnamespace(current_schema()) and relkind in ('r', 'p') "
            "and not relispartition order by relname"
        )
    ).scalars()
    return {name: rebuilding.digest(connection, name) for name in names.all()}


def is_empty(connection: Connection) -> bool:
    """Whether our schema holds no table yet."""
    return not digests(connection)


def dump(url: URL, held: Held, to: Path, *, programs: Path, environment: Mapping[str, str]) -> None:
    """Writes the moment that is held. StoreUnavailable with the program's own reason where it fails."""
    options = (
        "--format=custom",
        "--no-owner",
        "--no-privileges",
        f"--exclude-schema={BESIDE}",
        f"--snapshot={held.snapshot}",
        "--no-password",
    )
    _run(
        programs / "pg_dump",
        *options,
        f"--file={to}",
        url=url,
        environment=environment,
        failed="The database could not be written to a file",
    )


def restore(url: URL, source: Path, *, programs: Path, environment: Mapping[str, str]) -> None:
    """Into a database that is empty, in one transaction. StoreUnavailable with the program's own reason where it fails."""
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges", "--no-password")
    _run(programs / "pg_restore", *options, str(source), url=url, environment=environment, failed="The database could not be restored")


def clients(server: str, *, embedded: bool) -> Path:
    """Those of the server's own major version where they are found, else the next newer ones. ConfigurationMissing says what to install."""
    if embedded:
        return embedded_account.wheel_programs()
    major = int(server.split(".")[0])
    found = {version: folder for folder in reversed(_folders(major)) if (version := _version(folder)) is not None and version >= major}
    if not found:
        raise ConfigurationMissing(
            f"The database is Postgres {server}, and no pg_dump of that version or a newer one was found; install it (Debian: apt-get install "
            f"postgresql-client-{major}), or make a backup by your own tools and copy the landing folder after it."
        )
    return found[min(found)]


def _folders(major: int) -> list[Path]:
    """Where to look, the best first."""
    on_path = shutil.which("pg_dump")
    folders = [_DEBIAN / str(major) / "bin", *([Path(on_path).parent] if on_path else []), *sorted(_DEBIAN.glob("*/bin"))]
    try:
        return [*folders, embedded_account.wheel_programs()]
    except ConfigurationMissing:
        return folders


def _version(folder: Path) -> int | None:
    """The major version of the programs there; None where they do not work."""
    try:
        said = [
            subprocess.run([folder / name, "--version"], check=True, capture_output=True, text=True).stdout
            for name in ("pg_dump", "pg_restore")
        ]
    except (OSError, subprocess.CalledProcessError):
        return None
    found = [re.search(r"(\d+)[.\d]*", one) for one in said]
    return min(int(one[1]) for one in found if one) if all(found) else None


def _run(program: Path, *options: str, url: URL, environment: Mapping[str, str], failed: str) -> None:
    address = url.set(drivername="postgresql", password=None)
    given = url.password or address.query.get("password")
    address = address.set(query={name: value for name, value in address.query.items() if name != "password"})
    told = {name: value for name, value in environment.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    told |= {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"} | ({"PGPASSWORD": str(given)} if given else {})
    command = [str(program), *options[:-1], f"--dbname={address.render_as_string(hide_password=False)}", options[-1]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env=told, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise StoreUnavailable(f"{failed}: {_reason(done.stderr)}. Put that right and run the command again.")


def _reason(said: str) -> str:
    """The line that tells most, without the program's name."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line or "ERROR:" in line), lines[-1] if lines else "it ended without a word")
    return re.sub(r"^pg_\w+: (error: )?", "", telling).rstrip(".")
