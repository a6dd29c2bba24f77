"""With what statements are made, as the settings say."""

from assets.settings import Settings
from assets.version import code_version
from reports.statement import Press


def press_of(settings: Settings) -> Press:
    """The engine, its fonts, and the code."""
    return Press(settings.pdf, settings.fonts, code_version())
