"""Optuna samplers, one a module, and the names by which they are found."""
