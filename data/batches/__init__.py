"""From tiles to batches: samples, joint transforms, which tile comes next, loaders."""
