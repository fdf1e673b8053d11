"""Programs as data: applications, their JSON, summaries, and their flat form."""
