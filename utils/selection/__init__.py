"""Choosing tiles: query strategies, the pool and its rounds, the budget."""
