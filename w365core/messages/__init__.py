"""MESSAGES: what is said of which event, in words that people may change. Pure: no database, no clock, nothing is sent here."""
