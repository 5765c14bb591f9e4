"""What labelling tools write, recognised by its content and read as class ids."""
