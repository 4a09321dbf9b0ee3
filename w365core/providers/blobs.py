"""Is a downloaded blob whole, and how is it read? Gzip JSON lines, unpacked once to the last byte and counted.

A cleanly shortened blob has no mark of its own: only the control totals against the header find it. A broken one is found here.
"""

from __future__ import annotations

from pathlib import Path

from w365core.dates import DateOrder
from w365core.errors import InputRefused, ProviderUnavailable
from w365core.model import Feed
from w365core.providers import file_bytes
from w365core.providers.files import JSON_LINES, FileForm


def form_of(path: Path, *, feed: Feed, name: str) -> FileForm:
    """How the blob is read, once it is known to be whole. ProviderUnavailable where it is damaged or breaks off."""
    source = file_bytes.source_of(path, name)
    try:
        file_bytes.read_whole(source)
    except InputRefused as error:
        raise ProviderUnavailable(f"The provider's {feed} export is damaged: {error.problems[0]}. Sync the invoice again.") from None
    return FileForm(
        feed=feed,
        layout=JSON_LINES,
        compression=source.compression,
        encoding="utf-8",
        separator=",",
        decimal_comma=False,
        date_order=DateOrder.MONTH_FIRST,
        date_order_settled_by="default",
        columns=(),
        unknown=(),
        rows=None,
    )
