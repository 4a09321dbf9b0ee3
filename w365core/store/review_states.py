"""What is the review state of a reconciliation's row, in SQL? One wording, for those who decide of rows and for those who read them.

`r` is the decision, `l` the row, `n` its run. A decision stands while verdict and residual are those that it was made on; where they have changed the row
is open again. What is confirmed by rule needs no decision.
"""

from __future__ import annotations

STANDS = "(r.verdict is not distinct from l.verdict and r.residual is not distinct from l.residual)"
STATE = f"case when l.verdict = 'confirmed' then 'confirmed' when r.state in ('confirmed', 'accepted') and {STANDS} then r.state else 'open' end"
# There was a decision, and it stands no longer.
LAPSED = f"(l.verdict <> 'confirmed' and coalesce(r.state in ('confirmed', 'accepted'), false) and not {STANDS})"
FROM = """
    reconciliation_line l
    join reconciliation n on n.reconciliation_id = l.reconciliation_id
    left join reconciliation_review r on r.provider = n.provider and r.invoice_number = n.invoice_number and r.line_id = l.line_id
"""
# Who a row is for and what it is of, each as one key: our account, else the provider's customer.
CUSTOMER = "coalesce(l.account_id, l.provider_customer_id, '')"
PRODUCT = "coalesce(l.product_name, l.product_id, '')"
