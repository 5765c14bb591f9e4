"""What networks learn by: losses, learning rates over the steps, optimisers and their states."""
