"""`csba check`: whether marketplaces, terms, accounts, sources, mail, engine and lake can be used, before all else."""

from collections.abc import Iterator

from assets.core.accounts import AccountsError, read_accounts
from assets.core.marketplaces import MarketplacesError, read_marketplaces
from assets.core.terms import read_all_terms
from assets.engines import EngineError, engine_of
from assets.raw.sources import SourceError, read_sources
from assets.settings import DUCKDB, Settings, SettingsError, is_mail_set_up, read_mail


def check_inputs(settings: Settings) -> Iterator[tuple[str, str, list[str]]]:
    """What was looked at, what was found, and the mistakes in it."""
    try:
        listed = read_marketplaces(settings.marketplaces)
    except MarketplacesError as error:
        yield f"marketplaces ({settings.marketplaces})", "unusable", [str(error)]
        return
    yield f"marketplaces ({settings.marketplaces})", f"{len(listed)} listed", []
    cards, refused = read_all_terms(settings.terms, listed)
    versions = sum(len(card.versions) for card in cards)
    without = sorted(listed[name].country for name in listed.keys() - {card.marketplace_id for card in cards})
    found = f"{versions} versions for {len(cards)} marketplaces" + (
        f", none for {', '.join(without)}" if without else ""
    )
    yield f"terms ({settings.terms})", found, [str(error) for error in refused]
    try:
        accounts = read_accounts(settings.accounts)
    except AccountsError as error:
        yield f"accounts ({settings.accounts})", "unusable", [str(error)]
    else:
        yield f"accounts ({settings.accounts})", ", ".join(accounts.values()), []
    if is_mail_set_up(settings):
        try:
            mail = read_mail(settings)
        except SettingsError as error:
            yield f"mail ({settings.mail})", "unusable", [str(error)]
        else:
            yield f"mail ({settings.mail})", f"from {mail.sender} through {mail.server}", []
    yield from _check_engine(settings)
    try:
        sources = read_sources(settings.sources)
    except SourceError as error:
        yield f"sources ({settings.sources})", "unusable", [str(error)]
        return
    yield f"sources ({settings.sources})", f"{len(sources.mapped)} mapped, {len(sources.canonical)} canonical", []


def _check_engine(settings: Settings) -> Iterator[tuple[str, str, list[str]]]:
    if settings.engine != DUCKDB:
        try:
            engine_of(settings)
        except EngineError as error:
            yield "engine", "unusable", [str(error)]
        else:
            yield "engine", settings.engine, []
    if settings.lake:
        from assets.lake import LakeError, try_lake

        try:
            try_lake(settings.lake)
        except LakeError as error:
            yield "lake", "unusable", [str(error)]
        else:
            yield "lake", settings.lake, []
