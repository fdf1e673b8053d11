"""A template's text: its pieces, its holes, and what they render as."""
