"""What is not for pytest here."""

# Run by an interpreter that has SimGrid; importing it elsewhere fails.
collect_ignore = ["simgrid_peer.py"]
