"""The terms and their tiers as the peers need them: plain rows, by nothing but the standard library."""

import tomllib
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "data"
SELLER = ["marketplace_id", "seller_id"]
ITEM = ["order_id", "order_item_id"]
EXCLUDED_REASONS = ["invoice", "customisation", "pre_order"]
PARTS = 10_000
"""Rates and fees are whole numbers of ten-thousandths, so that amounts are rounded exactly."""


def read_cards() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every version of the terms, with the local date `begins`, and every tier, numbered from 0."""
    terms, tiers = [], []
    for path in sorted((DATA / "terms").glob("*.toml")):
        card = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=str)
        for version in card["version"]:
            waive, rewards = version.get("waive", {}), version.get("rewards", {})
            terms.append(
                {
                    "marketplace_id": card["marketplace_id"],
                    "terms_id": version["id"],
                    "begins": version["from"],
                    "trial_days": version["trial_days"],
                    "cpu_below": _parts(waive.get("cpu_below")),
                    "orders_below": waive.get("orders_in_quarter_below"),
                    "vtr_at_least": _parts(rewards.get("vtr_at_least")),
                    "aprl_at_least": _parts(rewards.get("aprl_at_least")),
                }
            )
            tiers += [
                {
                    "terms_id": version["id"],
                    "tier": number,
                    "up_to": _parts(tier.get("up_to")),
                    "is_exclusive": tier.get("exclusive", False),
                    "fee": _parts(tier["fee"]),
                    "discount": _parts(rewards["discounts"][number]) if rewards else 0,
                }
                for number, tier in enumerate(version["tier"])
            ]
    return terms, tiers


def _parts(rate: str | None) -> int | None:
    return None if rate is None else round(float(rate) * PARTS)
