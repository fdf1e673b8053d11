"""Parsing: from text to syntax tree, with errors that say what to do."""
