"""What proposes settings."""
