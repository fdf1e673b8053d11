"""The rates of arithmetic: what a program's work runs at, and a machine file gives numbers for."""

from __future__ import annotations

__all__ = ["PRODUCT_RATES", "RATES", "RATE_CODES", "WIDER"]

PRODUCT_RATES = ("fp8", "fp16", "bf16", "tf32")
"""Matrix products of these elements, as tensor cores compute them."""
RATES = ("fp32", "fp64", "dgemm", *PRODUCT_RATES)
"""General code in two precisions, matrix products of fp64, and those of narrower elements."""
RATE_CODES = {rate: code for code, rate in enumerate(RATES)}
WIDER = {"fp8": "fp16", "fp16": "tf32", "bf16": "tf32"}
"""The elements that a processor which lacks some computes with: the next that hold all of them."""
