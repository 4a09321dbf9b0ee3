"""Where do tests get a Postgres from? One throwaway embedded server per test process, and a fresh database for whoever asks.

server            URL of the process' own server, started at the first call, stopped and removed at exit
fresh_database    a database of one's own, copied from a template where one is named, dropped afterwards
used_database     one with the schema of a template and nothing else, that may have been somebody's before: ten times as fast
other_server      a server of other programs, for the length of a block, on a port of this machine with a password
reachable_home    a new short folder that the server's account may enter, unlike pytest's tmp_path under root
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from tests.ports import free_port
from w365core.store import embedded, embedded_account

OSUSER = os.environ.get("W365_PG_OSUSER", "w365pg")
_TEMPORARY = Path("/tmp")  # short: a socket's path has 107 bytes
_IN_MEMORY = Path("/dev/shm")
_ENOUGH = 4 << 30  # for the servers of a run with several processes


@cache
def server() -> str:
    """SQLAlchemy URL of this process' server. Several test runs at once have one each."""
    _sweep()
    home = reachable_home("w365-test-", folder=_IN_MEMORY if _is_roomy(_IN_MEMORY) else _TEMPORARY)
    atexit.register(_remove, home, os.getpid())
    with _in_haste():
        return embedded.start(home=home, osuser=OSUSER)


@contextmanager
def _in_haste() -> Iterator[None]:
    """A server started in this block does not wait for the disk, since it need not outlive the machine: what is durable is tested on servers that
    wait. Dropping a database looks through all shared buffers, so it has few."""
    settings = embedded.server_settings
    hasty = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "shared_buffers": "128MB"}
    embedded.server_settings = lambda **where: settings(**where) | hasty
    try:
        yield
    finally:
        embedded.server_settings = settings


@contextmanager
def fresh_database(template: str | None = None) -> Iterator[str]:
    """SQLAlchemy URL of a new database, empty or a copy of `template` (a database's name; whoever is connected to it is sent away)."""
    name = _new_database(template)
    try:
        yield _url(name)
    finally:
        _drop(name)


def _new_database(template: str | None) -> str:
    name = f"t_{uuid.uuid4().hex[:16]}"
    if template:
        _send_away(template)
    copied = sql.SQL(" TEMPLATE {} STRATEGY FILE_COPY").format(sql.Identifier(template)) if template else sql.SQL("")
    _administer(sql.SQL("CREATE DATABASE {}{}").format(sql.Identifier(name), copied))
    return name


def _send_away(name: str) -> None:
    """Ends whoever is connected to the database: engines keep connections."""
    _administer(sql.SQL("select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = {}").format(name))


def _drop(name: str) -> None:
    _administer(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _url(name: str) -> str:
    return server().replace("@/w365?", f"@/{name}?")


_AT_HAND: dict[str, list[str]] = {}  # names of databases that are as their template is, by the template


@contextmanager
def used_database(template: str) -> Iterator[str]:
    """SQLAlchemy URL of a database that is as the template is: an emptied one where there is one, else a new one. What cannot be emptied is dropped."""
    at_hand = _AT_HAND.setdefault(template, [])
    name = at_hand.pop() if at_hand else _new_database(template)
    try:
        yield _url(name)
    finally:
        if emptied(name, like=template):
            at_hand.append(name)
        else:
            _drop(name)


def emptied(name: str, *, like: str) -> bool:
    """Whether the database, whose other users are sent away, could be made what its template is: the same tables, rows, sequences, and nothing besides."""
    _send_away(name)
    with psycopg.connect(_url(name).replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")  # the audit log only grows, else
        connection.execute(_EMPTY)
        return connection.execute(_STANDS).fetchone() == _stands(like)


@cache
def _stands(template: str) -> tuple:
    with psycopg.connect(_url(template).replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(_HOLDS_NOTHING)
        return connection.execute(_STANDS).fetchone()


# What a test leaves: rows, partitions and stages of runs, the schema of a rebuild, sequences that have moved on.
_EMPTY = """
    do $$
    declare found record; filled boolean;
    begin
        for found in select nspname from pg_namespace where nspname !~ '^(pg_|information_schema$|public$)' loop
            execute format('drop schema %I cascade', found.nspname);
        end loop;
        for found in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname ~ '_r[0-9]+$' loop
            execute format('drop table if exists %I cascade', found.relname);
        end loop;
        for found in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'alembic_version' loop
            execute format('select exists (select from %I)', found.relname) into filled;
            if filled then execute format('truncate %I cascade', found.relname); end if;
        end loop;
        perform setval(c.oid, s.seqstart, false) from pg_sequence s join pg_class c on c.oid = s.seqrelid;
    end $$
"""
_HOLDS_NOTHING = """
    do $$
    declare found record; filled boolean;
    begin
        for found in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'alembic_version' loop
            execute format('select exists (select from %I)', found.relname) into filled;
            if filled then raise exception 'the template has rows in %, so an emptied database is not like it: use fresh_database', found.relname; end if;
        end loop;
    end $$
"""
_STANDS = """
    select
        (select md5(string_agg(format('%s %s %s %s %s %s', c.relname, a.attname, a.atttypid, a.attnotnull, a.attidentity,
            pg_get_expr(d.adbin, d.adrelid)), ';' order by c.relname, a.attnum))
         from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'c')),
        (select md5(string_agg(conrelid::regclass::text || conname || pg_get_constraintdef(oid), ';' order by conrelid::regclass::text, conname))
         from pg_constraint where connamespace = 'public'::regnamespace),
        (select md5(string_agg(indexdef, ';' order by indexname)) from pg_indexes where schemaname = 'public'),
        (select md5(string_agg(proname || pg_get_functiondef(oid), ';' order by proname, oid::regprocedure::text)) from pg_proc
         where pronamespace = 'public'::regnamespace and prokind in ('f', 'p')),
        (select md5(string_agg(tgrelid::regclass::text || pg_get_triggerdef(oid), ';' order by tgrelid::regclass::text, tgname)) from pg_trigger
         where not tgisinternal),
        (select md5(string_agg(format('%s %s %s %s', seqrelid::regclass, seqstart, seqincrement, seqcycle), ';' order by seqrelid::regclass::text))
         from pg_sequence),
        (select md5(string_agg(extname, ';' order by extname)) from pg_extension),
        (select count(*) from alembic_version)
"""


@contextmanager
def other_server(programs: Path, *, password: str) -> Iterator[str]:
    """SQLAlchemy URL of a throwaway server of these programs (initdb, pg_ctl), with fsync off and its database `postgres` empty."""
    home = reachable_home("w365-other-")
    data, secret = home / "data", home / "password"
    who = embedded_account.account(data=data, osuser=OSUSER)
    try:
        data.mkdir()
        who.own(data)
        secret.write_text(password)
        secret.chmod(0o644)
        port = free_port()
        made = who.run(
            programs / "initdb", "-D", data, "-U", "owner", "-E", "UTF8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={secret}"
        )
        assert made.returncode == 0, made.stdout
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={data} -c fsync=off"
        log = data / "log"  # its output goes to a file, since it outlives pg_ctl and would hold a pipe open
        begun = who.run(programs / "pg_ctl", "-w", "-D", data, "-l", log, "-o", options, "start", stdout=subprocess.DEVNULL)
        assert begun.returncode == 0, log.read_text()
        yield f"postgresql+psycopg://owner:{password}@127.0.0.1:{port}/postgres"
    finally:
        who.run(programs / "pg_ctl", "-w", "-m", "immediate", "-D", data, "stop")
        shutil.rmtree(home, ignore_errors=True)


def reachable_home(prefix: str = "w365-home-", *, folder: Path = _TEMPORARY) -> Path:
    """The caller removes it. The name tells the process, so that a later run may clear up after a killed one."""
    home = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-", dir=folder))
    home.chmod(0o711)
    return home


def _is_roomy(folder: Path) -> bool:
    """Whether there is such a folder with room enough, in which the server's programs may make files."""
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > _ENOUGH


def _administer(statement: sql.Composed) -> None:
    with psycopg.connect(server().replace("+psycopg", "").replace("@/w365?", "@/postgres?"), autocommit=True) as connection:
        connection.execute(statement)


def _sweep() -> None:
    """Stops the servers of test runs that were killed."""
    for home in (*_TEMPORARY.glob("w365-test-*"), *_IN_MEMORY.glob("w365-test-*")):
        found = re.match(r"w365-test-(\d+)-", home.name)
        if found and home.stat().st_uid == os.geteuid() and not _lives(int(found[1])):
            with suppress(Exception):  # another run sweeps it at the same moment
                _remove(home, os.getpid())


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _remove(home: Path, process: int) -> None:
    if process == os.getpid():  # not in a forked child
        embedded.stop(home=home, osuser=OSUSER)
        shutil.rmtree(home, ignore_errors=True)
