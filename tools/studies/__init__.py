"""Studies as jobs: the published commands with their options, what they cost, and running them."""
