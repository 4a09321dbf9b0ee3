"""The analyst's workbench for provider invoices.

Reading order: `model` and `errors` (the words), `money` and `frames` (the shapes), then one package per step of the flow:

    provider API ─► providers ─► store.landing ─► kernels (intake: parse, validate, resolve; rating) ─► store.ledger
    our records  ─► intake.records ─► store.records
    store.queries ─► reports ─► pages

`jobs.importing` is an import told top to bottom, one step per line. `cli` is the command line.
"""
