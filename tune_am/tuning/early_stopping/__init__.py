"""Which trials are not worth going on with."""
