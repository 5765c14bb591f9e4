"""Pre-training a backbone without masks: on tiles alone, or on their scene labels."""
