"""Options of each command, and how they become its settings; `parse_args` of a module reads a command line."""
