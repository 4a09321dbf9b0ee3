"""What can go wrong with the world, named by what the caller must do about it.

    W365Error                     every error of ours: one sentence that says what, where and what to do next
    ├── CallRefused          2    the call or its input file is wrong, or a guard refused it; nothing was changed
    │   ├── InputRefused     2    the same, with every bad cell as a `Problem`
    │   ├── UsageInvoiced    2    usage of the invoice is on customer invoices, with each of them
    │   └── AlreadyRunning   2    somebody else is doing exactly this; leave it to them
    ├── ReceiptLost          1    it was done, and only what it did cannot be said; look there, do it not again
    ├── ConfigurationMissing 4    a setting, secret or folder is missing or unusable
    ├── StoreUnavailable     3    the database went away in mid-run; nothing half-stored, run it again
    └── ProviderError        3
        ├── ProviderUnavailable   no answer in spite of bounded retries; try later
        ├── ProviderRefused       a person has to grant, sign in or correct something
        └── ProviderChanged       the answer has a shape nobody has seen; a developer has to look

Bad data is never an exception: it is a value (`model.Problem`) returned beside the result. The numbers are the exit codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w365core.model import Problem


class W365Error(Exception):
    """One sentence for a person. `exit_code` is what the command line ends with."""

    exit_code = 1


class CallRefused(W365Error):
    exit_code = 2


class InputRefused(CallRefused):
    """Bad cells of an input file; `problems` names file, row, column, value and what was expected, up to 100 of them."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class UsageInvoiced(CallRefused):
    """The invoice's usage is invoiced; `children` are the customer invoices, as `children --json` prints them."""

    def __init__(self, message: str, children: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__(message)
        self.children = tuple(children)


class AlreadyRunning(CallRefused):
    pass


class ReceiptLost(W365Error):
    pass


class ConfigurationMissing(W365Error):
    exit_code = 4


class StoreUnavailable(W365Error):
    exit_code = 3


class ProviderError(W365Error):
    exit_code = 3


class ProviderUnavailable(ProviderError):
    pass


class ProviderRefused(ProviderError):
    pass


class ProviderChanged(ProviderError):
    pass
