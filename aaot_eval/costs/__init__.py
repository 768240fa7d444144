"""Prices in, pounds per patient-year out: what the service costs and averts, and what may be said of it."""

from __future__ import annotations

from aaot_eval.costs.prices import Prices, load_prices
from aaot_eval.costs.service import cost_service

__all__ = ["Prices", "cost_service", "load_prices"]
