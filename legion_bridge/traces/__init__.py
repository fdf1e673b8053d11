"""What a simulated run did: profiles, attribution, timelines and pictures."""
