"""Machines: processors, memories, links; their files and their flat form."""
