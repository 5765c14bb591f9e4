"""Weights from files: loaded whole or not at all, without running code."""
