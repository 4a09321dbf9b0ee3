"""Look-alike providers over HTTP, for the demo and for tests: what Partner Center and Graph would say, told from a folder.

    clock            the moment that answers are as of
    estate           what the folder holds: documents, customers, exports and the version of their content
    faults           what can be made to go wrong, as a table
    identity         tokens: who may call which API
    partner_center   /v1: documents, customers, subscriptions
    graph_billing    /v1.0: exports, operations, manifests, and the blobs behind them
    wire             the faults of the connection itself, for any of these
    server           all of it as one application; `serve` for a person, `running` for a test

The modules stand in the order of reading.
"""
