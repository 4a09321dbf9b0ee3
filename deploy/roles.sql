-- Run once by a superuser of the server, before anything else: sudo -u postgres psql --set ON_ERROR_STOP=1 < deploy/roles.sql
-- w365 owns the database and makes the schema: `init` and `rebuild` sign in as it, and nothing else does.
create role w365 login;
-- What the product's parts may do; `init` says what that is. Nobody signs in as these.
create role w365_worker nologin;
create role w365_pages nologin;
grant w365_worker, w365_pages to w365;
-- Web app, worker, backups and the commands of an administrator sign in as bills. It can add to the audit log and change nothing in it.
create role bills login in role w365_worker, w365_pages;
alter role bills set role = 'w365_worker';
create database w365 owner w365 encoding 'UTF8' template template0;
