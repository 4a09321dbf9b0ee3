"""Who may do what in the database itself? Three roles: the owner makes the schema, `w365_worker` works on data, `w365_pages` reads for the pages.

The worker can add to the audit log and to what landed, and can neither change nor remove a row there, nor take the triggers away that refuse it: it does
not own them. The pages' role cannot write at all, nor read a stored token. Both are made by the account that makes the schema, where it may make roles;
an installation without them goes on with one account, and the triggers. `standing` says how it is, and what mends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakSet

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

WORKER, PAGES = "w365_worker", "w365_pages"
ONLY_GROW = ("audit_log", "landed_answer")
_TOKEN_COLUMNS = "provider, purpose, given, issued_at, expires_at, exchanging_since"  # all but the token
# Who has made a role may give it, which is no right to wear it, since Postgres 16 tells the two apart.
_WEARING = "case when current_setting('server_version_num')::int < 160000 then 'member' else 'set' end"

_MAKE = f"""
    do $$
    declare wanted text;
    begin
        foreach wanted in array array['{WORKER}', '{PAGES}'] loop
            begin
                if not exists (select from pg_roles where rolname = wanted) then
                    execute format('create role %I nologin', wanted);
                end if;
            exception when duplicate_object or unique_violation then null;  -- another database of this server was faster
            end;
            if not pg_has_role(current_user, wanted, {_WEARING}) then
                execute format('grant %I to current_user', wanted);
            end if;
        end loop;
    end $$
"""


@dataclass(frozen=True)
class Standing:
    """Whether the roles are there and say what they may, and what the account that has signed in may do to the log: `may_change_log` is whether it can put
    its triggers to sleep, as its owner and a superuser can. `mend` is what a superuser runs once, blank where nothing is to be mended."""

    account: str
    are_there: bool
    may_change_log: bool
    superuser: bool
    mend: str


_MAY: WeakSet[Engine] = WeakSet()  # engines whose account may put the pages' role on: a role once granted stays

# In the schema that is being made: that of the installation, or the one that a rebuild stands in.
_GRANT = f"""
    do $$
    declare home text := current_schema(); name text;
    begin
        execute format('grant usage on schema %I to {WORKER}, {PAGES}', home);
        execute format('grant create on schema %I to {WORKER}', home);
        execute format('grant select, insert, update, delete on all tables in schema %I to {WORKER}', home);
        execute format('grant usage, select, update on all sequences in schema %I to {WORKER}', home);
        execute format('grant select on all tables in schema %I to {PAGES}', home);
        execute format('alter default privileges in schema %I grant select, insert, update, delete on tables to {WORKER}', home);
        execute format('alter default privileges in schema %I grant usage, select, update on sequences to {WORKER}', home);
        execute format('alter default privileges in schema %I grant select on tables to {PAGES}', home);
        execute format('alter default privileges for role {WORKER} in schema %I grant select on tables to {PAGES}', home);
        foreach name in array array['{"', '".join(ONLY_GROW)}'] loop
            execute format('revoke update, delete, truncate on %I from {WORKER}', name);
        end loop;
        execute 'revoke insert, update, delete on alembic_version from {WORKER}';
        execute 'revoke select on stored_token from {PAGES}';
        execute 'grant select ({_TOKEN_COLUMNS}) on stored_token to {PAGES}';
        execute 'alter table usage_line owner to {WORKER}';  -- partitions are attached by whoever owns it
    end $$
"""
# The lines of runs, which the worker detaches and drops: those that another account has made, before the roles were there or in a rebuild.
_OTHERS = (
    "select format('%I.%I', relnamespace::regnamespace, relname) from pg_class where relnamespace = to_regnamespace(current_schema()) and relkind = 'r' "
    "and relname ~ '^(license|usage)_line_r[0-9]+$' and relowner::regrole::text <> :worker order by relname"
)


def settle(connection: Connection) -> bool:
    """Makes the roles where they are not there and says what each may; False where the account may not do that."""
    try:
        with connection.begin_nested():
            connection.execute(text(_MAKE))
            connection.execute(text(_GRANT))
            hand_over(connection)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        return False
    return True


def hand_over(connection: Connection) -> None:
    """Makes the lines of runs the worker's, where somebody else has put them there."""
    for name in connection.execute(text(_OTHERS), {"worker": WORKER}).scalars().all():
        connection.execute(text(f"alter table {name} owner to {WORKER}"))


def owns_the_schema(connection: Connection) -> bool:
    """Whether this account has made the schema as nothing more than its owner: a superuser's own server needs nothing handed over."""
    asked = (
        "select pg_has_role(current_user, relowner, 'usage') and not (select rolsuper from pg_roles where rolname = current_user) "
        "from pg_class where oid = to_regclass('audit_log')"
    )
    return bool(connection.execute(text(asked)).scalar())


def are_there(connection: Connection) -> bool:
    """Whether both roles have been made, and say what they may here."""
    asked = text(
        "select count(*) = 2 and bool_and(has_table_privilege(rolname, 'audit_log', 'select')) from pg_roles where rolname in (:worker, :pages)"
    )
    return bool(connection.execute(asked, {"worker": WORKER, "pages": PAGES}).scalar())


def standing(connection: Connection) -> Standing:
    """How it is for this connection, whose schema is made. Asked of who has signed in, since a role that is worn is taken off by a word."""
    asked = text(
        f"select session_user as account, u.rolsuper as superuser, pg_has_role(session_user, l.relowner, 'member') as may_change_log, "
        f"l.relowner::regrole::text as owner, array(select rolname from pg_roles where rolname in (:worker, :pages)) as made, "
        f"array(select rolname from pg_roles where rolname in (:worker, :pages) and pg_has_role(l.relowner, oid, {_WEARING})) as worn "
        "from pg_roles u, pg_class l where u.rolname = session_user and l.oid = to_regclass('audit_log')"
    )
    row = connection.execute(asked, {"worker": WORKER, "pages": PAGES}).one()
    found = are_there(connection)
    return Standing(row.account, found, row.may_change_log, row.superuser, "" if found else _mend(row.owner, row.made, row.worn))


def _mend(owner: str, made: Sequence[str], worn: Sequence[str]) -> str:
    """In one line. `owner` comes quoted from the server."""
    lacking = [name for name in (WORKER, PAGES) if name not in worn]
    steps = [f"create role {name};" for name in lacking if name not in made]
    return " ".join([*steps, f"grant {', '.join(lacking)} to {owner};"] if lacking else steps)


def read_as_pages(connection: Connection) -> None:
    """Puts the pages' role on for this transaction, where it is there and this account may: what is read then can write nothing and sees no token."""
    engine = connection.engine
    if engine not in _MAY:
        if not _may_put_on(connection):
            return  # asked again next time: the schema may be made meanwhile
        _MAY.add(engine)
    connection.execute(text(f"set local role {PAGES}"))


def _may_put_on(connection: Connection) -> bool:
    asked = text(f"select coalesce((select pg_has_role(session_user, oid, {_WEARING}) from pg_roles where rolname = :pages), false)")
    if not connection.execute(asked, {"pages": PAGES}).scalar():
        return False
    return bool(connection.execute(text("select to_regclass('audit_log') is not null")).scalar()) and are_there(connection)
