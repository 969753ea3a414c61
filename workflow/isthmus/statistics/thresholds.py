"""What counts as no gap, and as having learnt."""

FLOOR = 1e-6  # nats; what rounding alone makes of the gap of a convex float32 path


def floored(value: float) -> float:
    """The value as it is shown: 0 where it is under the floor."""
    return 0.0 if abs(value) < FLOOR else float(value)


def learnt(accuracy: float, majority: float) -> bool:
    """Whether an accuracy is above that of always naming the majority class; an unknown one passes."""
    return not accuracy <= majority
