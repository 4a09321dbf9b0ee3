"""Does an invoice in Error say to the day how long it will be tried, on the page, in the list and in the headline?"""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.reports import builders as b
from w365core.lifecycle import LATE_DAYS, RETRY_DAYS
from w365core.reports import countdown

END = date(2026, 11, 24)


def seen(days_left: int):
    """First seen so that so many days are left."""
    return b.NOW - timedelta(days=RETRY_DAYS - days_left)


@pytest.mark.parametrize(
    ("days_left", "said", "badge"),
    [
        (12, "The daily job tries again until 24 Nov 2026, 12 days left.", ""),
        (LATE_DAYS + 1, "The daily job tries again until 16 Nov 2026, 4 days left.", ""),
        (LATE_DAYS, "The daily job tries again until 15 Nov 2026, 3 days left.", "Lapses in 3 days"),
        (1, "The daily job tries again until 13 Nov 2026, 1 day left.", "Lapses tomorrow"),
        (0, "The daily job tries again until 12 Nov 2026, today is its last day.", "Lapses today"),
        (-1, "Retry window closed on 11 Nov 2026; sync it by hand.", "Retry window closed"),
    ],
)
def test_the_days_that_are_left_are_said_and_the_last_ones_warned_of(report, days_left: int, said: str, badge: str):
    (item,) = report({"status": "Error", "first_seen": seen(days_left)}).attention
    assert (item.timing, item.badge) == (said, badge)


def test_the_fifteenth_day_counts_whatever_the_hour():
    late = b.NOW.replace(hour=23, minute=59)
    assert countdown.from_first_sight(late - timedelta(days=RETRY_DAYS), now=late.replace(hour=0)).days_left == 0


def test_files_by_hand_and_what_is_not_in_error_have_no_countdown(report):
    found = report({"status": "Error", "source": "file"}, {"status": "Populating", "imported_at": b.NOW - timedelta(days=5)})
    assert [item.badge for item in found.attention] == ["", ""]
    assert sorted(item.timing for item in found.attention) == ["", "Has waited 5 days to be activated; not billable before."]


@pytest.mark.parametrize(
    ("left", "said"),
    [
        ((1,), "1 invoice lapses tomorrow"),
        ((0, 0), "2 invoices lapse today"),
        ((1, 3), "2 invoices lapse within 3 days"),
        ((12, -1), None),
    ],
)
def test_the_headline_of_what_is_held_up_says_what_lapses(report, left: tuple[int, ...], said: str | None):
    tiles = report(*({"status": "Error", "first_seen": seen(days)} for days in left)).tiles
    (held,) = [tile for tile in tiles if tile.label == "Held up"]
    assert [note.text for note in held.notes if "lapse" in note.text] == ([said] if said else [])
