"""Searches on many neurons in one job, which learn from each other."""
