"""Fuzzes the reading of files by hand, outside the tests, for as long as wanted; ends at the first input that breaks a promise.

    python benchmarks/fuzz_files.py [--minutes 10] [--only bytes|readers|json|sums]

Where atheris is installed, `bytes`, `readers` and `json` are guided by the coverage of our modules; else, and for `sums`, by hypothesis. What must
hold stands in tests/fuzz/files.py. An input that breaks it is printed; put it into the corpus of tests/providers/test_corpus.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis import HealthCheck, given, settings, strategies as st

if "--guided" in sys.argv:
    import atheris

    with atheris.instrument_imports(include=["w365core.providers", "w365core.intake", "w365core.money", "w365core.dates"]):
        from tests.fuzz import files
else:
    from tests.fuzz import files

from tests.providers.test_corpus import AMOUNTS as AMOUNTS_OF_FILES, REFUSED

MOST_BYTES = 2_000
BYTES = {
    "bytes": (files.read_whole_or_refused, files.damaged() | files.texts() | st.binary(max_size=400)),
    "readers": (files.both_readers_agree, files.texts()),
    "json": (files.json_lines_taken_or_rejected, st.binary(max_size=400)),
}
AMOUNTS = (files.amounts, files.styles, st.sampled_from(",;\t|"), st.sampled_from(["utf-8", "utf-16", "cp1252"]), st.booleans())
ROUND = 500  # examples of one round of hypothesis, each round from another seed


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--only", choices=[*BYTES, "sums"])
    arguments.add_argument("--guided", choices=list(BYTES), help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.guided:
        return guided(chosen.guided, chosen.minutes)
    names = [chosen.only] if chosen.only else [*BYTES, "sums"]
    for name in names:
        if name != "sums" and importlib.util.find_spec("atheris"):
            again = [sys.executable, __file__, "--guided", name, "--minutes", str(chosen.minutes / len(names))]
            subprocess.run(again, check=True)
        else:
            generated(name, chosen.minutes / len(names))


def generated(name: str, minutes: float) -> None:
    promise = given(*AMOUNTS)(files.sums_come_out_to_the_cent) if name == "sums" else given(BYTES[name][1])(_quietly(BYTES[name][0]))
    promise = settings(max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck))(promise)
    until, rounds = time.monotonic() + minutes * 60, 0
    while time.monotonic() < until:
        promise()
        rounds += 1
    print(f"{name}: {rounds * ROUND:,} examples, nothing found")


def guided(name: str, minutes: float) -> None:
    """From a few files of ours on; libFuzzer says how far it came."""
    with tempfile.TemporaryDirectory() as corpus:
        for number, (content, _) in enumerate([*AMOUNTS_OF_FILES.values(), *REFUSED.values()]):
            known = content if isinstance(content, bytes) else content.encode()
            if len(known) < MOST_BYTES:
                (Path(corpus) / str(number)).write_bytes(known)
        options = [f"-max_total_time={int(minutes * 60)}", f"-max_len={MOST_BYTES}", "-artifact_prefix=/tmp/", corpus]
        atheris.Setup([sys.argv[0], *options], _quietly(BYTES[name][0]))
        atheris.Fuzz()


def _quietly(promise: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def kept(content: bytes) -> None:
        promise(content)

    return kept


if __name__ == "__main__":
    main()
