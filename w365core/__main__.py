"""`python -m w365core COMMAND`: a process that does one thing and ends."""

import gc
import os

# Most of what a command makes stays until it ends, and looking through all of it again and again finds nothing: a twentieth of an import's time.
gc.set_threshold(50_000, 20, 20)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # which numpy would start threads for that nothing here uses

from w365core.cli import main

main()
