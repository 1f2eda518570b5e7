"""Numbers as the report writes them: true minus signs, units left to headings, a dash for what is missing."""

from __future__ import annotations

import math

MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def number(value: float, digits: int = 2) -> str:
    """A number with that many decimals; a dash where it is missing. Never minus zero."""
    if value is None or math.isnan(value):
        return MISSING
    rounded = round(float(value), digits) + 0.0
    return f"{rounded:.{digits}f}".replace("-", MINUS)


def count(value: float) -> str:
    """A whole number with thousands set apart; a dash where it is missing."""
    if value is None or math.isnan(value):
        return MISSING
    return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", MINUS)


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """An interval in brackets."""
    return f"[{number(lower, digits)}, {number(upper, digits)}]"


def estimate(value: float, lower: float, upper: float, digits: int = 2) -> str:
    """A value and its interval, where it has one."""
    if math.isnan(value) or math.isnan(lower):
        return number(value, digits)
    return f"{number(value, digits)} {interval(lower, upper, digits)}"


def probability(p: float) -> str:
    """A posterior probability with two decimals, never 0 or 1."""
    if not math.isnan(p) and (p < 0.005 or p > 0.995):
        return "< 0.01" if p < 0.5 else "> 0.99"
    return number(p, 2)


def p_value(p: float) -> str:
    """A p-value with three decimals, never 0."""
    return "< 0.001" if p < 0.001 else number(p, 3)


def percent(fraction: float, digits: int = 0) -> str:
    """A fraction as a percentage."""
    return MISSING if math.isnan(fraction) else f"{number(100 * fraction, digits)} %"


def quantity(n: int, one: str, many: str = "") -> str:
    """A count with its noun: "1 eye", "2 eyes"."""
    return f"{count(n)} {one if n == 1 else many or one + 's'}"


def plain(value: object) -> str:
    """Any value of a card or table: numbers to four significant digits, the rest as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        if math.isnan(value):
            return MISSING
        return count(value) if value.is_integer() else f"{value:.4g}".replace("-", MINUS)
    if isinstance(value, list | tuple):
        return ", ".join(plain(v) for v in value)
    return str(value)
