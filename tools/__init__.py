"""The commands, and the options they share."""
