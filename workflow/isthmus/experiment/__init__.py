"""What is asked for: the settings and what is said of them. Nothing here computes."""
