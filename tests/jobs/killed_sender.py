"""A process of its own that sends what waits in the outbox, to be killed in the middle: the database's address is the argument."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from w365core.jobs import sending
from w365core.jobs.context import Context
from w365core.settings import Settings
from w365core.store.engine import pooled

if __name__ == "__main__":
    engine = pooled(sys.argv[1])
    settings = Settings(home=Path("/nowhere"), database_url=sys.argv[1])
    sending.send_due(Context(settings, engine, datetime.fromisoformat(sys.argv[2]), "killed", print))
