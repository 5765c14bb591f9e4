"""Drawing the demo set."""
