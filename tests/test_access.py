"""May everybody do just what their role says? A matrix made of the registries: doors, pages, addresses, files; one without a rule fails here."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.conftest import NOW
from tests.test_architecture import DOORS
from w365core.access import ACTIONS, ANSWERS, DOWNLOADS, INNER, ROUTES, AccessRefused, Person, Role
from w365core.correction import Rule
from w365core.jobs import asking_again, peopling, permitting, queue
from w365core.jobs.invoicing import Period
from w365core.jobs.queue import FilesAsked
from w365core.model import Seen, StatusReason
from w365core.store import job_runs, people
from w365core.store.reconciliation_reviews import Chosen
from w365core.tolerance import Policy

ROOT = Path(__file__).resolve().parents[1]
ROLES = (None, *Role)
GUARD = "permitting"
LACKS = r"takes the role \w+, and (yours is \w+|you have none here)"

# What a door is called with, by the name of its parameter. Nothing of it is there: whoever is let in is refused for another reason, or does nothing.
GIVEN: dict[str, Any] = {
    **{
        "asked": FilesAsked("nobody", "1", ()),
        "look": False,
        "content": b"",
        "correction_id": 0,
        "currency": "EUR",
        "customer_invoices": ("1",),
    },
    **{
        "edits": (),
        "fixes": (),
        "invoice": "1",
        "invoice_number": "1",
        "invoices": (),
        "job_id": 0,
        "kind": queue.DAILY,
        "name": "nothing",
    },
    **{
        "named": "nobody",
        "now": NOW,
        "period": Period(date(2026, 11, 1), date(2026, 11, 30)),
        "policy": Policy("nobody", "EUR"),
        "said": {},
    },
    **{"provider": "nobody", "provider_invoice_id": 0, "reason": "because", "rule": Rule(), "seen": Seen(StatusReason.ACTIVE, 1, None)},
    **{"status": "Billed", "subscription_id": "nobody", "which": Chosen(("1",)), "written": "viewer", "contract_id": "nobody"},
}
# A door that is several actions, according to what is asked.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "queue.ask": [
        *({"kind": kind, "invoice": "1" if kind in queue.OF_ONE_INVOICE else None} for kind in queue.KINDS),
        {"kind": queue.INVOICE, "override": 1},
        {"kind": "unheard_of"},
    ],
    "queue.ask_files": [
        {"look": True},
        {"look": False},
        {"asked": FilesAsked("nobody", "1", (), override=1)},
        {"asked": FilesAsked("nobody", "1", (), activate=True)},
    ],
}


def doors() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Every public function that a page may ask for, by module and name."""
    for module_name in DOORS:
        module = importlib.import_module(f"w365core.jobs.{module_name}")
        for name, found in vars(module).items():
            if inspect.isfunction(found) and not name.startswith("_") and found.__module__ == module.__name__ and module_name != GUARD:
                yield f"{module_name}.{name}", found


ACTING = {name: door for name, door in doors() if hasattr(door, "action")}
CALLS = [(name, variant) for name in ACTING for variant in VARIANTS.get(name, [{}])]


def called_with(door: Callable[..., Any], variant: dict[str, Any]) -> dict[str, Any]:
    wanted = list(inspect.signature(door).parameters.values())[1:]
    needed = {one.name: GIVEN.get(one.name) for one in wanted if one.default is one.empty and one.name != "actor"}
    return {**needed, **variant}


def action_of(name: str, variant: dict[str, Any]) -> str:
    action = ACTING[name].action
    return action if isinstance(action, str) else action(None, **called_with(ACTING[name], variant))


@pytest.fixture(scope="module")
def staff(template: str) -> Iterator[tuple[Engine, dict[Role | None, Person]]]:
    """A database with somebody of each role, and somebody with none."""
    from tests import postgres
    from w365core.store.engine import pooled

    with postgres.used_database(template) as url:
        engine = pooled(url)
        known = {role: somebody(engine, f"{role}") for role in ROLES}
        for role, person in known.items():
            if role:
                peopling.give(engine, person.name, role, actor="operator", now=NOW)
        yield engine, known
        engine.dispose()


def somebody(engine: Engine, name: str) -> Person:
    with engine.begin() as connection:
        told = {"subject": f"https://idp|{name}", "name": f"{name}@example.com", "email": None, "claimed": None}
        return Person(told["subject"], people.came(connection, **told, now=NOW))


def refusal(door: Callable[..., Any], engine: Engine, actor: Any, given: dict[str, Any]) -> AccessRefused | None:
    """Why the person was not let in; whatever else comes of it, they were."""
    try:
        door(engine, **given, actor=actor)
    except AccessRefused as refused:
        return refused
    except Exception:
        return None
    return None


# --- doors -------------------------------------------------------------------------------------------------------------------------------


def test_every_function_that_a_page_may_ask_for_has_a_rule() -> None:
    without = sorted(name for name, door in doors() if name not in ACTING and name not in ANSWERS | INNER)
    assert not without, f"give these an action (@acts) or, where they change nothing, a place in access.ANSWERS: {without}"


def test_whatever_takes_an_actor_is_an_action() -> None:
    takes = {name for name, door in doors() if "actor" in inspect.signature(door).parameters}
    assert takes - INNER == set(ACTING)


def test_no_rule_is_of_something_that_is_not_there() -> None:
    there = {name for name, _ in doors()}
    assert (ANSWERS | INNER) - there == set()
    assert set(ACTIONS) == {action_of(name, variant) for name, variant in CALLS}


def test_every_kind_of_job_has_a_rule_of_its_own() -> None:
    assert set(queue.ACTIONS) == set(queue.KINDS)


@pytest.mark.parametrize("role", ROLES, ids=str)
@pytest.mark.parametrize(("name", "variant"), CALLS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CALLS)])
def test_a_door_lets_in_whose_role_reaches_and_nobody_else(staff, name: str, variant: dict[str, Any], role: Role | None) -> None:
    engine, known = staff
    least = ACTIONS[action_of(name, variant)].role
    refused = refusal(ACTING[name], engine, known[role], called_with(ACTING[name], variant))
    if role is not None and role.reaches(least):
        assert refused is None
    else:
        assert re.search(LACKS, str(refused))


@pytest.mark.parametrize(("name", "variant"), CALLS, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CALLS)])
def test_the_person_at_the_machine_is_let_in_everywhere(staff, name: str, variant: dict[str, Any]) -> None:
    assert refusal(ACTING[name], staff[0], "operator", called_with(ACTING[name], variant)) is None


def test_roles_are_what_the_document_says() -> None:
    """The registry held against a table that people read, so that no rule changes by a slip."""
    text = (ROOT / "docs" / "security.md").read_text()
    said = dict(re.findall(r"^\| ([a-z ]+) \| (viewer|analyst|approver|admin) \|$", text, re.MULTILINE))
    assert said == {name: str(action.role) for name, action in ACTIONS.items()}


def test_what_failed_is_tried_again_by_whoever_may_ask_for_it_anew(staff) -> None:
    engine, known = staff
    with engine.begin() as connection:
        job_runs.add(
            connection, job_id=9_001, kind=queue.INVOICE, provider="nobody", invoice="1", override=Decimal(5), actor="somebody", reason=None
        )
        job_runs.end(connection, 9_001, state="failed", message="it was away")
    refused = refusal(asking_again.retry, engine, known[Role.ANALYST], {"job_id": 9_001})
    assert "Letting a difference pass takes the role approver" in str(refused)
    assert refusal(asking_again.retry, engine, known[Role.APPROVER], {"job_id": 9_001}) is None


def test_a_role_that_is_taken_away_holds_at_the_next_action(engine: Engine) -> None:
    ana = somebody(engine, "ana")
    peopling.give(engine, ana.name, "analyst", actor="operator", now=NOW)
    assert refusal(queue.cancel, engine, ana, {"job_id": 0}) is None
    peopling.remove(engine, ana.name, actor="operator", now=NOW)
    assert "you have none here" in str(refusal(queue.cancel, engine, ana, {"job_id": 0}))


def test_where_people_sign_in_nobody_acts_without_a_name(engine: Engine) -> None:
    import contextvars

    def in_a_page() -> AccessRefused | None:
        permitting.for_people()
        return refusal(queue.cancel, engine, "operator", {"job_id": 0})

    assert "Sign in first" in str(contextvars.copy_context().run(in_a_page))
    assert refusal(queue.cancel, engine, "operator", {"job_id": 0}) is None


def test_the_log_says_who_it_was(engine: Engine) -> None:
    boss, ana = somebody(engine, "boss"), somebody(engine, "ana")
    peopling.give(engine, boss.subject, "admin", actor="operator", now=NOW)
    peopling.give(engine, ana.name, "viewer", actor=boss, now=NOW)
    with engine.connect() as connection:
        row = next(one for one in people.all_of_them(connection) if one["subject"] == ana.subject)
    assert (row["role"], row["role_from"], row["set_by"]) == ("viewer", "set", "boss@example.com")


# --- pages, addresses, files -----------------------------------------------------------------------------------------------------------


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in [ROOT / "app.py", *sorted((ROOT / "pages").rglob("*.py"))]:
        yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text())


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_every_page_and_every_address_has_a_rule() -> None:
    trees = dict(sources())
    pages = [{one.arg: one.value for one in call.keywords} for name, call in calls(trees["pages/frame.py"]) if name == "st.Page"]
    names = {"" if "default" in page else page["url_path"].value for page in pages} | {page["url_path"].value for page in pages}
    addresses = {call.args[0].value for name, call in calls(trees["app.py"]) if name == "Route"}
    assert names | addresses == set(ROUTES)


def test_every_file_that_leaves_is_of_a_kind_that_has_a_rule() -> None:
    kinds = set()
    for file, tree in sources():
        for name, call in calls(tree):
            assert name != "st.download_button" or file == "pages/components/leaving.py", f"{file}: a file leaves by leaving.button"
            if name in ("leaving.button", "tables.downloads", "tables.pages"):
                kinds |= {one.value.value for one in call.keywords if one.arg == "what" and isinstance(one.value, ast.Constant)}
    assert kinds | {"table"} == set(DOWNLOADS)


def test_pages_act_as_whoever_has_signed_in_and_as_nobody_else() -> None:
    said = {
        (file, ast.unparse(value))
        for file, tree in sources()
        for node in ast.walk(tree)
        for value in (
            [one.value for one in node.keywords if one.arg == "actor"]
            if isinstance(node, ast.Call)
            else [
                value for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant) and key.value == "actor"
            ]
            if isinstance(node, ast.Dict)
            else []
        )
    }
    assert said and {what for _, what in said} == {"signed_in.person()"}


HANDED_ON = {"on_click", "on_change", "on_select", "on_dismiss"}
OF_STREAMLIT = {"st.login", "st.logout"}


def callbacks(tree: ast.Module) -> Iterator[ast.expr]:
    """What a page hands to Streamlit to be called before the page is drawn."""
    for node in ast.walk(tree):
        given = [(one.arg, one.value) for one in node.keywords] if isinstance(node, ast.Call) else []
        if isinstance(node, ast.Dict):
            given = [(key.value, value) for key, value in zip(node.keys, node.values, strict=True) if isinstance(key, ast.Constant)]
        yield from (value for name, value in given if name in HANDED_ON and not isinstance(value, ast.Constant))


def is_marked(handed: ast.expr, module: Any) -> bool:
    """Whether it is a function that `problems.callback` has marked, or is marked where it is handed over."""
    if isinstance(handed, ast.Call) and ast.unparse(handed.func) == "problems.callback" or ast.unparse(handed) in OF_STREAMLIT:
        return True
    inner = handed.args[0] if isinstance(handed, ast.Call) and ast.unparse(handed.func) == "partial" else handed
    return getattr(eval(ast.unparse(inner), dict(vars(module))), "is_callback", False)


def outside_the_boundary() -> list[str]:
    found = []
    for file, tree in sources():
        marked = {
            one.name
            for one in ast.walk(tree)
            if isinstance(one, ast.FunctionDef) and "problems.callback" in map(ast.unparse, one.decorator_list)
        }
        handed = [one for one in callbacks(tree) if ast.unparse(one) not in marked]
        module = importlib.import_module(file.removesuffix(".py").replace("/", ".")) if handed else None
        found += [f"{file}:{one.lineno} {ast.unparse(one)}" for one in handed if not is_marked(one, module)]
    return found


def test_whatever_a_button_calls_is_inside_a_boundary() -> None:
    """Outside of it a refusal takes the whole page along."""
    assert not outside_the_boundary()
    assert sum(1 for _, tree in sources() for _ in callbacks(tree)) > 90


@pytest.mark.parametrize("handed", ["sync._said", "partial(sync._said, 1)", "lambda: sync._forget()", "sync.watched"])
def test_a_callback_outside_of_every_boundary_is_found(handed: str) -> None:
    from types import SimpleNamespace

    from pages.components import sync

    sync_with = SimpleNamespace(**vars(sync), watched=print)
    assert not is_marked(ast.parse(handed, mode="eval").body, SimpleNamespace(sync=sync_with))


def test_only_the_question_who_is_there_opens_the_database_unasked() -> None:
    for file, tree in sources():
        opens = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr == "unguarded"]
        assert not opens or file == "pages/frame.py", f"{file} opens the database without asking for a role: use cached.engine()"
