from datetime import UTC, datetime

import pytest

from w365core.dates import utc_moment_of as moment


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2018-02-08T22:40:37.5897767Z", datetime(2018, 2, 8, 22, 40, 37, 589776, tzinfo=UTC)),
        ("2023-03-09T08:12:53", datetime(2023, 3, 9, 8, 12, 53, tzinfo=UTC)),
        ("2018-02-08T22:40:37-07:00", datetime(2018, 2, 9, 5, 40, 37, tzinfo=UTC)),
        ("2015-11-25T06: 41: 12Z", datetime(2015, 11, 25, 6, 41, 12, tzinfo=UTC)),
        ("2015-11-25", datetime(2015, 11, 25, tzinfo=UTC)),
        ("10/3/2020", datetime(2020, 10, 3, tzinfo=UTC)),
        ("2/28/2019 23:59", datetime(2019, 2, 28, 23, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_every_documented_form_has_one_meaning(text, meant):
    assert moment(text) == meant


@pytest.mark.parametrize(
    "text", ["28/2/2019", "2019-02-30", "yesterday", "", "2019-13-01", "1550000000", "२०१९-02-01", "2019-02-01T25:00:00Z"]
)
def test_anything_else_is_not_guessed(text):
    with pytest.raises(ValueError):
        moment(text)
