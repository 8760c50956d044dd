"""Remember: each view is a table, the fold that fills it from the log, and its queries, in one file."""
