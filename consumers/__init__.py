"""Speak to other systems: work from the published facts, at least once in, effect once."""
