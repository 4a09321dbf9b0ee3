"""DO: what a command or the worker runs, told step by step; reads and writes files, calls providers and the store."""
