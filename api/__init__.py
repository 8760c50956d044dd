"""Speaks HTTP: parses requests, submits commands, reads views, presents answers."""
