"""Is this HTML no more than text, tables and links? What mail readers show alike, without scripts, pictures, forms or frames."""

from __future__ import annotations

import re
from html.parser import HTMLParser

TAGS = frozenset(
    ("p", "br", "hr", "h1", "h2", "h3", "b", "strong", "i", "em", "u", "span", "div", "ul", "ol", "li", "a", "code", "small", "blockquote")
    + ("table", "thead", "tbody", "tr", "th", "td")
)
_ATTRIBUTES = frozenset(("style", "href", "align", "valign", "width", "colspan", "rowspan", "cellpadding", "cellspacing", "border"))
_LINK = re.compile(r"(?i)(https?://|mailto:)[^\s]*")
_STYLE = re.compile(r"[A-Za-z0-9 :;,.#%-]*")


def objection(html: str) -> str:
    """What it holds beyond that, as the end of a sentence that begins with "The HTML"; blank where it holds nothing else."""
    found = _Found()
    found.feed(html)
    found.close()
    return found.said


class _Found(HTMLParser):
    """The first thing that does not belong."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.said = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            return self._say(f"holds <{tag[:20]}>; there may be {', '.join(sorted(TAGS))}.")
        for name, value in attrs:
            if name not in _ATTRIBUTES:
                self._say(f"holds the attribute {name[:20]}; there may be {', '.join(sorted(_ATTRIBUTES))}.")
            elif name == "href" and not _LINK.fullmatch(value or ""):
                self._say("holds a link that leads nowhere on the web; begin it with https:// or mailto:.")
            elif name == "style" and not _STYLE.fullmatch(value or ""):
                self._say("holds a style with more than plain properties, such as an address or a function.")
        return None

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_comment(self, data: str) -> None:
        self._say("holds a comment; leave it out.")

    def handle_decl(self, decl: str) -> None:
        self._say("holds a declaration; write what stands inside the body alone.")

    def unknown_decl(self, data: str) -> None:
        self.handle_decl(data)

    def handle_pi(self, data: str) -> None:
        self.handle_decl(data)

    def _say(self, sentence: str) -> None:
        self.said = self.said or sentence
