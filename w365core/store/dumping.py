"""How does the whole database get into a file, and out of it? By Postgres' own programs, and with a digest of every table to compare by.

    holding        the digests of all tables, and a snapshot of just these rows for `dump`, for the length of a block
    dump, restore  our schema into a file of pg_dump, and such a file into an empty database: whole, or nothing of it
    clients        the folder with pg_dump and pg_restore that fit the server;  newest_clients: those that read every dump

A password travels in the environment of these programs, never among their arguments.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.engine import URL

from w365core.errors import AlreadyRunning, ConfigurationMissing, StoreUnavailable
from w365core.store import embedded_account, engine as store_engine, rebuilding, stage
from w365core.store.rebuilding import BESIDE, Digest
from w365core.store.tables import import_run

_DEBIAN = Path("/usr/lib/postgresql")
_TIMED, _TIMES, _HEAD = 17, b"SET transaction_timeout = 0;\n", 40  # since when programs say so, and within how many lines
_ALONE = "w365 backup"  # held by a backup, and by whoever takes landed files away


@dataclass(frozen=True)
class Held:
    """What the database holds at one moment. `snapshot` is what `dump` reads by; `left_out` are the stages of imports that ran then, which are locked
    until they are full, and nobody's if their import dies."""

    snapshot: str
    postgres: str
    tables: dict[str, Digest]
    left_out: frozenset[str]


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
        left_out = _being_filled(connection)
        yield Held(snapshot, server_version(connection), digests(connection, without=left_out), left_out)


def _being_filled(connection: Connection) -> frozenset[str]:
    running = connection.execute(select(import_run.c.import_run_id).where(import_run.c.status == "running")).scalars()
    return frozenset(stage.table_of(which, run_id) for run_id in running for which in (stage.LICENSE, stage.USAGE))


def server_version(connection: Connection) -> str:
    return connection.execute(text("select split_part(current_setting('server_version'), ' ', 1)")).scalar_one()


def digests(connection: Connection, *, without: Collection[str] = ()) -> dict[str, Digest]:
    """Of every table in our schema but those, by name; partitions count to their table."""
    connection.execute(text("set local time zone 'UTC'"))
    names = connection.execute(
        text(
            "select oid::regclass::text from pg_class where relnamespace = to_regnamespace(current_schema()) and relkind in ('r', 'p') "
            "and not relispartition order by relname"
        )
    ).scalars()
    return {name: rebuilding.digest(connection, name) for name in names if name not in without}


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
        *(f"--exclude-table={name}" for name in sorted(held.left_out)),
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


def restore(url: URL, source: Path, *, server: str, programs: Path, environment: Mapping[str, str]) -> None:
    """Into a database that is empty, in one transaction. StoreUnavailable with the program's own reason where it fails. A server that does not know what
    newer programs say first gets it as a script without that, beside the source for as long as it takes."""
    bare, failed = ("--no-owner", "--no-privileges", "--no-password"), "The database could not be restored"
    if not _major(server) < _TIMED <= (_version(programs) or 0):
        options = ("--exit-on-error", "--single-transaction", *bare, str(source))
        _run(programs / "pg_restore", *options, url=url, environment=environment, failed=failed)
        return
    script = source.with_name(f"{source.name}.sql")
    try:
        _write_script([programs / "pg_restore", *bare, "--file=-", source], script, environment=environment, failed=failed)
        options = ("--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--no-password", f"--file={script}")
        _run(programs / "psql", *options, url=url, environment=environment, failed=failed)
    finally:
        script.unlink(missing_ok=True)


def _write_script(command: Sequence[str | Path], script: Path, *, environment: Mapping[str, str], failed: str) -> None:
    """The dump as statements, but for the one that is unknown to older servers; it stands at the beginning, before any data."""
    with tempfile.TemporaryFile() as said, script.open("wb") as written:
        told = [str(part) for part in command]
        with subprocess.Popen(told, stdout=subprocess.PIPE, stderr=said, stdin=subprocess.DEVNULL, env=_told(environment)) as running:
            written.writelines(line for line in islice(running.stdout, _HEAD) if line != _TIMES)
            shutil.copyfileobj(running.stdout, written, 1 << 20)
        said.seek(0)
        if running.returncode:
            raise StoreUnavailable(f"{failed}: {_reason(said.read().decode(errors='replace'))}. Put that right and run the command again.")


def clients(server: str, *, embedded: bool) -> Path:
    """Those of the server's own major version where they are found, else the next newer ones. ConfigurationMissing says what to install."""
    if embedded:
        return embedded_account.wheel_programs()
    found, major = _found(server), _major(server)
    if not found:
        raise ConfigurationMissing(
            f"The database is Postgres {server}, and no pg_dump of that version or a newer one was found; install it (Debian: apt-get install "
            f"postgresql-client-{major}), or make a backup by your own tools and copy the landing folder after it."
        )
    return found[min(found)]


def newest_clients(server: str, *, embedded: bool) -> Path:
    """The newest there are, since a dump of newer ones is not read by older ones. ConfigurationMissing as `clients`."""
    fitting = clients(server, embedded=embedded)
    found = {} if embedded else _found(server)
    return found[max(found)] if found else fitting


def _found(server: str) -> dict[int, Path]:
    """By version, those of the server's own and newer ones."""
    major = _major(server)
    return {version: folder for folder in reversed(_folders(major)) if (version := _version(folder)) is not None and version >= major}


def _major(server: str) -> int:
    return int(server.split(".")[0])


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
    told = _told(environment) | ({"PGPASSWORD": str(given)} if given else {})
    command = [str(program), *options[:-1], f"--dbname={address.render_as_string(hide_password=False)}", options[-1]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace", env=told, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise StoreUnavailable(f"{failed}: {_reason(done.stderr)}. Put that right and run the command again.")


def _told(environment: Mapping[str, str]) -> dict[str, str]:
    """What a program is told of our environment: nothing of ours."""
    told = {name: value for name, value in environment.items() if not name.startswith("W365_") and name != "DATABASE_URL"}
    return told | {"LC_ALL": "C", "PGCONNECT_TIMEOUT": "10"}


def _reason(said: str) -> str:
    """The line that tells most, without the program's name."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = next((line for line in lines if "error:" in line or "ERROR:" in line), lines[-1] if lines else "it ended without a word")
    return re.sub(r"^(pg_\w+: (error: )?|psql:(\S+:\d+:)? (error: )?)", "", telling).rstrip(".")
