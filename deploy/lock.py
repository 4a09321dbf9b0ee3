"""Which versions did the tests run with, and what do their files hash to? Writes `requirements.lock` for the image, and `sbom.json`, which lists the same.

To be run in the environment whose tests have passed: .venv/bin/python deploy/lock.py
The versions are those of that environment; the hashes are what pip gets from the package index for the image's Python, on each of its platforms.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "3.12"  # the image's
MACHINES = ("x86_64", "aarch64")
_TAGS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")
_HEAD = """\
# What the image installs: the versions that the tests ran with, each with the hashes of its files for Python {python} on {machines}.
# Made by deploy/lock.py; requirements.txt says what they are chosen from.
"""
Locked = dict[str, tuple[str, set[str]]]  # version and hashes by name


def main() -> None:
    found: dict[str, Locked] = {machine: dict(_resolved(machine)) for machine in MACHINES}
    names = {machine: set(locked) for machine, locked in found.items()}
    if len({frozenset(one) for one in names.values()}) > 1:
        sys.exit(
            f"The platforms need different packages, which one list cannot say: {set.union(*names.values()) - set.intersection(*names.values())}"
        )
    locked: Locked = {}
    for one in found.values():
        for name, (version, hashes) in one.items():
            locked[name] = (version, locked.get(name, (version, set()))[1] | hashes)
    (HERE / "requirements.lock").write_text(as_lock(locked))
    (HERE / "sbom.json").write_text(as_bill(locked))


def as_lock(locked: Locked) -> str:
    """As `pip install --require-hashes` reads it."""
    lines = [
        " \\\n".join([f"{name}=={version}", *(f"    --hash=sha256:{one}" for one in sorted(hashes))])
        for name, (version, hashes) in sorted(locked.items())
    ]
    return _HEAD.format(python=PYTHON, machines=" and ".join(MACHINES)) + "\n".join(lines) + "\n"


def as_bill(locked: Locked) -> str:
    """A bill of materials in the form of CycloneDX."""
    parts = [
        {
            "type": "library",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "hashes": [{"alg": "SHA-256", "content": one} for one in sorted(hashes)],
        }
        for name, (version, hashes) in sorted(locked.items())
    ]
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": parts}
    return json.dumps(whole, indent=1) + "\n"


def _resolved(machine: str) -> Iterator[tuple[str, tuple[str, set[str]]]]:
    """What pip would install there, by name."""
    with tempfile.TemporaryDirectory() as folder:
        constraints, report = Path(folder) / "tried.txt", Path(folder) / "report.json"
        tried = {f"{one.name}=={one.version}" for one in distributions() if one.name not in ("pip", "setuptools", "w365core")}
        constraints.write_text("\n".join(sorted(tried)))
        tags = [argument for tag in _TAGS for argument in ("--platform", f"{tag}_{machine}")]
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary", ":all:"]
        command += ["--implementation", "cp", "--python-version", PYTHON, *tags, "--target", f"{folder}/nowhere", "--report", str(report)]
        subprocess.run([*command, "--constraint", str(constraints), "--requirement", str(HERE.parent / "requirements.txt")], check=True)
        for one in json.loads(report.read_text())["install"]:
            name = one["metadata"]["name"].lower().replace("_", "-").replace(".", "-")
            yield name, (one["metadata"]["version"], {one["download_info"]["archive_info"]["hashes"]["sha256"]})


if __name__ == "__main__":
    main()
