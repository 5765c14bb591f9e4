"""Labelling by people, there and back: tiles in a form that a tool opens, and what was drawn in it as masks."""
