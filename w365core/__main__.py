"""`python -m w365core COMMAND`: a process that does one thing and ends."""

import gc

from w365core import settings
from w365core.cli import main

settings.compute_in_one_thread()
# Most of what a command makes stays until it ends, and looking through all of it again and again finds nothing: a twentieth of an import's time.
gc.set_threshold(50_000, 20, 20)
main()
