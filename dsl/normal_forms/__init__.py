"""Normal forms: mappers that decide alike get equal texts."""
