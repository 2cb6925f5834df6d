"""What a search found, to look at and listen to: pictures, sounds and one page."""
