"""A process of its own that runs several commands one after the other, with everything that any library logs on standard error.

On standard input a JSON list of [faults of the sandbox, arguments of the command]; the sandbox's URL is the argument. Each command's exit code is
said on standard output as `exit N`.
"""

from __future__ import annotations

import json
import logging
import sys
import urllib.request

from w365core import cli


def commanded(sandbox: str, faults: list[str], arguments: list[str]) -> int | str | None:
    body = json.dumps({"faults": faults}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{sandbox}/_sandbox/faults", data=body, method="POST"), timeout=10).close()
    sys.argv = ["w365core", *arguments]
    try:
        cli.main()
    except SystemExit as ended:
        return ended.code
    return 0


def run(sandbox: str) -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    for faults, arguments in json.load(sys.stdin):
        sys.stdout.write(f"exit {commanded(sandbox, faults, arguments)}\n")


if __name__ == "__main__":
    run(sys.argv[1])
