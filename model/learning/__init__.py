"""The active learner: a classifier that is fitted, scores the pool and asks for labels, and its run."""
