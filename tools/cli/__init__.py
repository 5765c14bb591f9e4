"""Options of the commands, and how a command runs and ends."""
