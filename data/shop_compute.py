"""Work that burns a processor, for profilers: what checkout computes for each order when asked to.

Most of the shop sleeps, which costs no core and shows in no profile. Each function here takes about
as long as the others, so a profile has known shares; a fault makes one of them longer.
"""

import zlib

# About half a millisecond a function and round on a machine of 2026.
_LINES_A_ROUND = 1200
_CHECKSUMS_A_ROUND = 48
_CHECKSUM_BYTES = 1 << 16

Lines = list[dict[str, int]]


def compute_order(order: int, rounds: int, sign_rounds: int) -> str:
    """Work out an order's discount, receipt and signature, some rounds each.

    >>> len(compute_order(7, 1, 2))
    8
    """
    lines = [{"sku": number % 60, "quantity": number % 5 + 1} for number in range(_LINES_A_ROUND)]
    total_cents = 0
    receipt = ""
    signature = str(order)
    for _ in range(rounds):
        total_cents += work_out_discount(lines)
    for _ in range(rounds):
        receipt = render_receipt(lines, total_cents)
    for _ in range(sign_rounds):
        signature = sign_receipt(signature + receipt[:64])
    return signature


def work_out_discount(lines: Lines) -> int:
    """Add up what a basket is worth after a discount that grows with the quantity, in cents."""
    total_cents = 0
    for line in lines:
        price_cents = 199 + line["sku"] * 7
        share = min(line["quantity"] * 3, 15)
        total_cents += price_cents * line["quantity"] * (100 - share) // 100
    return total_cents


def render_receipt(lines: Lines, total_cents: int) -> str:
    """Write a basket as text."""
    text = ""
    for line in lines:
        text += "sku-{sku:03d} x {quantity}\n".format(**line)
    return f"{text}total {total_cents}"


def sign_receipt(receipt: str) -> str:
    """Add up a receipt's checksum over and over, in one native function that perf can name too."""
    block = receipt.encode().ljust(_CHECKSUM_BYTES, b".")
    checksum = 0
    for _ in range(_CHECKSUMS_A_ROUND):
        checksum = zlib.crc32(block, checksum)
    return f"{checksum:08x}"
