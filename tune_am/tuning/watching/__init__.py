"""What is seen of a search while it runs, and at its end."""
