"""Writes a mapper as one C file, compiles it, and asks the compiled mapper."""
