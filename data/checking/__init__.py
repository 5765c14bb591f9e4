"""Passes over a data set that tell what is in it."""
