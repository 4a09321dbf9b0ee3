"""How does each message read as long as nobody has changed it? Plain text, and the same as HTML that every mail reader shows."""

from __future__ import annotations

from w365core.messages.rendering import Template

_P = '<p style="font-family: Arial, sans-serif; font-size: 14px; color: #1f2933">'
_H = '<h3 style="font-family: Arial, sans-serif; font-size: 15px; color: #1f2933">'
_TABLE = '<table cellpadding="6" cellspacing="0" border="0" style="font-family: Arial, sans-serif; font-size: 13px; color: #1f2933">'
_TH = '<th align="left" style="border-bottom: 1px solid #9aa5b1">'
_TD = '<td valign="top" style="border-bottom: 1px solid #e4e7eb">'
_MONEY = '<td align="right" valign="top" style="border-bottom: 1px solid #e4e7eb">'
_NUMBER = '{% if one.link %}<a href="{{ one.link }}">{{ one.number }}</a>{% else %}{{ one.number }}{% endif %}'
_OPEN_TEXT = "{% if invoice.link %}\n{{ invoice.link }}\n{% endif %}"
_OPEN_HTML = '{% if invoice.link %}\n<p><a href="{{ invoice.link }}">Open the invoice</a></p>\n{% endif %}'


def _headed(title: str, columns: str) -> str:
    return f"{_H}{title}</h3>\n{_TABLE}\n<tr>{''.join(f'{_TH}{name}</th>' for name in columns.split('|'))}</tr>\n"


DAILY_SUMMARY = Template(
    "{{ day }}: {{ succeeded|length }} came in, {{ failed|length }} failed{% if held_up %}, {{ held_up }} held up{% endif %}",
    """{{ headline }}

{% if failed %}
FAILED
{% for one in failed %}
- {{ one.number }} of {{ one.provider }}, {{ one.amount }}{% if one.is_new %} (new){% endif %}

  Why: {{ one.sentence }}
  What to do: {{ one.todo }}
{% if one.timing %}
  {{ one.timing }}
{% endif %}
{% endfor %}

{% endif %}
{% if providers %}
PROVIDERS THAT COULD NOT BE ASKED
{% for one in providers %}
- {{ one.provider }}: {{ one.sentence }}
{% endfor %}

{% endif %}
{% if changed %}
CHANGED AT THE PROVIDER
{% for one in changed %}
- {{ one.number }} of {{ one.provider }}: {{ one.sentence }} {{ one.todo }}
{% endfor %}

{% endif %}
{% if waiting %}
WAIT FOR A PERSON
{% for one in waiting %}
- {{ one.number }} of {{ one.provider }}, {{ one.amount }}: {{ one.todo }}
{% endfor %}

{% endif %}
{% if succeeded %}
CAME IN
{% for one in succeeded %}
- {{ one.number }} of {{ one.provider }}, {{ one.amount }}, {{ one.lines }} lines
{% endfor %}

{% endif %}
{% if link %}
{{ link }}
{% endif %}
""",
    f"""{_P}{{{{ headline }}}}</p>
{{% if failed %}}
{_headed("Failed", "Invoice|Amount|Why, and what to do")}{{% for one in failed %}}
<tr>{_TD}{_NUMBER}<br>{{{{ one.provider }}}}{{% if one.is_new %}}<br><b>new</b>{{% endif %}}</td>{_MONEY}{{{{ one.amount }}}}</td>{_TD}{{{{ one.sentence }}}}<br><b>{{{{ one.todo }}}}</b><br>{{{{ one.timing }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if providers %}}
{_headed("Providers that could not be asked", "Provider|What it said")}{{% for one in providers %}}
<tr>{_TD}{{{{ one.provider }}}}</td>{_TD}{{{{ one.sentence }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if changed %}}
{_headed("Changed at the provider", "Invoice|Amount|What changed, and what to do")}{{% for one in changed %}}
<tr>{_TD}{_NUMBER}<br>{{{{ one.provider }}}}</td>{_MONEY}{{{{ one.amount }}}}</td>{_TD}{{{{ one.sentence }}}}<br><b>{{{{ one.todo }}}}</b></td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if waiting %}}
{_headed("Wait for a person", "Invoice|Amount|What to do")}{{% for one in waiting %}}
<tr>{_TD}{_NUMBER}<br>{{{{ one.provider }}}}</td>{_MONEY}{{{{ one.amount }}}}</td>{_TD}{{{{ one.todo }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if succeeded %}}
{_headed("Came in", "Invoice|Provider|Amount|Lines")}{{% for one in succeeded %}}
<tr>{_TD}{_NUMBER}</td>{_TD}{{{{ one.provider }}}}</td>{_MONEY}{{{{ one.amount }}}}</td>{_MONEY}{{{{ one.lines }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if link %}}
<p><a href="{{{{ link }}}}">Open the worklist</a></p>
{{% endif %}}
""",
)


def _of_one_invoice(subject: str, opening: str) -> Template:
    """A message about one invoice: what happened, why, what to do."""
    text = f"{opening}\n\n{{{{ invoice.sentence }}}}\n{{% if invoice.todo %}}\nWhat to do: {{{{ invoice.todo }}}}\n{{% endif %}}\n{{% if invoice.timing %}}\n{{{{ invoice.timing }}}}\n{{% endif %}}\n"
    html = (
        f"{_P}{opening}</p>\n{_P}{{{{ invoice.sentence }}}}</p>\n{{% if invoice.todo %}}\n{_P}<b>{{{{ invoice.todo }}}}</b></p>\n{{% endif %}}\n"
        f"{{% if invoice.timing %}}\n{_P}{{{{ invoice.timing }}}}</p>\n{{% endif %}}\n"
    )
    return Template(subject, text + _OPEN_TEXT, html + _OPEN_HTML)


_NAMED = "invoice {{ invoice.number }} of {{ invoice.provider }}"

INVOICE_AVAILABLE = _of_one_invoice(
    f"In: {_NAMED}, {{{{ invoice.amount }}}}",
    "Invoice {{ invoice.number }} of {{ invoice.provider }}, dated {{ invoice.date }}, has come in: {{ invoice.amount }}, {{ invoice.lines }} lines.",
)
INVOICE_FAILED = _of_one_invoice(
    f"Failed: {_NAMED}, {{{{ invoice.amount }}}}",
    "Invoice {{ invoice.number }} of {{ invoice.provider }}, dated {{ invoice.date }}, {{ invoice.amount }}, could not be imported.",
)
INVOICE_CHANGED = _of_one_invoice(
    f"Changed at the provider: {_NAMED}",
    "Invoice {{ invoice.number }} of {{ invoice.provider }}, dated {{ invoice.date }}, is another at the provider than it was when it was imported.",
)
RETRY_LAPSING = _of_one_invoice(
    f"Last tries: {_NAMED}, {{{{ invoice.amount }}}}",
    "Invoice {{ invoice.number }} of {{ invoice.provider }}, {{ invoice.amount }}, is still in Error, and will soon not be tried any more.",
)
MARKUP_DRIFT = Template(
    "{% if rows %}Markups have changed: {{ difference }} on usage that is not invoiced yet{% else %}Usage without a markup: {{ cost }} cannot be sold{% endif %}",
    """{{ headline }}

{% for one in rows %}
- {{ one.customer }}, {{ one.subscription }}: {{ one.markup_before }} % then, {{ one.markup_now }} % now, {{ one.difference }}
{% endfor %}
{% if blank %}

WITHOUT ANY MARKUP
{% for one in blank %}
- {{ one.customer }}, {{ one.subscription }}: cost of {{ one.cost }} cannot be sold
{% endfor %}
{% endif %}
{% if link %}

{{ link }}
{% endif %}
""",
    f"""{_P}{{{{ headline }}}}</p>
{{% if rows %}}
{_headed("Changed since the usage came in", "Customer|Subscription|Then|Now|Difference")}{{% for one in rows %}}
<tr>{_TD}{{{{ one.customer }}}}</td>{_TD}{{{{ one.subscription }}}}</td>{_MONEY}{{{{ one.markup_before }}}} %</td>{_MONEY}{{{{ one.markup_now }}}} %</td>{_MONEY}{{{{ one.difference }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if blank %}}
{_headed("Without any markup", "Customer|Subscription|Cost")}{{% for one in blank %}}
<tr>{_TD}{{{{ one.customer }}}}</td>{_TD}{{{{ one.subscription }}}}</td>{_MONEY}{{{{ one.cost }}}}</td></tr>
{{% endfor %}}
</table>
{{% endif %}}
{{% if link %}}
<p><a href="{{{{ link }}}}">Open Markup updates</a></p>
{{% endif %}}
""",
)
