"""The method on plain tensors and arrays: selection, losses, scores, and the files a run leaves."""
