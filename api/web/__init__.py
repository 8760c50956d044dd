"""Pages for people, in Arabic and English: rendered here, without anything from elsewhere."""
