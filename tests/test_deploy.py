"""Do the files for production call commands that are there, with variables and files that are there?"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.test_documentation import COMMANDS, ROOT, command_of
from w365core import settings

DEPLOY = ROOT / "deploy"
UNITS = sorted(DEPLOY.glob("*.service"))
CALLS = [(unit.name, line.partition("=")[2]) for unit in UNITS for line in unit.read_text().splitlines() if line.startswith("ExecStart")]
ENVIRONMENTS = ("owner.env", "w365.env")
OURS = "/opt/w365core/.venv/bin/python -m w365core "


@pytest.mark.parametrize(("unit", "call"), CALLS)
def test_every_service_calls_what_is_there(unit: str, call: str) -> None:
    if call.startswith(OURS):
        name, arguments = command_of(shlex.split(call.removeprefix(OURS)))
        COMMANDS[name].make_context(name, arguments)
    else:
        assert (
            call.startswith("/opt/w365core/.venv/bin/python -m streamlit run app.py --server.address 127.0.0.1 ")
            and (ROOT / "app.py").exists()
        )


def test_there_are_services_for_web_worker_and_backup() -> None:
    assert {unit.name for unit in UNITS} == {"w365-init.service", "w365-web.service", "w365-worker.service", "w365-backup.service"}
    assert all("NoNewPrivileges=yes" in unit.read_text() and "User=w365" in unit.read_text() for unit in UNITS)
    assert all(timer.with_suffix(".service").exists() for timer in DEPLOY.glob("*.timer"))


def test_every_variable_in_them_is_one_that_we_read() -> None:
    known = set(re.findall(r"W365_[A-Z_]+|DATABASE_URL", settings.__doc__))
    said = {name for path in DEPLOY.iterdir() for name in re.findall(r"\b(W365_[A-Z_]+|DATABASE_URL)=", path.read_text())}
    assert said and {"W365_SECRET_" if name.startswith("W365_SECRET_") else name for name in said} <= known | {"W365_SECRET_"}


def test_the_examples_hold_no_value_that_could_be_used() -> None:
    values = [
        line.partition("=")[2]
        for path in DEPLOY.glob("*.env")
        for line in path.read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert values and all("CHANGE-ME" in value for value in values)


def test_only_the_schema_is_brought_up_to_date_as_the_databases_owner_and_before_the_services() -> None:
    owner, services = (re.search(r"^DATABASE_URL=\w+://(\w+):", (DEPLOY / name).read_text(), re.MULTILINE)[1] for name in ENVIRONMENTS)
    said = (DEPLOY / "roles.sql").read_text()
    assert f"create role {owner} login;" in said and f"owner {owner} " in said
    assert f"create role {services} login in role w365_worker, w365_pages;" in said and owner != services
    assert {unit.name for unit in UNITS if "owner.env" in unit.read_text()} == {"w365-init.service"}
    assert [call for unit, call in CALLS if unit == "w365-init.service"] == [f"{OURS}init"]
    for name in ("w365-web.service", "w365-worker.service"):
        text = (DEPLOY / name).read_text()
        assert all(re.search(rf"^{how}=.*w365-init\.service", text, re.MULTILINE) for how in ("Wants", "After"))
    assert "Restart=on-failure" in (DEPLOY / "w365-init.service").read_text(), "a database that is up later is waited for"


def locked() -> dict[str, tuple[str, list[str]]]:
    """Version and hashes by name."""
    found = re.findall(
        r"^([a-z0-9-]+)==(\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$", (DEPLOY / "requirements.lock").read_text(), re.MULTILINE
    )
    return {name: (version, re.findall(r"sha256:(\w+)", hashes)) for name, version, hashes in found}


def test_the_image_takes_versions_that_the_ranges_allow_and_by_hash_alone() -> None:
    said = (DEPLOY / "Containerfile").read_text()
    assert "--require-hashes --only-binary :all: --requirement requirements.lock" in said and "COPY deploy/requirements.lock ." in said
    assert "python:3.12-" in said and "Python 3.12 on x86_64" in (DEPLOY / "requirements.lock").read_text()
    pinned = locked()
    assert len(pinned) == (DEPLOY / "requirements.lock").read_text().count("==") and all(hashes for _, hashes in pinned.values())
    wanted = [Requirement(line) for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert len(wanted) > 20
    for one in wanted:
        version, _ = pinned[one.name.lower().replace("_", "-")]
        assert one.specifier.contains(version), f"{one} does not allow {version}: run deploy/lock.py"


def test_the_bill_of_materials_lists_what_the_image_takes() -> None:
    bill = json.loads((DEPLOY / "sbom.json").read_text())
    assert bill["bomFormat"] == "CycloneDX"
    listed = {one["name"]: (one["version"], [digest["content"] for digest in one["hashes"]]) for one in bill["components"]}
    assert listed == locked() and all(one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}" for one in bill["components"])


def test_the_image_is_made_of_files_that_are_there() -> None:
    copied = [line.split()[1] for line in (DEPLOY / "Containerfile").read_text().splitlines() if line.startswith("COPY")]
    assert copied and [name for name in copied if not Path(ROOT / name).exists()] == []
