"""What one trial computes: activation maximisation and its score, in PyTorch alone."""
