"""One module per thing that the command line is about; `cli` puts them together. What a command does stands in `jobs`."""
