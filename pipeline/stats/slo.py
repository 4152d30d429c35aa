"""Error budgets: what is left of one and how fast it burns, in decimals.

100 - 99.9 is not 0.1 in binary floating point; a target is what was written, to the digit.

Source: Beyer et al. (2018), The Site Reliability Workbook, chapter 5, for burn rates.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

# So many failures tell by themselves; with fewer, chance must be ruled out.
LEAST_BAD = 10

_HUNDRED = Decimal(100)


def parse_target(text: str) -> Decimal:
    """Read a target in per cent as a share.

    Raises:
        ValueError: it is no decimal between 0 and 100.

    >>> parse_target("99.9"), 1 - parse_target("99.9")
    (Decimal('0.999'), Decimal('0.001'))
    """
    try:
        percent = Decimal(text.removesuffix("%").strip())
    except InvalidOperation:
        raise ValueError(f'{text!r} is not a decimal, such as "99.9"') from None
    if not percent.is_finite() or not 0 < percent < _HUNDRED:
        raise ValueError(f"{text!r} is not between 0 and 100, both excluded")
    return percent / _HUNDRED


@dataclass(frozen=True)
class ErrorBudget:
    """Events of a window, and what may fail of them.

    Attributes:
        total: all events, by weight; 0 or more.
        bad: those that failed.
        target: the share that must not, between 0 and 1.
    """

    total: Decimal
    bad: Decimal
    target: Decimal

    @property
    def allowed_ratio(self) -> Decimal:
        """Give the share that may fail."""
        return 1 - self.target

    @property
    def burn_rate(self) -> Decimal:
        """Give how many times faster than allowed events fail; total must be above 0."""
        return self.bad / self.total / self.allowed_ratio

    @property
    def left(self) -> Decimal:
        """Give the share of the budget that is left; below 0 where more failed than may.

        >>> str(ErrorBudget(Decimal(1000), Decimal(1), parse_target("99.9")).left)
        '0'
        """
        return 1 - self.bad / (self.total * self.allowed_ratio)

    @property
    def holds_one(self) -> bool:
        """Tell whether one failure fits in the budget; where not, none yet proves nothing."""
        return self.total * self.allowed_ratio >= 1


def exceeds(ratio: Decimal, threshold: Decimal, bad: Decimal, low: float) -> bool | None:
    """Tell whether an error ratio lies above a threshold, strictly.

    Args:
        ratio: of the errors.
        threshold: what it may be.
        bad: how many failed.
        low: the lower bound of the ratio, by Wilson's interval.

    Returns:
        The answer; None where it does, but by fewer than LEAST_BAD failures and perhaps by chance.
    """
    if ratio <= threshold:
        return False
    if bad >= LEAST_BAD or low > threshold:
        return True
    return None


def exact(number: float) -> Decimal:
    """Give a count as the decimal that it is written as."""
    return Decimal(int(number)) if number == int(number) else Decimal(repr(number))
