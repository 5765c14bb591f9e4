"""Scores, intervals, windows and the dense CRF."""
