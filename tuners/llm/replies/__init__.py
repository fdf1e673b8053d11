"""Taking candidates from what a language model says; nothing of it is ever run as a program."""
