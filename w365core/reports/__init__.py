"""What do the pages show? One module per page: `build(...)` is pure, `load(connection, ...)` asks the store and builds.

connection        a reading connection, the clock and facts of this installation
invoice_status    what needs doing and how much money it is about; `headlines` are its figures, `status_map` its heat map
invoice_detail    one provider invoice down to its lines; `line_columns` says which columns people look at
connections       the providers, how fresh what they told is, and the customers that nobody has mapped
invoice_files     the files of an invoice: attached to it, and received for it
provider_invoice  the noun of both; `worklist` says what is wrong with one and what to do next
wording           amounts, days and ages as people read them
tables            a table as it is shown; `export` writes it as CSV or Excel
figures           charts
why_no_usage_invoice  what holds the usage of a month up; `why_rows` says a row, `why_figures` are its charts
"""
