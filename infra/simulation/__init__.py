"""The article's story, from the launch on: who books what, where and when. Chance comes from one seeded generator."""
