"""Where in weight space to look."""
