"""EXPLAIN: what is a checksum difference made of? Pure: facts in, explanations out."""
