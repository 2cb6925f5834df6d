"""What MLflow keeps of a search."""
