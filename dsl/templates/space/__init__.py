"""Search spaces as templates: parameters, the spaces that are written, the index-map library."""
