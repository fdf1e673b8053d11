"""A mapper as one C file, and that file compiled and asked."""
