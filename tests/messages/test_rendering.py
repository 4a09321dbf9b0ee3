"""Does a template say what it should, and can neither its writer nor a customer's name make more of it than words?"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from w365core.messages.kinds import KINDS, Kind
from w365core.messages.rendering import LONGEST_SUBJECT, Rendered, Template, Unfit, check, hostile, render

FACTS = {"name": "Contoso <b>&</b> Sons", "link": "https://w365.example", "one": {"items": "ten", "absent": None}, "many": ["a", "b"]}


def text_of(source: str, facts: dict[str, Any] = FACTS) -> str:
    made = render(Template("subject", source), facts)
    assert isinstance(made, Rendered), made
    return made.text.strip()


def refusal(source: str, *, html: str = "") -> str:
    made = render(Template("subject", source, html), FACTS)
    assert isinstance(made, Unfit), made
    return made.sentence


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_default_is_fit_and_says_its_facts_in_text_and_in_html(kind: Kind) -> None:
    assert check(kind.default, kind.example) == ""
    made = render(kind.default, kind.example)
    assert isinstance(made, Rendered) and len(made.subject) < LONGEST_SUBJECT
    named = kind.example["invoice"] if "invoice" in kind.example else next(iter(kind.example.get("failed") or kind.example["rows"]))
    for said in (named.get("sentence") or named["difference"], named.get("number") or named["subscription"]):
        assert said in made.text
    assert "&lt;Dublin&gt;" in made.html if "O'Brien" in str(kind.example) else "<p" in made.html


def test_fields_lists_and_questions_are_all_that_there_is_and_they_work() -> None:
    assert text_of("{{ one.items }} {{ one['items'] }}") == "ten ten"
    assert text_of("{% for x in many %}{{ loop.index }}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}") == "1a, 2b"
    assert text_of("{{ many|length }}{% if one.absent %}?{% endif %}{{ one.absent }}.") == "2."
    assert text_of("{{ one.nowhere|default('none') }}") == "none"


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ name.__class__ }}",
        "{{ name['__class__'] }}",
        "{{ one.keys }}",
        "{{ self }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ lipsum.__globals__ }}",
        "{{ config }}",
        "{{ request }}",
        "{{ name|attr('__class__') }}",
        "{{ name|safe }}",
        "{{ many|map('upper') }}",
        "{{ range(10) }}",
        "{{ namespace() }}",
        "{{ '%s' % name }}",
        "{{ 'a' * 1000000000 }}",
        "{{ 2 ** 99999999 }}",
        "{% set a = name %}",
        "{% macro m() %}{% endmacro %}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% extends 'x' %}",
        "{% filter upper %}x{% endfilter %}",
        "{% for x in many recursive %}{{ loop(many) }}{% endfor %}",
        "{% for x in many %}{{ loop.__class__ }}{% endfor %}",
        "{% for x in many %}{{ loop.cycle }}{% endfor %}",
        "{% for x in many %}{% for y in many %}{% for z in many %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for x in many %}{% endfor %}" * 21,
        "{{ " + "(" * 5000 + "name" + ")" * 5000 + " }}",
        "{% if name %}" * 500 + "{% endif %}" * 500,
        "x" * 20_001,
        "{{ nobody }}",
        "{{ name",
        "{{ many > 1 }}",
    ],
    ids=lambda source: source[:40],
)
def test_a_template_reaches_nothing_calls_nothing_and_costs_no_more_than_a_message(source: str) -> None:
    assert refusal(source).startswith("The text ")


def test_a_field_that_is_not_there_is_named_with_those_that_are() -> None:
    assert refusal("{{ nmae }}") == "The text names nmae, which this message does not have; there are link, many, name, one."


def test_a_message_longer_than_mail_may_be_is_refused_before_it_is_made() -> None:
    long = {**FACTS, "many": ["x" * 500] * 200}
    made = render(Template("s", "{% for x in many %}{% for y in many %}{{ y }}{% endfor %}{% endfor %}"), long)
    assert isinstance(made, Unfit) and "becomes longer" in made.sentence


def test_a_name_is_text_in_html_and_itself_in_plain_text() -> None:
    made = render(Template("{{ name }}", "{{ name }}", "<p>{{ name }}</p>"), FACTS)
    assert made == Rendered("Contoso <b>&</b> Sons", "Contoso <b>&</b> Sons\n", "<p>Contoso &lt;b&gt;&amp;&lt;/b&gt; Sons</p>")


def test_a_name_that_looks_like_a_template_is_never_run() -> None:
    assert text_of("{{ name }}", {"name": "{{ 7*7 }}{% for x in y %}"}) == "{{ 7*7 }}{% for x in y %}"


def test_a_name_cannot_add_a_header_to_the_subject() -> None:
    made = render(Template("Invoice of {{ name }}", "x"), {"name": "Eve\r\nBcc: all@x.example\r\n\r\nbody\x00\u2028"})
    assert isinstance(made, Rendered) and made.subject == "Invoice of Eve Bcc: all@x.example body"


def test_a_blank_subject_or_text_is_no_message() -> None:
    assert refusal("  ") == "The text is blank; a message needs a subject and a text."
    made = render(Template("{{ one.absent }}", "x"), FACTS)
    assert isinstance(made, Unfit) and "subject is blank" in made.sentence


@pytest.mark.parametrize(
    ("html", "said"),
    [
        ("<script>x()</script>", "<script>"),
        ("<img src=x>", "<img>"),
        ("<svg/onload=x()>", "<svg>"),
        ("<iframe src='https://x.example'></iframe>", "<iframe>"),
        ("<form><input></form>", "<form>"),
        ("<p onclick='x()'>k</p>", "onclick"),
        ("<a href='javascript:x()'>k</a>", "link"),
        ("<a href=' java\nscript:x()'>k</a>", "link"),
        ("<a href='data:text/html,x'>k</a>", "link"),
        ("<p style='background: url(https://x.example/seen)'>k</p>", "style"),
        ("<!-- x -->", "comment"),
        ("<!doctype html>", "declaration"),
    ],
)
def test_html_that_is_more_than_text_tables_and_links_is_refused(html: str, said: str) -> None:
    assert said in refusal("x", html=html)


@pytest.mark.parametrize("html", ["<p style={{ name }}>k</p>", "<a href='{{ name }}'>k</a>", "<p {{ name }}>k</p>", "<{{ name }}>"])
def test_a_place_from_which_a_name_could_break_out_is_refused_when_the_template_is_kept(html: str) -> None:
    example = (
        {"name": "https://fine.example"}
        if "href" in html
        else {"name": "p" if html == "<{{ name }}>" else "red" if "style" in html else ""}
    )
    assert "a customer's name could make of it" in check(Template("s", "x", html), example)


def test_a_link_of_ours_may_be_a_link() -> None:
    assert check(Template("s", "x", '<a href="{{ link }}">k</a>'), FACTS) == ""


class Tags(HTMLParser):
    """Every tag and attribute of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def named(facts: Any, name: str) -> Any:
    """The facts with that name for every text but links and switches."""
    if isinstance(facts, dict):
        return {field: value if field == "link" or not value else named(value, name) for field, value in facts.items()}
    return [named(one, name) for one in facts] if isinstance(facts, list) else name if isinstance(facts, str) else facts


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@settings(max_examples=40, deadline=None)
@given(name=st.text(alphabet=st.sampled_from("<>\"'&/= {}%!-javascript:onerror\n"), min_size=1, max_size=40).filter(str.strip))
def test_no_name_adds_a_tag_or_an_attribute_to_a_default(kind: Kind, name: str) -> None:
    plain, strange = render(kind.default, named(kind.example, "x")), render(kind.default, named(kind.example, name))
    assert isinstance(plain, Rendered) and isinstance(strange, Rendered)
    assert Tags(strange.html).found == Tags(plain.html).found


def test_the_hostile_names_that_are_tried_would_be_markup_unescaped() -> None:
    assert Tags(hostile({"name": "x"})["name"]).found == [("script", ()), ("b", ("onclick",))]
