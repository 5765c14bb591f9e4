"""What each labelling tool is given: tiles, classes, instructions, and a first draft in the tool's own format."""
