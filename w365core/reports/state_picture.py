"""How does an invoice live, as a picture? The table of `lifecycle` as DOT, the state that it is in now marked, and the guards as rows to read."""

from __future__ import annotations

from dataclasses import dataclass

from w365core import lifecycle
from w365core.frames import Kind
from w365core.lifecycle import Step
from w365core.model import StatusReason
from w365core.reports.provider_invoice import BILLED
from w365core.reports.tables import Column, Table

ABSENT = "Not here"
_ORDER = (ABSENT, StatusReason.POPULATING, StatusReason.ACTIVE, StatusReason.ERROR, StatusReason.DEACTIVATED)
COLUMNS = (
    Column("before", "From", width=210),
    Column("action", "Step", width=130),
    Column("after", "To", width=105),
    Column("by", "Who", width=150),
    Column("guard", "What has to hold", Kind.TEXT, width=560),
)


@dataclass(frozen=True)
class Ink:
    """The colours of one theme, as CSS names or #rrggbb: words and lines, the lines of what a person does, the marked state and the words on it."""

    text: str
    line: str
    person: str
    marked: str
    on_marked: str


def dot(current: str | None, ink: Ink) -> str:
    """The picture as DOT. Steps between the same two states share an arrow; solid where a person takes them, dashed where only a job does."""
    now = _state(current)
    lines = [
        "digraph life {",
        'rankdir=LR; bgcolor="transparent"; nodesep=0.35; ranksep=1.0;',
        f'node [shape=box, style="rounded", fontname="sans-serif", fontsize=13, margin="0.18,0.1", color="{ink.line}", fontcolor="{ink.text}"];',
        f'edge [fontname="sans-serif", fontsize=11, color="{ink.line}", fontcolor="{ink.text}", arrowsize=0.7];',
    ]
    lines += [_node(state, is_now=state == now, ink=ink) for state in _ORDER]
    lines += [_edge(before, after, steps, ink) for (before, after), steps in _arrows().items()]
    return "\n".join([*lines, "}"])


def table() -> Table:
    """The same as rows: from, step, to, who takes it, and what has to hold."""
    rows = [
        {
            "before": ", ".join(_state(reason) for reason in step.before),
            "action": step.action,
            "after": _state(step.after),
            "by": step.by,
            "guard": step.guard,
        }
        for step in lifecycle.STEPS
    ]
    return Table("life of an invoice", COLUMNS, rows)


def _arrows() -> dict[tuple[str, str], list[Step]]:
    arrows: dict[tuple[str, str], list[Step]] = {}
    for step in lifecycle.STEPS:
        for before in step.before:
            arrows.setdefault((_state(before), _state(step.after)), []).append(step)
    return arrows


def _state(reason: str | None) -> str:
    return ABSENT if reason is None else str(StatusReason.ACTIVE if reason in BILLED else StatusReason(reason))


def _node(state: str, *, is_now: bool, ink: Ink) -> str:
    marked = f', style="rounded,filled,bold", fillcolor="{ink.marked}", fontcolor="{ink.on_marked}", color="{ink.marked}"' if is_now else ""
    return (
        f'"{state}" [label="{state}"{", style=" + chr(34) + "rounded,dashed" + chr(34) if state == ABSENT and not is_now else ""}{marked}];'
    )


def _edge(before: str, after: str, steps: list[Step], ink: Ink) -> str:
    by_person = any("person" in step.by for step in steps)
    label = "\\n".join(dict.fromkeys(step.action for step in steps))
    look = f'color="{ink.person}"' if by_person else 'style="dashed"'
    return f'"{before}" -> "{after}" [label="{label}", {look}];'
