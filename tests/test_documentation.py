"""Do the documents say what is there? Commands, variables, links and pictures of README and docs against the product itself."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click
import pytest
import typer

from w365core import settings
from w365core.cli import program

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CALLS = ("w365 ", "python -m w365core ", ".venv/bin/python -m w365core ")


def commands(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    """Every command by its full name: `sync`, `provider add` …"""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *before, name)
        else:
            yield " ".join((*before, name)), command


COMMANDS = dict(commands(typer.main.get_command(program())))


def everything_said() -> str:
    return "\n".join(document.read_text() for document in DOCUMENTS)


def shown_calls() -> list[str]:
    """The arguments of each call of ours in a code block."""
    lines = [line for document in DOCUMENTS for block in blocks(document.read_text()) for line in block.splitlines()]
    return [line.removeprefix(call).strip() for line in lines for call in CALLS if line.startswith(call)]


def blocks(text: str) -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def command_of(words: list[str]) -> tuple[str, list[str]]:
    for length in (2, 1):
        if " ".join(words[:length]) in COMMANDS:
            return " ".join(words[:length]), words[length:]
    raise AssertionError(f"no such command: {' '.join(words)}")


def links(document: Path) -> list[str]:
    text = document.read_text()
    found = re.findall(r"\]\(([^)#]+)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    return [link for link in found if "://" not in link]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_table_of_commands(name: str) -> None:
    table = [line.split("|")[1] for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `")]
    assert f"`{name}`" in " ".join(table)


def test_the_table_of_commands_names_no_other() -> None:
    table = (ROOT / "README.md").read_text().partition("| Command |")[2].partition("\n\n")[0]
    named = {name for line in table.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line.split("|")[1])}
    assert named == set(COMMANDS)


@pytest.mark.parametrize("call", shown_calls())
def test_every_call_in_a_code_block_is_understood(call: str) -> None:
    name, arguments = command_of(shlex.split(call))
    COMMANDS[name].make_context(name, arguments)


def test_code_blocks_show_calls_at_all() -> None:
    assert len(shown_calls()) > 8


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"W365_[A-Z_]+(?:<NAME>)?|DATABASE_URL", settings.__doc__))))
def test_every_variable_is_explained(variable: str) -> None:
    assert f"`{variable}`" in everything_said()


def test_the_settings_name_every_variable_that_the_product_reads() -> None:
    sources = [*(ROOT / "w365core").rglob("*.py"), ROOT / "app.py", *(ROOT / "pages").rglob("*.py")]
    read = {name for path in sources for name in re.findall(r"""env(?:iron)?(?:\.get\(|\[)["'](W365_\w+)["']""", path.read_text())}
    assert read <= set(re.findall(r"W365_[A-Z_]+", settings.__doc__))


@pytest.mark.parametrize(("document", "link"), [(document, link) for document in DOCUMENTS for link in links(document)])
def test_every_link_and_picture_leads_somewhere(document: Path, link: str) -> None:
    assert (document.parent / link).exists(), f"{document.name} leads to {link}"


def test_the_readme_opens_with_the_two_commands_and_the_picture() -> None:
    opening = (ROOT / "README.md").read_text().partition("\n## ")[0]
    assert opening.index("make run") < opening.index("make test") < opening.index("docs/pictures/invoice-status-light.png")
    assert "docs/pictures/invoice-status-dark.png" in opening


def test_what_proves_it_is_the_command_of_the_readme() -> None:
    assert (ROOT / ".ci/run").read_text().splitlines()[-1] == "exec make test"
    assert (ROOT / ".ci/run").stat().st_mode & 0o111 == 0o111


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:^|`)make ([a-z-]+)", everything_said(), re.MULTILINE))))
def test_every_make_target_is_there(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_decisions_are_dated_and_short_and_in_order() -> None:
    entries = (ROOT / "docs" / "decisions.md").read_text().split("\n## ")[1:]
    days = [date.fromisoformat(entry[:10]) for entry in entries]
    assert days == sorted(days)
    assert len(days) >= 9
    for entry in entries:
        title, *lines = entry.strip().splitlines()
        assert title[10] == " "
        assert 3 <= len([line for line in lines if line]) <= 8, title


def test_documents_name_no_folder_of_the_machine_they_were_written_on() -> None:
    assert not re.search(r"/work/|/home/|/root/|/tmp/", everything_said())
