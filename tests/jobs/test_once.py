"""Is what was asked with one key done once, and does an edit of what somebody else has changed meanwhile overwrite nothing?"""

from __future__ import annotations

import contextvars
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.conftest import NOW
from w365core.errors import AlreadyRunning, CallRefused
from w365core.jobs import mending, messaging, once, peopling, permitting, preferring, queue, tolerances
from w365core.jobs.once import DoneAlready
from w365core.jobs.queue import FilesAsked
from w365core.model import Provider, ProviderType
from w365core.store import asked_actions, people, policies, preferences, providers
from w365core.tolerance import Policy

TOLD: dict[str, Any] = {"actor": "ann", "now": NOW}
POLICY = Policy("csp", "EUR", owner="ann", reason="agreed")


@pytest.fixture
def configured(engine: Engine) -> Engine:
    with engine.begin() as connection:
        providers.save(connection, Provider("csp", ProviderType.MANUAL), now=NOW)
        people.came(connection, subject="https://idp|1", name="ana", email=None, claimed=None, now=NOW)
    return engine


def entries(engine: Engine, action: str) -> int:
    with engine.connect() as connection:
        return connection.execute(text("select count(*) from audit_log where action = :action"), {"action": action}).scalar_one()


def policy_of(engine: Engine) -> Policy | None:
    with engine.connect() as connection:
        return policies.find(connection, "csp", "EUR")


# --- a key -------------------------------------------------------------------------------------------------------------------------------


def test_the_second_time_is_told_that_it_was_done_and_changes_nothing(configured: Engine) -> None:
    preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)
    preferring.change(configured, "time_zone", "UTC", **TOLD)
    with pytest.raises(DoneAlready, match="by ann; nothing was done a second time"):
        preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)
    assert entries(configured, "set setting") == 2


def test_the_same_key_for_something_else_is_refused(configured: Engine) -> None:
    preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)
    for do in (
        lambda: preferring.change(configured, "time_zone", "Europe/Paris", key="k1", **TOLD),
        lambda: tolerances.set_policy(configured, POLICY, key="k1", **TOLD),
    ):
        with pytest.raises(CallRefused, match="for something else"):
            do()
    assert policy_of(configured) is None


def test_ten_at_once_are_one(configured: Engine) -> None:
    def ask(number: int) -> str:
        try:
            preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)
        except (DoneAlready, AlreadyRunning) as refused:
            return type(refused).__name__
        return "done"

    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(ask, range(10)))
    assert said.count("done") == 1 and entries(configured, "set setting") == 1


def test_what_was_refused_may_be_asked_again_with_the_same_key(configured: Engine) -> None:
    with pytest.raises(CallRefused, match="Europe/Nowhere"):
        preferring.change(configured, "time_zone", "Europe/Nowhere", key="k1", **TOLD)
    preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)
    assert entries(configured, "set setting") == 1


def test_what_died_in_between_is_not_done_again_by_itself(configured: Engine) -> None:
    asked = once.fingerprint(("time_zone", "Europe/Berlin"), {})
    with asked_actions.held(configured, "k1") as connection:
        asked_actions.begin(connection, key="k1", actor="ann", action="set setting", asked=asked, now=NOW)
    with pytest.raises(CallRefused, match="nobody knows whether it came to its end"):
        preferring.change(configured, "time_zone", "Europe/Berlin", key="k1", **TOLD)


def test_what_is_asked_from_one_form_is_done_once_and_each_thing_apart(configured: Engine) -> None:
    preferring.change(configured, "time_zone", "Europe/Berlin", form="f1", **TOLD)
    preferring.change(configured, "time_zone", "Europe/Paris", form="f1", **TOLD)
    with pytest.raises(DoneAlready):
        preferring.change(configured, "time_zone", "Europe/Paris", form="f1", **TOLD)
    preferring.change(configured, "time_zone", "Europe/Berlin", form="f2", **TOLD)
    assert entries(configured, "set setting") == 3


def in_a_page(form: str, *steps: Callable[[], Any]) -> list[str]:
    """The steps in a run of a page that was drawn as this form; what each was told."""

    def run() -> list[str]:
        permitting.from_form(form)
        said = []
        for step in steps:
            try:
                said.append(str(step()))
            except CallRefused as refused:
                said.append(type(refused).__name__)
        return said

    return contextvars.copy_context().run(run)


def test_whatever_a_page_asks_has_its_forms_key_and_is_done_once(configured: Engine) -> None:
    berlin = partial(preferring.change, configured, "time_zone", "Europe/Berlin", **TOLD)
    reset = partial(preferring.clear, configured, "time_zone", **TOLD)
    cancel = partial(queue.cancel, configured, 99, **TOLD)
    said = in_a_page("f1", berlin, reset, berlin, cancel, cancel)
    assert said == ["('Europe/Berlin', True)", "('UTC', True)", "DoneAlready", "False", "DoneAlready"]
    assert in_a_page("f2", berlin) == ["('Europe/Berlin', True)"]
    assert berlin() == ("Europe/Berlin", False), "a command is no page, and asks without a key"


def test_what_only_looks_may_be_asked_again_from_one_form(configured: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W365_HOME", str(tmp_path))
    kept = queue.keep(configured, "a.csv", BytesIO(b"x"), actor="ann")
    look = partial(queue.ask_files, configured, FilesAsked("csp", "G1", (kept,)), look=True, actor="ann")
    keep = lambda: queue.keep(configured, "a.csv", BytesIO(b"x"), actor="ann").size  # noqa: E731
    mend = partial(mending.mend, configured, "nobody", reason=None, dry_run=True, **TOLD)
    assert in_a_page("f1", look, look) == ["1", "2"]
    assert in_a_page("f1", keep, keep) == ["1", "1"]
    assert in_a_page("f1", mend, mend) == ["CallRefused", "CallRefused"]


def test_a_file_is_known_by_its_fingerprint_and_not_by_its_text() -> None:
    files = [once.fingerprint((), {"content": content}) for content in (b"a", b"b", b"a")]
    assert files[0] == files[2] != files[1]
    tracemalloc.start()
    once.fingerprint((), {"content": bytes(20_000_000)})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 25_000_000


@pytest.mark.parametrize("key", ["", "x" * 201, "a\nb"])
def test_a_key_is_plain_text(configured: Engine, key: str) -> None:
    with pytest.raises(CallRefused, match="A key is plain text"):
        preferring.change(configured, "time_zone", "UTC", key=key, **TOLD)


# --- what was seen -----------------------------------------------------------------------------------------------------------------------


def test_a_policy_that_somebody_else_has_set_meanwhile_is_not_overwritten(configured: Engine) -> None:
    tolerances.set_policy(configured, POLICY, seen=None, **TOLD)
    mine, theirs = replace(POLICY, reason="mine"), replace(POLICY, reason="theirs", one_click_amount=Decimal(9))
    tolerances.set_policy(configured, theirs, seen=POLICY, actor="bo", now=NOW)
    for do in (
        lambda: tolerances.set_policy(configured, mine, seen=POLICY, **TOLD),
        lambda: tolerances.set_policy(configured, mine, seen=None, **TOLD),
        lambda: tolerances.remove_policy(configured, "csp", "EUR", seen=POLICY, **TOLD),
    ):
        with pytest.raises(CallRefused, match=r"^bo has set this policy .*\(one click up to 9 EUR, owner ann, because: theirs"):
            do()
    assert policy_of(configured) == theirs
    assert tolerances.set_policy(configured, theirs, seen=POLICY, **TOLD)[1] is False, "what is so already is no conflict"


def test_a_policy_that_somebody_else_has_removed_meanwhile_is_not_set_again(configured: Engine) -> None:
    tolerances.set_policy(configured, POLICY, seen=None, **TOLD)
    tolerances.remove_policy(configured, "csp", "EUR", seen=POLICY, actor="bo", now=NOW)
    with pytest.raises(CallRefused, match="^bo has removed this policy since you looked at it; nothing was changed"):
        tolerances.set_policy(configured, replace(POLICY, reason="mine"), seen=POLICY, **TOLD)


def test_of_two_editors_at_once_one_is_refused(configured: Engine) -> None:
    def edit(number: int) -> str:
        try:
            tolerances.set_policy(configured, replace(POLICY, reason=f"of {number}"), seen=None, **TOLD)
        except CallRefused:
            return "refused"
        return "set"

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(edit, range(4))) == ["refused"] * 3 + ["set"]
    assert entries(configured, "set tolerance policy") == 1


def test_a_setting_that_somebody_else_has_changed_is_not_overwritten(configured: Engine) -> None:
    preferring.change(configured, "time_zone", "Europe/Paris", seen="UTC", **TOLD)
    with pytest.raises(CallRefused, match="to Europe/Paris since you looked"):
        preferring.change(configured, "time_zone", "Europe/Berlin", seen="UTC", **TOLD)
    assert preferring.change(configured, "time_zone", "Europe/Berlin", seen="Europe/Paris", **TOLD) == ("Europe/Berlin", True)


def test_a_setting_is_not_reset_where_somebody_else_has_changed_it(configured: Engine) -> None:
    preferring.change(configured, "time_zone", "Europe/Paris", actor="bo", now=NOW)
    with pytest.raises(CallRefused, match="bo has set time_zone to Europe/Paris since you looked at it; nothing was changed"):
        preferring.clear(configured, "time_zone", seen="Europe/Berlin", **TOLD)
    assert preferring.clear(configured, "time_zone", seen="Europe/Paris", **TOLD) == ("UTC", True)
    assert preferring.clear(configured, "time_zone", seen="Europe/Paris", **TOLD) == ("UTC", False), "what is so already is no conflict"


def test_who_is_told_is_not_changed_where_somebody_else_has_changed_it(configured: Engine) -> None:
    messaging.tell(configured, "bo@x.example", "", actor="bo", now=NOW)
    for seen in (("", ""), ("bo@x.example", "cy@x.example")):
        with pytest.raises(CallRefused, match=r"(bo|Somebody) has set mail_(to|cc) to (bo@x.example|blank) since you looked at it"):
            messaging.tell(configured, "ann@x.example", "ann@x.example", seen=seen, **TOLD)
    with configured.connect() as connection:
        assert preferences.values(connection)["mail_to"] == "bo@x.example", "both or none"
    assert messaging.tell(configured, "ann@x.example", "", seen=("bo@x.example", ""), **TOLD)


def test_a_role_that_somebody_else_has_given_is_not_overwritten(configured: Engine) -> None:
    peopling.give(configured, "ana", "analyst", seen=None, **TOLD)
    for do in (
        lambda: peopling.give(configured, "ana", "admin", seen=None, **TOLD),
        lambda: peopling.remove(configured, "ana", seen="viewer", **TOLD),
    ):
        with pytest.raises(CallRefused, match="ann has made ana analyst since you looked"):
            do()
    assert peopling.give(configured, "ana", "approver", seen="analyst", **TOLD)[2] is True
