"""From text to syntax tree, and errors that teach."""
