"""What counts as no gap, and as having learnt."""

from scipy import stats

FLOOR = 1e-6  # nats; what rounding alone makes of the gap of a convex float32 path


def floored(value: float) -> float:
    """The value as it is shown: 0 where it is under the floor."""
    return 0.0 if abs(value) < FLOOR else float(value)


def accuracy_interval(accuracy: float, n: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy over `n` examples, by Wilson's method."""
    low, high = stats.binomtest(round(accuracy * n), n).proportion_ci(method="wilson")
    return float(low), float(high)


def learnt(accuracy: float, majority: float) -> bool:
    """Whether an accuracy is above that of always naming the majority class; an unknown one passes.

    Of a run, the low end of its interval is asked: one that is not clearly above may have learnt nothing.
    """
    return not accuracy <= majority
