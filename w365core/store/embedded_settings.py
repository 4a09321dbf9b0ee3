"""How is the embedded server configured? Durable, local only, and as large as this machine bears. Sizes in MB.

On the command line of the server, above any configuration file, so that the same version always behaves the same.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from w365core.store.embedded_locks import cluster_name


def server_settings(*, data: Path, socket: Path) -> dict[str, str]:
    """Postgres' own names and values, none of which needs quoting."""
    memory, disk = memory_megabytes(), shutil.disk_usage(data).free // 2**20
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "cluster_name": cluster_name(data),
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",  # off lost 200 of 200 acknowledged commits at a kill
        "wal_level": "minimal",  # COPY into a new table then writes no log
        "max_wal_senders": "0",
        "max_connections": "60",
        "max_locks_per_transaction": "256",
        "shared_buffers": f"{_between(128, memory // 6, 2048)}MB",
        "effective_cache_size": f"{_between(256, memory // 2, 2**20)}MB",
        "maintenance_work_mem": f"{_between(64, memory // 16, 1024)}MB",
        "work_mem": f"{_between(8, memory // 128, 64)}MB",  # per sort of a connection
        "max_wal_size": f"{_between(1024, disk // 8, 8192)}MB",  # a full disk of log is a crash
        "checkpoint_timeout": "20min",
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "logging_collector": "off",
    }
    return settings | dynamic_shared_memory()


def dynamic_shared_memory() -> dict[str, str]:
    """Files, where a container's 64 MB of /dev/shm would fail a parallel hash; else Postgres' own choice."""
    return {"dynamic_shared_memory_type": "mmap"} if _small_shared_memory() else {}


def memory_megabytes() -> int:
    """The machine's memory, or the container's limit where that is less."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(int(Path(limit).read_text()))
    return min(limits) // 2**20


def _small_shared_memory() -> bool:
    if not sys.platform.startswith("linux"):
        return False
    try:
        return shutil.disk_usage("/dev/shm").total < 512 * 2**20
    except OSError:
        return True


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
