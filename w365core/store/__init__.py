"""KEEP: the only SQL of the product, and the server it runs on.

engine ─► where the database is     embedded ─► our own Postgres under W365_HOME (embedded_account, embedded_locks)
tables, schema, migrations ─► its shape
"""
