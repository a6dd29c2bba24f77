"""core.accounts: the accounts that the journal posts to, from `data/accounts.toml`."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from assets.warehouse import Warehouse, replace_table

DESCRIPTION = "One row per account of the journal."
COLUMNS = {
    "role": ("varchar", "receivable: what sellers owe; revenue: what the service earned"),
    "account": ("varchar", "the account's name"),
}
ROLES = ("receivable", "revenue")


class AccountsError(Exception):
    """The list of accounts cannot be used; the message names the file and the reason."""


def read_accounts(path: Path) -> Mapping[str, str]:
    """Role → account. Raises `AccountsError`."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise AccountsError(f"{path}: it cannot be read: {error}") from error
    if sorted(found) != sorted(ROLES):
        raise AccountsError(f"{path}: it names {', '.join(ROLES)} and nothing else")
    if not all(isinstance(name, str) and name.strip() for name in found.values()) or len({*found.values()}) < len(
        ROLES
    ):
        raise AccountsError(f"{path}: each account has a name of its own")
    return found


def make_accounts(warehouse: Warehouse, accounts: Mapping[str, str]) -> int:
    """Replace core.accounts; returns its rows."""
    with warehouse.transaction():
        replace_table(warehouse.con, "core.accounts", DESCRIPTION, COLUMNS, list(accounts.items()))
    return len(accounts)
