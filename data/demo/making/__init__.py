"""The parts of the demo estate's generator."""
