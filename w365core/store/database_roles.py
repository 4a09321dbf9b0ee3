"""Who may do what in the database itself? Three roles: the owner makes the schema, `w365_worker` works on data, `w365_pages` reads for the pages.

The worker can add to the audit log and to what landed, and can neither change nor remove a row there, nor take the triggers away that refuse it: it does
not own them. The pages' role cannot write at all, nor read a stored token. Both are made by the account that makes the schema, where it may make roles;
an installation without them goes on with one account, and the triggers.
"""

from __future__ import annotations

from weakref import WeakSet

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

WORKER, PAGES = "w365_worker", "w365_pages"
ONLY_GROW = ("audit_log", "landed_answer")
_TOKEN_COLUMNS = "provider, purpose, given, issued_at, expires_at, exchanging_since"  # all but the token

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
            if not pg_has_role(current_user, wanted, 'member') then
                execute format('grant %I to current_user', wanted);
            end if;
        end loop;
    end $$
"""

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


def settle(connection: Connection) -> bool:
    """Makes the roles where they are not there and says what each may; False where the account may not do that."""
    try:
        with connection.begin_nested():
            connection.execute(text(_MAKE))
            connection.execute(text(_GRANT))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "42501":
            raise
        return False
    return True


def are_there(connection: Connection) -> bool:
    """Whether both roles have been made, and say what they may here."""
    asked = text(
        "select count(*) = 2 and bool_and(has_table_privilege(rolname, 'audit_log', 'select')) from pg_roles where rolname in (:worker, :pages)"
    )
    return bool(connection.execute(asked, {"worker": WORKER, "pages": PAGES}).scalar())


def read_as_pages(connection: Connection) -> None:
    """Puts the pages' role on for this transaction, where it is there and this account may: what is read then can write nothing and sees no token."""
    engine = connection.engine
    if engine not in _MAY:
        if not _may_put_on(connection):
            return  # asked again next time: the schema may be made meanwhile
        _MAY.add(engine)
    connection.execute(text(f"set local role {PAGES}"))


def _may_put_on(connection: Connection) -> bool:
    asked = text("select coalesce((select pg_has_role(session_user, oid, 'member') from pg_roles where rolname = :pages), false)")
    if not connection.execute(asked, {"pages": PAGES}).scalar():
        return False
    return bool(connection.execute(text("select to_regclass('audit_log') is not null")).scalar()) and are_there(connection)
