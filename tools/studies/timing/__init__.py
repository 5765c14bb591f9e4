"""Hours that a study takes: how much its commands do, and what that costs, by ended commands or by short versions."""
