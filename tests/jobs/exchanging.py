"""A process of its own that lists the customers of a StreamOne provider: DATABASE_URL, W365_HOME, the tokens and the sandbox's URL come from outside."""

from __future__ import annotations

import sys

from tests import streamones
from w365core import settings
from w365core.jobs import syncing
from w365core.jobs.context import open_context

if __name__ == "__main__":
    context = open_context(settings.read(), report=lambda sentence: None)
    connector = syncing.connect(context, streamones.provider(sys.argv[1]), sync_run_id=None)
    sys.exit(0 if len(list(connector.customers())) == 2 else 1)
