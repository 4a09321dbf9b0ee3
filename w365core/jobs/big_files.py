"""What would a large file of usage change? Asked of a process of its own, so that its rows never fill the web app's memory; memory and time are limited.

`python -m w365core.jobs.big_files` is that process: a line of JSON and then the file's text come in, the preview or why there is none goes out.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from typing import Any

from sqlalchemy import Engine

from w365core.correction import Preview
from w365core.errors import CallRefused, W365Error

# A workbook of 100,000 rows (26 MB as text) took 330 MB, 930 MB of addresses; 100 MB of text is the most that is taken at all.
MOST_BYTES_OF_MEMORY = 2 << 30
MOST_SECONDS = 120  # of the processor


def preview(engine: Engine, *, name: str, text: bytes, from_workbook: bool) -> Preview:
    """What `correcting.preview_file` says of it. CallRefused where it takes too much to say."""
    told = {"url": engine.url.render_as_string(hide_password=False), "name": name, "from_workbook": from_workbook}
    command = [sys.executable, "-m", "w365core.jobs.big_files"]
    try:
        done = subprocess.run(
            command, input=json.dumps(told).encode() + b"\n" + text, capture_output=True, timeout=2 * MOST_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        done = None
    if done is None or done.returncode:
        raise CallRefused(f"{name} takes more time or memory than one file may; nothing was done. Take fewer rows at once.")
    found = pickle.loads(done.stdout)  # what our own process wrote
    if isinstance(found, W365Error):
        raise found
    assert isinstance(found, Preview)
    return found


def limited() -> None:
    """From here on this process can take no more than that."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # no such limits there; the time is limited by who waits


def _found(url: str, name: str, text: bytes, from_workbook: bool) -> Any:
    from w365core.jobs import correcting
    from w365core.store.engine import pooled

    try:
        return correcting.preview_text(pooled(url), name=name, text=text, from_workbook=from_workbook)
    except W365Error as error:
        return error


def main() -> None:
    """Reads standard input, writes standard output."""
    limited()
    told = json.loads(sys.stdin.buffer.readline())
    found = _found(text=sys.stdin.buffer.read(), **told)
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    main()
