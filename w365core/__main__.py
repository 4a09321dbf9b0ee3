"""`python -m w365core COMMAND`."""

from w365core.cli import main

main()
