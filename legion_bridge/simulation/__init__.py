"""The simulator: a program on a machine under a mapper, and what can be known before."""
