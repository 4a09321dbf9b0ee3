"""The command line: puts the commands together, runs the one that was called, and ends with its exit code.

Standard output carries the answer alone (with --json one document, nothing else); progress and refusals go to standard error. Exit codes are those
of `errors` and of the outcomes: 0 done, 1 the data has problems, 2 the call is wrong, 3 the provider failed, 4 configuration is missing.
"""

from __future__ import annotations

import sys
import tempfile
import traceback

import typer
from typer.exceptions import TyperException
from typer.main import get_command_name
from typer.models import CommandInfo

from w365core import printing
from w365core.commands import (
    access,
    billing,
    change_logs,
    changes,
    diagnosing,
    differences,
    installation,
    invoices,
    jobs,
    markup,
    messages,
    operations,
    preferences,
    providers,
    reconciling,
    records,
    references,
    transitions,
)
from w365core.errors import CallRefused, W365Error
from w365core.jobs import saying

GROUPS = (
    *(installation, records, providers, invoices, differences, references, transitions, changes, markup, billing, diagnosing),
    *(reconciling, change_logs, preferences, operations, jobs, messages, access),
)


def program(called: str | None = None) -> typer.Typer:
    """All commands, or only the one that was called: reading the annotations of all of them takes longer than most of them take."""
    whole = typer.Typer(
        no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The analyst's workbench for provider invoices."
    )
    for group in GROUPS:
        whole.add_typer(group.commands)
    commands = [one for group in GROUPS for one in group.commands.registered_commands if _name(one) == called]
    groups = [one for group in GROUPS for one in group.commands.registered_groups if one.name == called]
    if len(commands) + len(groups) != 1:
        return whole
    whole.registered_groups, whole.registered_commands = groups, commands
    whole.callback()(lambda: None)  # else one command alone would need no name
    return whole


def _name(command: CommandInfo) -> str:
    return command.name or get_command_name(command.callback.__name__)


def main() -> None:
    """Runs the command that the process was called with and ends it; whatever goes wrong is one sentence."""
    saying.begin(part=next(iter(sys.argv[1:]), "help"))
    try:
        _run(program(called=next(iter(sys.argv[1:]), None)))
    except W365Error as error:
        printing.refusal(error, as_json="--json" in sys.argv)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:
        with tempfile.NamedTemporaryFile("w", prefix="w365-", suffix=".txt", delete=False) as report:
            traceback.print_exc(file=report)
        print(
            f"Something went wrong that should not have; nothing half-done was stored. The details are in {report.name}.", file=sys.stderr
        )
        sys.exit(70)


def _run(commands: typer.Typer) -> None:
    """Runs the command. With --json a call that is wrong in itself is answered by a document too."""
    if "--json" not in sys.argv:
        commands()
    try:
        code = commands(standalone_mode=False)
    except TyperException as error:
        raise CallRefused(error.format_message()) from None
    sys.exit(code if isinstance(code, int) else 0)
