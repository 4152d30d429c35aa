"""One side's quantile or share with an interval that lets instances and minutes differ.

Source: Woodruff (1952), JASA 47(260), for intervals of quantiles through the shares about them.
"""

import math

from pipeline.stats.cells import Floats, Range, Side
from pipeline.stats.share_shift import wilson
from pipeline.stats.shift import Estimate, density, ratio_variance


def quantile_level(side: Side, p: float) -> Estimate:
    """Estimate a quantile.

    Args:
        side: requests; two instances or more.
        p: the quantile, between 0 and 1.

    Returns:
        Its logarithm (of nanoseconds) as the effect, with its error.
    """
    whole = Range.of(side).histograms(side, None, 1)
    log_quantile = float(whole.log_quantile(p)[0])
    variance, df = ratio_variance([side], [side.above(log_quantile)])
    error = math.sqrt(variance) / density(whole, side.effective, p)
    return Estimate("exceedance", log_quantile, error, df)


def share_level(side: Side, above: Floats, confidence: float) -> tuple[float, float, float]:
    """Estimate a share of requests.

    Args:
        side: all requests.
        above: those that count, by cell, instances x minutes.
        confidence: of the interval, between 0 and 1.

    Returns:
        The share and its bounds.
    """
    share = float(above.sum()) / side.total
    variance, _ = ratio_variance([side], [above])
    least = share * (1 - share) / side.effective
    inflation = max(1.0, variance / least) if least > 0 else 1.0
    return share, *wilson(share, side.effective / inflation, confidence)
