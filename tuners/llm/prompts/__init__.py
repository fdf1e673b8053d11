"""What a language model is told: texts in files, put together within a token limit."""
