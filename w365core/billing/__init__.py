"""INVOICE: which cycle of a contract is due, what belongs on its usage invoice, what it comes to. Pure: no database, no clock."""
