"""Statistics of paired scores: permutation tests, bootstrap intervals, Holm's correction, and how they were checked."""
