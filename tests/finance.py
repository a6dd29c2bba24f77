"""Finance at its smallest: a home with one seller, whose months are shipped to, closed and corrected, a verb each."""

import shutil
from decimal import Decimal
from pathlib import Path

from house import DATA, bill, close_period, load_paths, row, write_csv

from assets.core.marketplaces import read_marketplaces
from assets.engines import Engine
from assets.warehouse import Warehouse
from pipelines.crediting import Credit

US, JP = "ATVPDKIKX0DER", "A1VC38T7YXB528"
MARCH, APRIL, MAY, JUNE = "2026-03", "2026-04", "2026-05", "2026-06"


class Finance:
    """A home with one seller, ten units and no contact in March; each verb loads a file or runs a command."""

    def __init__(self, warehouse: Warehouse, folder: Path, engine: Engine | None = None) -> None:
        self.warehouse, self.folder, self.files, self.engine = warehouse, folder, 0, engine
        self.terms = folder / "terms"
        shutil.copytree(DATA / "terms", self.terms)
        self.load(
            sellers=[row("sellers", seller_id="S"), row("sellers", seller_id="T")],
            enrolment_events=[row("enrolment_events", seller_id="S", effective_at="2025-01-01T00:00:00Z")],
        )
        self.ship("A", 10, MARCH)

    def load(self, **rows) -> None:
        self.files += 1
        report = load_paths(self.warehouse, write_csv(self.folder / f"files-{self.files}", rows))
        assert not report.refusals
        assert not sum(file.rows_quarantined for file in report.loads)

    def ship(self, order: str, quantity: int, month: str, **values: str) -> None:
        items = [row("order_items", order_id=order, purchased_at=f"{month}-02T12:00:00Z", quantity=str(quantity))]
        self.load(order_items=items)
        self.load(shipments=[self.parcel(order, quantity, month, **values)])

    def parcel(self, order: str, quantity: int, month: str, **values: str) -> dict[str, str | None]:
        times = {"shipped_at": f"{month}-03T12:00:00Z", **values}
        return row("shipments", shipment_id=f"P-{order}", order_id=order, quantity=str(quantity), **times)

    def contact(self, contact: str, month: str, order: str = "A", **values: str) -> None:
        at = {"contacted_at": f"{month}-20T12:00:00Z"}
        self.load(contacts=[row("contacts", contact_id=contact, order_id=order, **{**at, **values})])

    def run(self, *periods: str, reprice: bool = False) -> None:
        bill(self.warehouse, periods, terms=self.terms, reprice=reprice, engine=self.engine)

    def close(self, *periods: str) -> None:
        for period in periods:
            assert close_period(self.warehouse, period, terms=self.terms, only=[US], engine=self.engine) == [US]

    def entries(self, posted: str) -> list[tuple]:
        """Period, entry, units, tier, amount, causes of what is booked in a period."""
        return self.warehouse.con.execute(
            "select period, entry, units, tier, amount, causes from billing.adjustments where posted_period = ?"
            " order by period, entry desc, amount",
            [posted],
        ).fetchall()

    def totals(self, period: str) -> list[tuple]:
        return self.warehouse.con.execute(
            "select seller_id, charges, adjustments, total, status from billing.statements"
            " where period = ? order by all",
            [period],
        ).fetchall()

    def reported(self, kind: str) -> list[tuple]:
        return self.warehouse.con.execute(
            "select period, seller_id from audit.exceptions where kind = ? order by all", [kind]
        ).fetchall()

    def edit_terms(self, old: str, new: str) -> None:
        path = self.terms / "us.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")


def credit(amount: str, **values: str) -> Credit:
    """A credit for the seller's March, but for what the test says."""
    said = {"seller_id": "S", "period": MARCH, "reason": "dispute 7", "by": "Ada", **values}
    return Credit(marketplace=read_marketplaces(DATA / "marketplaces.csv")[US], amount=Decimal(amount), **said)
