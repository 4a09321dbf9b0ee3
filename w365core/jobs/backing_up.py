"""Where does a backup come from, and how is one restored? The database at one moment, and everything that had landed by then.

    back_up   while everybody goes on working: the dump and the digests are of one moment; landed files are only ever added
    restore   into an empty home and an empty database alone; then every table is compared with what it was

Tokens in it are encrypted, and their key is not in it: whoever has the backup alone cannot open them.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from w365core.errors import CallRefused, ConfigurationMissing
from w365core.jobs import archive
from w365core.jobs.archive import DATABASE, Manifest
from w365core.jobs.context import Context, Report, actor, clock
from w365core.settings import KEY_FILE, Settings
from w365core.store import audit, dumping, embedded, engine as store_engine, health, schema
from w365core.store.embedded_folders import make_home
from w365core.store.engine import guarded
from w365core.store.landing import writing_to
from w365core.store.rebuilding import Digest

_OTHER_KINDS = frozenset({".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".sql", ".dump", ".bak", ".backup"})
_NAME = "w365-{:%Y%m%dT%H%M%SZ}"


@dataclass(frozen=True)
class BackedUp:
    path: Path
    manifest: Manifest
    removed: tuple[str, ...]
    tokens: int  # how many need the key, which is not in it

    @property
    def sentence(self) -> str:
        said = f"{self.path} holds {_contents(self.manifest)}."
        said += f" Removed: {', '.join(self.removed)}." if self.removed else ""
        return said + (f" The key of its tokens is not in it: keep W365_KEY, or {KEY_FILE}, apart." if self.tokens else "")


@dataclass(frozen=True)
class Restored:
    """`findings`: tables that are not what they were."""

    manifest: Manifest
    findings: tuple[str, ...]
    tokens: int

    @property
    def exit_code(self) -> int:
        return 1 if self.findings else 0

    @property
    def sentence(self) -> str:
        if self.findings:
            return f"Restored, and not as it was: {'; '.join(self.findings)}. Keep the backup, and do not work with this."
        said = f"Restored {_contents(self.manifest)}, of {self.manifest.made_at}; every table is as it was."
        return said + (f" Set W365_KEY, or bring back {KEY_FILE}, to open its tokens." if self.tokens else "")


def back_up(context: Context, target: Path, *, keep: int | None = None) -> BackedUp:
    """Writes a backup to a new file (NAME.tar), or into a folder under a name that tells its moment; there, with `keep`, older ones go but for so many."""
    path = _path(context, target)
    if keep is not None and (keep < 1 or path == target):
        raise CallRefused("--keep N is for a folder, and at least 1: it is the number of backups that stay there.")
    if schema.current(engine=context.engine) != schema.newest():
        raise ConfigurationMissing("The database has no schema of this version; run `python -m w365core init`.")
    with guarded(), dumping.alone(context.engine), _aside(path.parent) as dump, archive.written(path) as writer:
        context.report("adding up every table")
        with dumping.holding(context.engine) as held:
            programs = dumping.clients(held.postgres, embedded=not context.settings.database_url)
            context.report("writing the database")
            dumping.dump(context.engine.url, held, dump, programs=programs, environment=context.settings.environment)
        writer.add(DATABASE, dump)
        context.report("adding the landed files")
        for name, file in _landed(context.settings.landing):
            writer.add(name, file)
        told = {"made_at": context.now.isoformat(), "made_by": context.actor, "revision": schema.newest(), "postgres": held.postgres}
        manifest = Manifest(**told, tables=held.tables, files=dict(writer.files))
        writer.seal(manifest)
    tokens = _said(context, path, manifest)
    return BackedUp(path, manifest, _thinned(path, keep) if keep else (), tokens)


def look(source: Path) -> Manifest:
    """Whether a backup is whole, without restoring it. CallRefused says what of it is not."""
    return archive.taken_out(source, None)


def restore(settings: Settings, source: Path, *, report: Report) -> Restored:
    """Brings a backup back. CallRefused, and nothing is changed, where the home or the database is not empty or the backup is not whole."""
    _refuse_used(settings)
    with _unpacked(settings.home, source, report) as (folder, manifest):
        if manifest.revision not in schema.known():
            raise CallRefused(f"{source} was made by a newer version (schema {manifest.revision}); install that one to restore it.")
        report("starting an empty database")
        engine = store_engine.engine(settings, report=report)
        try:
            found = _refilled(settings, engine, folder / DATABASE, report)
        except BaseException:
            _begin_again(settings, engine)
            raise
        findings = tuple(
            f"{name} holds {found[name].rows if name in found else 0:,} rows that are not the {one.rows:,} of then"
            for name, one in manifest.tables.items()
            if found.get(name) != one
        )
        _put_landing(settings, folder / "landing")
        schema.upgrade(engine)
        tokens = _say_restored(settings, engine, source, manifest, findings)
    return Restored(manifest, findings, tokens)


# --- backing up --------------------------------------------------------------------------------------------------------------------------


def _path(context: Context, target: Path) -> Path:
    """The file to write: what ends in .tar is one, everything else a folder for it. CallRefused where it is there, or its folder is not."""
    if target.suffix == ".tar" and not target.is_dir():
        if target.exists():
            raise CallRefused(f"{target} exists already; a backup is never written over.")
        if not target.parent.is_dir():
            raise CallRefused(f"There is no folder {target.parent}; make it first.")
        return target
    if target.suffix.lower() in _OTHER_KINDS and not target.is_dir():
        raise CallRefused(f"{target} reads like a file of another kind; name a folder, or a file that ends in .tar.")
    with writing_to(target):
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = _NAME.format(context.now)
    names = (f"{name}.tar", *(f"{name}-{number}.tar" for number in range(2, 1_000)))
    return next(target / one for one in names if not (target / one).exists())


@contextmanager
def _aside(folder: Path) -> Iterator[Path]:
    """Where the dump lies until it is in the archive."""
    with writing_to(folder):
        handle, name = tempfile.mkstemp(dir=folder, prefix=".w365-database-")
        os.close(handle)
    try:
        yield Path(name)
    finally:
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)


def _landed(folder: Path) -> Iterator[tuple[str, Path]]:
    """Everything that has landed, under its name in the archive; what is still being written is not of it."""
    for path in sorted(folder.glob("??/*")):
        name = f"landing/{path.parent.name}/{path.name}"
        if archive.is_ours(name) and path.is_file() and not path.is_symlink():
            yield name, path


def _said(context: Context, path: Path, manifest: Manifest) -> int:
    with guarded(), context.engine.begin() as connection:
        told = {"file": path.name, "rows": manifest.rows, "landed": manifest.landed, "size": manifest.size}
        _log(context, connection, health.BACKED_UP, told)
        return len(health.sealed_tokens(connection))


def _log(context: Context, connection: Connection, action: str, after: dict[str, Any]) -> None:
    who = {"at": context.now, "actor": context.actor}
    audit.append(connection, **who, action=action, target_kind="installation", target="all data", after=after)


def _thinned(newest: Path, keep: int) -> tuple[str, ...]:
    """Removes the oldest backups of ours beside this one, but for so many in all."""
    ours = sorted(
        (path for path in newest.parent.glob("w365-????????T??????Z*.tar") if path != newest),
        key=lambda path: (path.stat().st_mtime, path.name),
    )
    gone = ours[: max(len(ours) - keep + 1, 0)]
    for path in gone:
        path.unlink()
    return tuple(path.name for path in gone)


# --- restoring ---------------------------------------------------------------------------------------------------------------------------


def _refuse_used(settings: Settings) -> None:
    landing = settings.landing
    if not settings.database_url and embedded.data_directory(settings.home).exists():
        raise CallRefused(f"{settings.home} holds a database already; restore into an empty home: set W365_HOME to a new folder.")
    if landing.exists() and any(landing.iterdir()):
        raise CallRefused(f"{landing} is not empty; restore into an empty home: set W365_HOME to a new folder.")
    if settings.database_url:
        with guarded(), store_engine.engine(settings).connect() as connection:
            if not dumping.is_empty(connection):
                raise CallRefused("The database of DATABASE_URL holds tables already; restore into an empty one.")


@contextmanager
def _unpacked(home: Path, source: Path, report: Report) -> Iterator[tuple[Path, Manifest]]:
    """The backup's files beside the place where they are going to be, once every checksum is right."""
    with writing_to(home):
        make_home(home)
        folder = Path(tempfile.mkdtemp(dir=home, prefix="restoring-"))
    try:
        report(f"reading {source.name} and checking it")
        yield folder, archive.taken_out(source, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refilled(settings: Settings, engine: Engine, dump: Path, report: Report) -> dict[str, Digest]:
    """Restores the database and returns the digests that its tables have now."""
    with guarded():
        with engine.connect() as connection:
            version = dumping.server_version(connection)
        programs = dumping.newest_clients(version, embedded=not settings.database_url)
        report("restoring the database")
        dumping.restore(engine.url, dump, server=version, programs=programs, environment=settings.environment)
        report("comparing every table with what it was")
        with engine.connect() as connection:
            return dumping.digests(connection)


def _begin_again(settings: Settings, engine: Engine) -> None:
    """The home is as empty as it was; a database of somebody else's has been rolled back by itself."""
    engine.dispose()
    if not settings.database_url:
        embedded.stop(home=settings.home, osuser=settings.pg_osuser)
        shutil.rmtree(embedded.data_directory(settings.home), ignore_errors=True)


def _put_landing(settings: Settings, unpacked: Path) -> None:
    if unpacked.exists():
        with writing_to(settings.home):
            with suppress(FileNotFoundError):
                settings.landing.rmdir()
            unpacked.rename(settings.landing)


def _say_restored(settings: Settings, engine: Engine, source: Path, manifest: Manifest, findings: tuple[str, ...]) -> int:
    context = Context(settings, engine, clock(settings, engine), actor(), lambda sentence: None)
    with guarded(), engine.begin() as connection:
        told = {"file": source.name, "made_at": manifest.made_at, "made_by": manifest.made_by, "different": "; ".join(findings) or None}
        _log(context, connection, "restore installation", told)
        return len(health.sealed_tokens(connection))


def _contents(manifest: Manifest) -> str:
    return f"{len(manifest.tables):,} tables with {manifest.rows:,} rows and {manifest.landed:,} landed files, {manifest.size / (1 << 20):,.1f} MB in all"
