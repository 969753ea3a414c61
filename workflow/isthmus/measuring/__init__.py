"""The loss of a task at points of weight space.

The doors are two jobs, `evaluation.evaluate` (a checkpoint) and `interpolation.interpolate` (a row); both
measure with the one `engine.Engine`, whose live model moves.
"""
