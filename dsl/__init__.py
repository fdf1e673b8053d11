"""The mapping language: grammar, checks, evaluation, templates, C output."""
