"""What is not for pytest here."""

# Run by an interpreter that has cuPyNumeric; importing them elsewhere fails.
collect_ignore = ["cupynumeric"]
