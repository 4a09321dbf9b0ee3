"""SEND: one finished message over one channel, by mail or to a webhook. Knows no database; what became of it is a value."""
