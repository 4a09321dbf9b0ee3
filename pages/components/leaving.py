"""How does something leave as a file? By one button, which asks when it is pressed whether this file is for whoever presses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from pages.components import cached, signed_in


def button(label: str, *, what: str, data: Callable[[], bytes | str], file_name: str, **looks: Any) -> None:
    """A download; `what` is its kind in `access.DOWNLOADS`. It is made when it is pressed, for whoever it was shown to."""
    who = signed_in.person()

    def made() -> bytes | str:
        with signed_in.in_place_of(who):
            signed_in.refuse_download(cached.engine(), what)
            return data()

    st.download_button(label, data=made, file_name=file_name, on_click="ignore", **looks)
