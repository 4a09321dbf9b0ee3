"""The frame of every page: title and icon, the pages, the filters, the error boundary, the footer. Streamlit runs it through app.py."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from pages.components import asking, cached, filters, footer, problems, signed_in
from w365core.access import Role
from w365core.reports import wording

_WITHOUT_FILTERS = (
    "providers",
    "tolerance",
    "settings",
    "usage-invoices",
    "why",
    "markup",
    "reconciliation",
    "margin",
    "change-logs",
    "audit",
    "jobs",
    "messages",
    "people",
)  # pages that are not about provider invoices
_PICTURES = Path(__file__).parent / "components" / "pictures"

# Before the pages are named: else a page's icon becomes the tab's, and the browser fetches it from Google.
st.set_page_config(page_icon=str(_PICTURES / "mark.svg"), layout="wide", initial_sidebar_state="expanded")
st.logo(str(_PICTURES / "logo.svg"), icon_image=str(_PICTURES / "mark.svg"), size="large")

entered = None
with problems.boundary():
    entered = signed_in.enter(cached.unguarded)
role = entered if isinstance(entered, Role) else None

page = st.navigation(
    {
        "Provider invoices": [
            st.Page("invoices/status.py", title="Invoice status", icon=":material/receipt_long:", url_path="invoices", default=True),
            st.Page("references/inbox.py", title="Missing references", icon=":material/link_off:", url_path="missing-references"),
        ],
        "Reconciliation": [
            st.Page("reconciliation/reconciliation.py", title="Reconciliation", icon=":material/balance:", url_path="reconciliation"),
            st.Page("reconciliation/margin.py", title="Margin", icon=":material/savings:", url_path="margin"),
            st.Page("reconciliation/change_logs.py", title="Change logs", icon=":material/difference:", url_path="change-logs"),
        ],
        "Usage": [
            st.Page("usage/markup.py", title="Markup updates", icon=":material/percent:", url_path="markup"),
            st.Page("usage/invoices.py", title="Usage invoices", icon=":material/request_quote:", url_path="usage-invoices"),
            st.Page("usage/why.py", title="Why is there no usage invoice?", icon=":material/troubleshoot:", url_path="why"),
        ],
        "Operations": [
            st.Page("jobs/jobs.py", title="Jobs", icon=":material/work_history:", url_path="jobs"),
            st.Page("operations/messages.py", title="Messages", icon=":material/mail:", url_path="messages"),
            st.Page("operations/audit.py", title="Audit log", icon=":material/history:", url_path="audit"),
        ],
        "Setup": [
            st.Page("providers/connections.py", title="Providers", icon=":material/hub:", url_path="providers"),
            st.Page("providers/tolerance.py", title="Tolerance", icon=":material/rule:", url_path="tolerance"),
            st.Page("operations/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
            st.Page("operations/people.py", title="People", icon=":material/group:", url_path="people"),
        ],
    },
    position="sidebar" if role else "hidden",
    expanded=True,
)
st.set_page_config(page_title=f"{page.title} · w365core")

if role is None and entered is not None:
    entered()
if role is not None:
    with problems.boundary():
        installation, choices = cached.around(filtered=page.url_path not in _WITHOUT_FILTERS)
        wording.show_times_in(installation.time_zone)
        with st.sidebar:
            if choices is not None:
                filters.draw(choices)
            signed_in.badge(role)
            footer.draw(installation)
        signed_in.refuse_route(page.url_path, role)
        page.run()
    asking.drawn()
