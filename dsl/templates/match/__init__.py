"""The way back from a mapper to a template's values, exact or nearest."""
