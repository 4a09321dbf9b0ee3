"""The first sheet of an Excel workbook as CSV text: `python excel_rows.py < workbook > rows`, a process of its own.

A workbook of a few kilobytes can unpack to gigabytes, or claim a cell in its last corner, and its reader then takes the whole process along. So it is
read where that costs nobody anything: its directory is looked at before anything is unpacked, and because a directory can lie, memory, time and output
are limited too, in a process that imports nothing of ours. A number is printed as the shortest text that is that number; a day as ISO.
"""

import csv
import io
import sys
import zipfile
from datetime import date, datetime, time, timedelta

# 100,000 rows of usage, as we export them, are 13 MB that unpack to 85 MB (ratio 7, in 9 entries); reading them took below 300 MB and 4 seconds.
MOST_BYTES_OF_MEMORY = 768 << 20
MOST_SECONDS = 20  # of the processor
MOST_BYTES_WRITTEN = 100_000_000
MOST_BYTES_UNPACKED = 400_000_000
MOST_ENTRIES = 1_000
MOST_RATIO = 100  # of an entry that is not small
SMALL_ENTRY = 1_000_000
REFUSED = 9  # exit code: standard error has the sentence


def refusal(workbook: bytes) -> str | None:
    """Why it is not unpacked, by what its directory declares; None where nothing speaks against it."""
    with zipfile.ZipFile(io.BytesIO(workbook)) as packed:
        entries = packed.infolist()
    if len(entries) > MOST_ENTRIES:
        return f"has {len(entries):,} parts inside; a workbook of usage has at most {MOST_ENTRIES:,}"
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MOST_BYTES_UNPACKED:
        return f"unpacks to {unpacked / 1e6:,.0f} MB; a workbook of usage unpacks to at most {MOST_BYTES_UNPACKED / 1e6:,.0f} MB"
    for entry in entries:
        if entry.file_size > SMALL_ENTRY and entry.file_size > MOST_RATIO * entry.compress_size:
            return f"has a part that unpacks to more than {MOST_RATIO} times its size; no workbook of usage does"
    return None


def printed(value: object) -> str:
    """The cell as text."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).upper()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
    return (
        value.isoformat() if isinstance(value, date | time) else str(value.total_seconds()) if isinstance(value, timedelta) else str(value)
    )


def limited() -> None:
    """From here on this process can take no more than that."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_BYTES_WRITTEN, MOST_BYTES_WRITTEN))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # no such limits there; the time is limited by who waits


def main() -> None:
    """Reads standard input, writes standard output."""
    limited()
    import python_calamine

    workbook = sys.stdin.buffer.read()
    why = refusal(workbook)
    if why is not None:
        sys.stderr.write(why)
        raise SystemExit(REFUSED)
    rows = python_calamine.load_workbook(io.BytesIO(workbook)).get_sheet_by_index(0).to_python(skip_empty_area=False)
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=False)
    csv.writer(out, lineterminator="\r\n").writerows([printed(cell) for cell in row] for row in rows)
    out.flush()


if __name__ == "__main__":
    main()
