"""Mappers with holes: reading, rendering and matching them, and writing those of a program."""
