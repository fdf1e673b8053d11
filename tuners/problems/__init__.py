"""What is tuned: problems with parameters, mappers, and texts."""
