"""The functions a cluster could call: one batch of lines in, rated lines and partial sums out, Arrow both ways, nothing else touched."""
