"""The files of a run, and what lets it be interrupted and resumed."""
