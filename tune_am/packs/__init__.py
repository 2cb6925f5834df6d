"""What a search explains, as one folder that is checked: read, written, and made of any model."""
