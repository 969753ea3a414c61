"""The loss of a task at points of weight space."""
