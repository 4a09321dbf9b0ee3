"""Where do the files of an embedded server lie, and can they be used? Every failure is one sentence.

<home>/pg18          the data directory, with server.log; the number is the Postgres major version
<home>/socket        the folder of the socket, 0700; /tmp/w365-<hash> where the path is too long for a socket
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from w365core.errors import ConfigurationMissing
from w365core.store.embedded_account import Account

MAJOR = 18
_LOG_LIMIT = 16 * 2**20
_SOCKET_PATH_LIMIT = 90  # bytes; the system's is 103 to 107 with the file's name


def data_directory(home: Path) -> Path:
    return home.resolve() / f"pg{MAJOR}"


def socket_directory(home: Path) -> Path:
    """Always the same for a home, whatever the environment, because every process has to find it."""
    plain = home.resolve() / "socket"
    # Also elsewhere: characters that would need quoting in a URL or divide a list of hosts.
    if len(os.fsencode(plain)) <= _SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./-]+", str(plain), re.ASCII):
        return plain
    return Path("/tmp").resolve() / f"w365-{hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:16]}"


def server_log(data: Path) -> Path:
    return data / "server.log"


def make_home(home: Path) -> None:
    """Each folder that is missing. Root's own are passable, whatever the umask, so that the server's account gets through to its data."""
    missing = [folder for folder in (home, *home.parents) if not folder.exists()]
    for folder in reversed(missing):
        with suppress(FileExistsError):  # another process makes it at the same moment
            folder.mkdir()
            folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
    if not home.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(home))
    _let_through(home)


def _let_through(home: Path) -> None:
    """An empty home that was made for us (`mktemp -d`) is passable like one that we make; a folder that holds anything is left alone."""
    found = home.stat()
    if os.geteuid() == 0 and found.st_uid == 0 and not found.st_mode & stat.S_IXOTH and not any(home.iterdir()):
        home.chmod(stat.S_IMODE(found.st_mode) | 0o011)


def make_socket_directory(socket: Path, who: Account) -> None:
    with suppress(FileExistsError):
        socket.mkdir(mode=0o700)
    refuse_foreign(socket, who)
    socket.chmod(0o700)
    who.own(socket)


def refuse_foreign(socket: Path, who: Account) -> None:
    """Whoever owns the folder of the socket could pose as our server. Our own is one left by a start that was killed."""
    found = socket.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (who.uid, os.geteuid()):
        raise ConfigurationMissing(
            f"{socket} exists and is not a folder of the account {who.name}, which runs the database; "
            "remove it, or set W365_HOME to another folder."
        )


def refuse_unsupported(home: Path) -> None:
    if os.name == "nt":
        raise ConfigurationMissing("The embedded Postgres does not run on Windows; set DATABASE_URL to a Postgres server.")
    if re.search(r"[\"'$`\\\n\r]", str(home)):  # pg_ctl hands the path to a shell
        raise ConfigurationMissing(f"W365_HOME is {str(home)!r}; set it to a folder without quotes, $ or backslashes in its path.")


@contextmanager
def in_one_sentence(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise disk_full(home) from None
        raise ConfigurationMissing(
            f"The database's folder cannot be used: {error.strerror or error} ({error.filename or home}); "
            "set W365_HOME to a folder that you may write to, or DATABASE_URL to a Postgres server."
        ) from None


def disk_full(home: Path) -> ConfigurationMissing:
    return ConfigurationMissing(f"The disk of {home} is full; free at least 200 MB there, or set W365_HOME to a folder on another disk.")


def turn_over(log: Path) -> None:
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name("server.log.1"))


def flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
