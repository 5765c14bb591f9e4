"""Training methods: one training step each."""
