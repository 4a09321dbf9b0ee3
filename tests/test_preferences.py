"""What is a value of a setting, and what does a setting say that is none?"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from w365core.preferences import PREFERENCES, Expected, Form, Preference, checked


def of(form: Form, **more: object) -> Preference:
    return Preference("one", form, "", "does something", **more)


@pytest.mark.parametrize(
    ("form", "written", "kept"),
    [
        (Form.TIME, "6:05", "06:05"),
        (Form.TIME, " 23:59 ", "23:59"),
        (Form.FLAG, "TRUE", "yes"),
        (Form.FLAG, "0", "no"),
        (Form.WHOLE, "007", "7"),
        (Form.ZONE, "Europe/Berlin", "Europe/Berlin"),
        (Form.ADDRESSES, "a@b.example; c@d.example,a@b.example", "a@b.example, c@d.example"),
        (Form.TEXT, "  so  ", "so"),
        (Form.ADDRESSES, "   ", ""),
    ],
)
def test_a_value_is_kept_in_its_one_form(form: Form, written: str, kept: str) -> None:
    assert checked(of(form), written) == kept


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (Form.TIME, "24:00"),
        (Form.TIME, "6.05"),
        (Form.FLAG, "maybe"),
        (Form.WHOLE, "-1"),
        (Form.WHOLE, "1.5"),
        (Form.WHOLE, "1000001"),
        (Form.WHOLE, "٣"),
        (Form.ZONE, "../../etc/passwd"),
        (Form.ADDRESSES, "nobody"),
        (Form.ADDRESSES, "a@b.example, Eve <eve@x.example>"),
        (Form.ADDRESSES, ";"),
        (Form.TEXT, "two\nlines"),
        (Form.TEXT, "x" * 501),
    ],
)
def test_what_is_no_value_says_what_is_expected(form: Form, written: str) -> None:
    said = checked(of(form), written)
    assert isinstance(said, Expected) and said.sentence


def test_a_choice_is_one_of_its_list() -> None:
    color = of(Form.CHOICE, choices=("red", "blue"))
    assert checked(color, "RED") == "red"
    assert checked(color, "green") == Expected("one of red, blue")


def test_blank_is_no_way_back_to_a_default_that_says_something() -> None:
    assert isinstance(checked(Preference("one", Form.TEXT, "so", "does"), " "), Expected)


def test_every_default_is_a_value_of_its_setting() -> None:
    assert [one.name for one in PREFERENCES if one.default and checked(one, one.default) != one.default] == []


@given(st.sampled_from(Form), st.text())
def test_what_is_kept_is_kept_again_as_it_is(form: Form, written: str) -> None:
    kept = checked(of(form, choices=("a",)), written)
    assert isinstance(kept, Expected) or checked(of(form, choices=("a",)), kept) == kept
