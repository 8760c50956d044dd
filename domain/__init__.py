"""Decides: commands become facts, and facts become the state that the next decision rests on. No clock, no I/O."""
