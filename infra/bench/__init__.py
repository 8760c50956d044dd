"""`mawid rush`: what this machine gives, as ratios of figures measured side by side in one run. Absolute figures of a
shared machine move by a factor of four within minutes; a ratio of one round does not.
"""
