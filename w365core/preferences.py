"""What can be set for an installation, beside the environment? Each setting with its kind, its default and what it does; one list serves commands, page and jobs.

A value is kept as the text that a person wrote, put into its one form: `checked` gives that form, or says what is expected. Secrets are no settings:
they come from the environment alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from w365core import money

LONGEST = 500
_ADDRESS = re.compile(r"[^@\s,;<>\"']+@[^@\s,;<>\"']+\.[^@\s,;<>\"'.]+")
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")
_YES, _NO = ("yes", "true", "1", "on"), ("no", "false", "0", "off")


class Form(StrEnum):
    """How a value is written."""

    TEXT = "text"
    WHOLE = "whole number"
    FLAG = "yes or no"
    CHOICE = "one of a list"
    TIME = "time of day, HH:MM"
    ZONE = "time zone, such as Europe/Berlin"
    ADDRESSES = "mail addresses, separated by commas"
    PERCENT = "per cent with a point, such as 17.65"


@dataclass(frozen=True)
class Preference:
    """One setting. `least` and `most` bound a whole number; a blank default means that nothing is set."""

    name: str
    form: Form
    default: str
    does: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 1_000_000


@dataclass(frozen=True)
class Expected:
    """A text is no value of the setting; what is expected instead."""

    sentence: str


PREFERENCES = (
    Preference("time_zone", Form.ZONE, "UTC", "The time zone that times are shown in and the schedule follows."),
    # money
    Preference("rate_stale_days", Form.WHOLE, "35", "After how many days a currency's rate counts as stale; 0: never.", most=3_650),
    Preference("default_markup_pct", Form.PERCENT, "", "The markup that a usage subscription gets when it is added here; blank: none, and it waits.", most=1_000),
    # keeping
    Preference("backup_warn_days", Form.WHOLE, "7", "After how many days without a backup `doctor` warns; 0: never.", most=3_650),
    Preference("keep_jobs_days", Form.WHOLE, "90", "How long the queue's ended jobs are kept; 0: for ever.", most=36_500),
    Preference("keep_runs_days", Form.WHOLE, "400", "How long the rows of ended syncs are kept that no import refers to; 0: for ever.", most=36_500),
    Preference(
        "keep_answers_days", Form.WHOLE, "0", "How long providers' answers are kept that nothing is made of; what an invoice needs is never removed; 0: for ever.",
        most=36_500,
    ),
    # the schedule
    Preference("sync_daily", Form.FLAG, "yes", "Whether every provider is asked for its invoices once a day, by itself."),
    Preference("sync_at", Form.TIME, "06:00", "When that is, by the clocks of the time zone."),
    Preference(
        "bill_when_due", Form.FLAG, "no", "Whether Drafts are made of usage whose invoice date has come, once a day, by themselves."
    ),
    Preference("bill_at", Form.TIME, "08:00", "When that is, by the clocks of the time zone."),
    Preference("notify_daily", Form.FLAG, "yes", "Whether the summary of the day is made, once a day, by itself."),
    Preference("notify_at", Form.TIME, "09:00", "When that is, by the clocks of the time zone."),
    # Messages: who is told, by which way, and of what.
    Preference(
        "mail_to",
        Form.ADDRESSES,
        "",
        "Who gets messages by mail, unless a template names others. Blank: nobody, and every message is withheld.",
    ),
    Preference("mail_cc", Form.ADDRESSES, "", "Who gets a copy."),
    Preference("mail_from", Form.ADDRESSES, "", "The address that mail comes from. Blank: the first one of mail_to."),
    Preference("mail_server", Form.TEXT, "", "The SMTP server. Blank: no mail leaves, and every message is withheld."),
    Preference("mail_port", Form.WHOLE, "587", "Its port.", least=1, most=65535),
    Preference(
        "mail_security",
        Form.CHOICE,
        "starttls",
        "How the connection is kept private: starttls, tls from the first byte, or none.",
        choices=("starttls", "tls", "none"),
    ),
    Preference(
        "mail_user", Form.TEXT, "", "The account at the server; its password is in the environment, W365_SMTP_PASSWORD. Blank: no sign-in."
    ),
    Preference("webhook_url", Form.TEXT, "", "Where every message is also posted as JSON, over https. Blank: nowhere."),
    Preference(
        "webhook_hosts",
        Form.TEXT,
        "",
        "The hosts that webhook_url may lead to, and those below them, separated by commas; loopback needs no entry.",
    ),
    Preference("message_daily_summary", Form.FLAG, "yes", "Whether the daily summary is sent."),
    Preference("message_invoice_available", Form.FLAG, "yes", "Whether it is said that an invoice has come in."),
    Preference("message_invoice_failed", Form.FLAG, "yes", "Whether it is said that an invoice has failed."),
    Preference("message_invoice_changed", Form.FLAG, "yes", "Whether it is said that the provider has changed an imported invoice."),
    Preference("message_retry_lapsing", Form.FLAG, "yes", "Whether it is said that a failed invoice will soon be tried no more."),
    Preference("message_markup_drift", Form.FLAG, "yes", "Whether it is said that markups have changed since usage came in."),
    Preference(
        "message_app_address",
        Form.TEXT,
        "",
        "The address of this application, such as https://w365.example, for links in messages. Blank: no links.",
    ),
)  # fmt: skip
BY_NAME = {one.name: one for one in PREFERENCES}


def checked(preference: Preference, written: str) -> str | Expected:
    """The one form of a written value; Expected where it is none. Blank takes the value away where the default is blank as well."""
    text = written.strip()
    if len(text) > LONGEST or not text.isprintable():
        return Expected(f"plain text of at most {LONGEST} characters")
    if not text:
        if preference.default:
            return Expected(f"{preference.form}; `settings clear {preference.name}` goes back to {preference.default}")
        return ""
    match preference.form:
        case Form.WHOLE:
            return _whole(preference, text)
        case Form.FLAG:
            return _flag(text)
        case Form.CHOICE if text.lower() not in preference.choices:
            return Expected(f"one of {', '.join(preference.choices)}")
        case Form.CHOICE:
            return text.lower()
        case Form.TIME:
            return _time(text)
        case Form.ZONE if not _ZONE.fullmatch(text):
            return Expected(str(Form.ZONE))
        case Form.ADDRESSES:
            return _addresses(text)
        case Form.PERCENT:
            return _percent(preference, text)
    return text


def _whole(preference: Preference, text: str) -> str | Expected:
    expected = Expected(f"a whole number from {preference.least:,} to {preference.most:,}")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        return expected
    if not preference.least <= int(text) <= preference.most:
        return expected
    return str(int(text))


def _percent(preference: Preference, text: str) -> str | Expected:
    number = money.readable(text)
    if number is None or not preference.least <= number <= preference.most:
        return Expected(f"{Form.PERCENT}, from {preference.least:,} to {preference.most:,}")
    return money.plain(money.trimmed(number)) or ""


def _flag(text: str) -> str | Expected:
    if text.lower() not in _YES + _NO:
        return Expected("yes or no")
    return "yes" if text.lower() in _YES else "no"


def _time(text: str) -> str | Expected:
    found = _TIME.fullmatch(text)
    if found is None:
        return Expected(f"{Form.TIME}, from 00:00 to 23:59")
    return f"{int(found[1]):02}:{found[2]}"


def _addresses(text: str) -> str | Expected:
    found = [one.strip() for one in text.replace(";", ",").split(",") if one.strip()]
    wrong = [one for one in found if not _ADDRESS.fullmatch(one)]
    if wrong or not found:
        return Expected(f"{Form.ADDRESSES}; {wrong[0] if wrong else text} is none")
    return ", ".join(dict.fromkeys(found))
