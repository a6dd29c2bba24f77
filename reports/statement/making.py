"""The files of one statement, from its facts: HTML, JSON, CSV and PDF. The same facts give the same bytes.

Statements are independent of each other, so that any number of processes can make them, in any order.

Does not belong here: which statements there are, and where they go (`writing`).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reports import pdf
from reports.attaching import Attachment
from reports.language import language_of
from reports.statement.names import Names
from reports.statement.pages import statement_page
from reports.statement.view import View


@dataclass(frozen=True)
class Press:
    """With what statements are made."""

    pdf: str
    """An engine of `pdf.ENGINES`."""
    fonts: Path
    """The cache of fonts."""
    code_version: str
    workers: int = 0
    """Processes; 0: one for each core."""

    @property
    def label(self) -> str:
        """What the bytes depend on, beside a statement's facts. Raises `pdf.PdfError`."""
        return f"{self.code_version}, {pdf.label(self.pdf)}"

    def must_be_there(self) -> None:
        """Raise `pdf.PdfError` where the engine is not there, before anything is done for it."""
        pdf.label(self.pdf)


class Job(NamedTuple):
    """A statement to be made."""

    view: View
    json: str
    lines: bytes
    names: Names


class Made(NamedTuple):
    """The files of a statement."""

    content: Mapping[str, bytes]
    """Name → bytes."""
    missing: int
    """Characters of the page that the PDF's fonts do not have."""


class Maker:
    """Makes files in this process. Raises `pdf.PdfError` where the engine is not there."""

    def __init__(self, press: Press) -> None:
        self._engine = pdf.engine(press.pdf, press.fonts)

    def make(self, job: Job) -> Made:
        """All files of a statement. Raises `pdf.PdfError`."""
        names, data = job.names, job.json.encode()
        html = statement_page(job.view, names, hashlib.sha256(data).hexdigest(), has_pdf=self._engine is not None)
        content = {names.html: html.encode(), names.json: data, names.csv: job.lines}
        missing = 0
        if self._engine is not None:
            content[names.pdf], missing = self._engine.pdf(_document(job, html, data))
        return Made(content, missing)


def _document(job: Job, html: str, data: bytes) -> pdf.Document:
    it = job.view
    language = language_of(it.language)
    _ = language.texts.gettext
    values = {"period": language.month(it.period.id), "marketplace": it.marketplace.domain}
    draft = f"{_('DRAFT')} · " if it.status == "draft" else ""
    return pdf.Document(
        html=html,
        language=it.language,
        title=_("Statement for %(period)s, %(marketplace)s") % values,
        foot=f"{draft}{it.statement_id}",
        dated=it.period.ends_at,
        attachments=[
            Attachment(job.names.json, "application/json", data),
            Attachment(job.names.csv, "text/csv", job.lines),
        ],
    )
