"""How does a process of its own do what might take ours along? One waits warm for its call, may take only so much, and ends with us.

`python -m w365core.jobs.apart MODULE SECONDS` is that process. It loads the module, which takes a second, and waits on standard input for one call; what
comes of it goes out on standard output. It ends where nobody calls for so many seconds, and as soon as its input ends: that is when we do, in whatever way.
"""

from __future__ import annotations

import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from w365core import settings as w365settings
from w365core.errors import W365Error

# A workbook of 100,000 rows (26 MB as text) took 330 MB, 930 MB of addresses; 100 MB of text is the most that is taken at all.
MOST_BYTES_OF_MEMORY = 2 << 30
MOST_SECONDS = 120  # of the processor
PATIENCE = 600  # seconds that a spare one waits for its call
NOBODY_CALLED = 9  # exit code
# A heap and a stack per processor would fill the addresses with nothing, the more the larger the machine.
_OF_ONE_THREAD = {"MALLOC_ARENA_MAX": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
_ROOT = Path(__file__).resolve().parents[2]


class Ended(Exception):
    """The process has ended before it was through: it took more than it may, or somebody ended it."""


class Apart:
    """Calls functions of a module in processes of their own, one process per call."""

    def __init__(self, module: str, *, patience: float = PATIENCE) -> None:
        self._command = [sys.executable, "-m", "w365core.jobs.apart", module, str(patience)]
        self._spare: subprocess.Popen[bytes] | None = None
        self._one = threading.Lock()

    def keep_warm(self) -> None:
        """Starts the spare one where none waits; nobody waits for it to be ready. Where it cannot be started the next call says so."""
        with self._one, suppress(OSError):
            if self._spare is None or self._spare.poll() is not None:
                self._spare = self._started()

    def call(self, do: Callable[..., Any], /, **told: Any) -> Any:
        """What `do` gives over there; what it raises is raised here. Ended where it did not come to an end."""
        called = pickle.dumps((do, told))
        code, said = _asked(self._taken(), called)
        if code == NOBODY_CALLED:  # its patience ended just now
            code, said = _asked(self._started(), called)
        self.keep_warm()
        if code:
            raise Ended
        found = pickle.loads(said)  # what our own process wrote
        if isinstance(found, Exception):
            raise found
        return found

    def _taken(self) -> subprocess.Popen[bytes]:
        """The spare one, or one that is still cold."""
        with self._one:
            spare, self._spare = self._spare, None
        return self._started() if spare is None or spare.poll() is not None else spare

    def _started(self) -> subprocess.Popen[bytes]:
        environment = {**w365settings.read().environment, **_OF_ONE_THREAD}
        return subprocess.Popen(self._command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _asked(process: subprocess.Popen[bytes], called: bytes) -> tuple[int, bytes]:
    """How it ended, and what it said. Its input stays open meanwhile, as the sign that we live."""
    overdue = threading.Timer(2 * MOST_SECONDS, process.kill)
    overdue.start()
    said = b""
    try:
        with suppress(BrokenPipeError), process:
            with suppress(BrokenPipeError):
                process.stdin.write(called)
                process.stdin.flush()
            said = process.stdout.read()
    finally:
        overdue.cancel()
    return process.returncode, said


# --- the process of its own ----------------------------------------------------------------------------------------------------------------


def limited() -> None:
    """From here on this process can take no more than that."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # no such limits there; the time is limited by who waits


def main() -> None:
    """Waits for a call, answers it, and ends."""
    limited()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who has started us
    importlib.import_module(sys.argv[1])
    called = _call(patience=float(sys.argv[2]))
    if called is not None:
        threading.Thread(target=_end_with_the_caller, daemon=True).start()
        sys.stdout.buffer.write(pickle.dumps(_done(*called)))
        sys.stdout.buffer.flush()
        os._exit(0)  # without tidying up the memory first


def _call(*, patience: float) -> tuple[Callable[..., Any], dict[str, Any]] | None:
    """None where whoever would call has ended."""
    nobody = threading.Timer(patience, os._exit, [NOBODY_CALLED])
    nobody.daemon = True
    nobody.start()
    try:
        return pickle.load(sys.stdin.buffer)
    except (EOFError, pickle.UnpicklingError):
        return None
    finally:
        nobody.cancel()


def _end_with_the_caller() -> None:
    """What nobody waits for any more must not go on to change something."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _done(do: Callable[..., Any], told: dict[str, Any]) -> Any:
    try:
        return do(**told)
    except W365Error as error:
        return error
    except MemoryError:
        raise
    except Exception:
        return RuntimeError(traceback.format_exc())  # its story, for the log over there


if __name__ == "__main__":
    main()
