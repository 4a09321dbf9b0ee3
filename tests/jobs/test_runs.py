"""What a command leaves of itself: a run that ended says how, and one that died is found."""

import os
import subprocess
import sys

from sqlalchemy import select

from tests.conftest import ROOT
from w365core.errors import CallRefused
from w365core.jobs.runs import recorded, sweep
from w365core.store.tables import sync_run

_DIES = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import create_engine
from w365core import settings
from w365core.jobs.context import open_context
from w365core.jobs.runs import recorded
context = open_context(settings.read(), report=lambda sentence: None)
with recorded(context, "csp", "sync"):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def runs(context):
    with context.engine.connect() as connection:
        return [(row.status, row.message) for row in connection.execute(select(sync_run).order_by(sync_run.c.sync_run_id))]


def test_a_run_says_done_or_failed_with_its_sentence(context):
    with recorded(context, "csp", "sync"):
        assert runs(context) == [("running", "")]
    try:
        with recorded(context, "csp", "sync"):
            raise CallRefused("No.")
    except CallRefused:
        pass
    assert runs(context) == [("done", ""), ("failed", "No.")]


def test_a_run_whose_process_was_killed_is_found_and_a_living_one_is_left_alone(context, database_url):
    environment = {**os.environ, "DATABASE_URL": database_url, "W365_HOME": str(context.settings.home)}
    died = subprocess.run([sys.executable, "-c", _DIES], cwd=ROOT, env=environment, capture_output=True, timeout=180, check=False)
    assert died.returncode == -9, died.stderr
    assert runs(context) == [("running", "")]
    with recorded(context, "csp", "sync"):
        sweep(context)
        assert runs(context) == [("abandoned", "The process ended before its work did."), ("running", "")]
