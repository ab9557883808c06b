"""Amounts of money as people write them: plain decimals, read exactly."""

from __future__ import annotations

import re
from decimal import Decimal

from engine.errors import Invalid
from engine.names import shown

AMOUNT_RULE = "an amount is written like 49 or 49.00: not negative, at most 6 decimals"

_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?")


def parse_amount(text: str) -> Decimal:
    """The exact amount that `text` says, such as ``49``, ``49.00`` or ``0.034``.

    Raises `Invalid` for anything else: signs, exponents, NaN, infinity, other scripts' digits,
    more than 6 decimals, or more than 12 digits before them.
    """
    if not _AMOUNT.fullmatch(text):
        raise Invalid(
            f"{shown(text, 30)} is not an amount: {AMOUNT_RULE}.",
            hint="Nothing was changed. See the amount to accept with: backstay quote BACKUP",
        )
    return Decimal(text)
