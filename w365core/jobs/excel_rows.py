"""The first sheet of an Excel workbook as CSV text: `python excel_rows.py < workbook > rows`, a process of its own.

A workbook of a few kilobytes can unpack to gigabytes, or claim a cell in its last corner, and its reader then takes the whole process along. So it is
read where that costs nobody anything: with limited memory and time, by a process that imports nothing of ours. A number is printed as the shortest
text that is that number; a day as ISO.
"""

import csv
import io
import sys
from datetime import date, datetime, time, timedelta

MOST_BYTES_OF_MEMORY = 2 << 30
MOST_SECONDS = 60


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


def main() -> None:
    """Reads standard input, writes standard output."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES_OF_MEMORY, MOST_BYTES_OF_MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # no such limits there; the time is limited by who waits
    import python_calamine

    book = python_calamine.load_workbook(io.BytesIO(sys.stdin.buffer.read()))
    rows = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=False)
    csv.writer(out, lineterminator="\r\n").writerows([printed(cell) for cell in row] for row in rows)
    out.flush()


if __name__ == "__main__":
    main()
