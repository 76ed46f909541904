"""What a run leaves on its storage for those who watch it, and how that is read back. No Ray."""
