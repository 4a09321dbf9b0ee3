"""UNDERSTAND (pure): from bytes and texts to typed rows and lines, problems and missing references; no file, socket or database here."""
