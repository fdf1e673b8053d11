"""Equal mappers have equal texts."""
