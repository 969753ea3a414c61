"""Which alpha to measure next, and how far the gaps may still move: pure functions of measured points."""


def start_grid(k: int) -> list[float]:
    """The k + 1 equally spaced alphas from 0 to 1."""
    return [i / k for i in range(k + 1)]


def uniform(points: int) -> list[float]:
    """`points` equally spaced alphas from 0 to 1."""
    return start_grid(points - 1)
