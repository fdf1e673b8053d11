"""Mappers with holes: reads, renders and matches them, and writes one for a program."""
