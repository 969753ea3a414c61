"""Are seeds linearly connected? What a gap, its intervals and a size that matters say of that."""

CONNECTED, APART = "connected", "not connected"
OPEN, UNTESTED = "cannot be told", "not tested over seeds"


def connection(low: float, high: float, cross_fitted_low: float, negligible: float, untested: str) -> str:
    """Whether a gap says that seeds are connected, that they are not, or neither.

    Args:
        low, high: its interval over seeds and evaluation units.
        cross_fitted_low: the low end of the cross-fitted gap's interval. A gap is a maximum, which chance
            makes larger, and its own interval lies too high for it.
        negligible: the size from which on a gap matters, in the gap's unit.
        untested: why nothing is said of seeds in general; empty where something is.

    Returns:
        `connected` where the whole interval is below what matters; `not connected` where it is above, and
        that of the cross-fitted gap too; else `cannot be told`, or `not tested over seeds`.
    """
    if untested:
        return UNTESTED
    if high < negligible:
        return CONNECTED
    return APART if low > negligible and cross_fitted_low > negligible else OPEN
