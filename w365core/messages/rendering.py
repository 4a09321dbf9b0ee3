"""What does a template make of the facts, and which templates are refused? Written by people, filled with names that strangers chose.

A template may print fields, go through lists and ask whether something is there; it can call nothing and reach nothing of Python, and what it may
cost is bounded. Facts are text, whole numbers, yes or no, and lists and mappings of them. In HTML every fact is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, meta, nodes
from jinja2.defaults import DEFAULT_FILTERS, DEFAULT_TESTS
from jinja2.runtime import LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from w365core.messages import hypertext

Facts = Mapping[str, Any]
LONGEST_TEMPLATE, LONGEST_MESSAGE, LONGEST_SUBJECT = 20_000, 400_000, 200
_MOST_LOOPS, _DEEPEST = 20, 2
_FILTERS = ("default", "length", "upper", "lower", "trim", "first", "last")
_TESTS = ("defined", "undefined", "none")
_OF_LOOPS = frozenset(("index", "first", "last", "length"))
_HARMLESS = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.For, nodes.If),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Concat, nodes.Filter, nodes.Test, nodes.Tuple),
)


@dataclass(frozen=True)
class Template:
    """What a message is made from; `html` blank: text alone."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True)
class Rendered:
    """A message in words. The subject is one printable line."""

    subject: str
    text: str
    html: str = ""


@dataclass(frozen=True)
class Unfit:
    """Why a template makes no message, in a sentence that names the part and the line."""

    sentence: str


def render(template: Template, facts: Facts) -> Rendered | Unfit:
    """The message; Unfit names the first thing that is wrong with the template."""
    parts: dict[str, str] = {}
    for name, source, environment in (("subject", template.subject, _TEXT), ("text", template.text, _TEXT), ("HTML", template.html, _HTML)):
        made = _part(name, source, facts, environment)
        if isinstance(made, Unfit):
            return made
        parts[name] = made
    subject = one_line(parts["subject"])[:LONGEST_SUBJECT]
    if not subject or not parts["text"].strip():
        return Unfit(f"The {'text' if subject else 'subject'} is blank; a message needs a subject and a text.")
    said = hypertext.objection(parts["HTML"])
    return Unfit(f"The HTML {said}") if said else Rendered(subject, parts["text"].strip() + "\n", parts["HTML"].strip())


def check(template: Template, example: Facts) -> str:
    """Why a template may not be kept, as far as an example of its facts shows; blank where it may. Names that try to break out of their place in the
    HTML are tried as well."""
    for facts in (example, hostile(example)):
        made = render(template, facts)
        if isinstance(made, Unfit):
            return (
                made.sentence
                if facts is example
                else f"{made.sentence} That is what a customer's name could make of it: put quotes around it, or move it."
            )
    return ""


def one_line(text: str) -> str:
    """The text as one line of printable characters: what may stand in a header."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def hostile(facts: Any) -> Any:
    """The same facts with every text but links replaced by one that tries to become markup."""
    if isinstance(facts, Mapping):
        return {name: value if name == "link" else hostile(value) for name, value in facts.items()}
    if isinstance(facts, list | tuple):
        return [hostile(one) for one in facts]
    return "javascript:x() onerror=x() '\"><script>x()</script><b onclick=x()>{{ 7 }}" if isinstance(facts, str) else facts


# --- the sandbox ---------------------------------------------------------------------------------------------------------------------------


class _Sandbox(ImmutableSandboxedEnvironment):
    """Reads fields of mappings and places of loops; no attribute of a Python object can be named."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        if isinstance(obj, LoopContext) and attribute in _OF_LOOPS:
            return super().getattr(obj, attribute)
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(obj, Mapping) and isinstance(argument, str) and argument in obj:
            return obj[argument]
        if isinstance(obj, Undefined):
            return obj
        return self.undefined(obj=obj, name=argument)


def _shown(value: Any) -> Any:
    """What a field prints: nothing for what is absent; a list is gone through, not printed."""
    if value is None or isinstance(value, Mapping | list | tuple | LoopContext):
        return ""
    return value


def _sandbox(*, escapes: bool) -> _Sandbox:
    made = _Sandbox(autoescape=escapes, undefined=StrictUndefined, finalize=_shown, trim_blocks=True, lstrip_blocks=True, cache_size=0)
    made.globals.clear()
    made.filters = {name: DEFAULT_FILTERS[name] for name in _FILTERS}
    made.tests = {name: DEFAULT_TESTS[name] for name in _TESTS}
    return made


_TEXT, _HTML = _sandbox(escapes=False), _sandbox(escapes=True)


@dataclass(frozen=True)
class _Read:
    """A source that was read: why it is not run, which fields it names, and what runs it where nothing speaks against that."""

    objection: str
    names: frozenset[str] = frozenset()
    whole: Any = None


@lru_cache(maxsize=100)
def _read(source: str, environment: _Sandbox) -> _Read:
    """Reading takes most of a rendering's time, and the same few sources are rendered again and again."""
    tree = environment.parse(source)
    said = _objection(tree)
    return _Read(said) if said else _Read("", frozenset(meta.find_undeclared_variables(tree)), environment.from_string(source))


def _part(name: str, source: str, facts: Facts, environment: _Sandbox) -> str | Unfit:
    """One part of the message."""
    if len(source) > LONGEST_TEMPLATE:
        return Unfit(f"The {name} has {len(source):,} characters; at most {LONGEST_TEMPLATE:,} are taken.")
    try:
        read = _read(source, environment)
        said = read.objection or _unknown(read.names, facts)
        if said:
            return Unfit(f"The {name} {said}")
        return _bounded(name, read.whole.generate(dict(facts)))
    except TemplateError as error:
        line, why = getattr(error, "lineno", None), one_line(str(error.message or error))[:200].rstrip(".")
        return Unfit(f"The {name} is no template{f' (line {line})' if line else ''}: {why}.")
    except (SyntaxError, RecursionError, ValueError, TypeError):
        return Unfit(f"The {name} is no template that can be filled in: it compares or nests what does not go together.")


def _bounded(name: str, pieces: Any) -> str | Unfit:
    """The pieces put together, for as long as they are no more than a message may be."""
    made, length = [], 0
    for piece in pieces:
        length += len(piece)
        if length > LONGEST_MESSAGE:
            return Unfit(f"The {name} becomes longer than {LONGEST_MESSAGE:,} characters; say less of each.")
        made.append(piece)
    return "".join(made)


def _objection(tree: nodes.Template) -> str:
    """Why a template is not run at all; blank where it may be."""
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _HARMLESS):
            return (
                f"uses {type(node).__name__.lower()} in line {node.lineno}; templates may print fields, use if and for, and nothing else."
            )
        if isinstance(node, nodes.Name) and node.name == "self":
            return f"names self in line {node.lineno}; templates may print fields, use if and for, and nothing else."
        if isinstance(node, nodes.For) and node.recursive:
            return f"uses a recursive loop in line {node.lineno}; templates may not."
    if sum(1 for _ in tree.find_all(nodes.For)) > _MOST_LOOPS or _depth(tree) > _DEEPEST:
        return f"goes through lists too often: at most {_MOST_LOOPS} loops, and {_DEEPEST} inside each other."
    return ""


def _depth(node: nodes.Node) -> int:
    return max((_depth(child) for child in node.iter_child_nodes()), default=0) + isinstance(node, nodes.For)


def _unknown(names: frozenset[str], facts: Facts) -> str:
    """Fields that this message does not have."""
    missing = sorted(names - set(facts))
    return f"names {missing[0]}, which this message does not have; there are {', '.join(sorted(facts))}." if missing else ""
