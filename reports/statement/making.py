"""The files of statements, from their facts: HTML, JSON, CSV and PDF. The same facts give the same bytes.

Statements are independent of each other, so that any number of processes can make them, in any order.

Does not belong here: which statements there are, and where they go (`writing`).
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
    json: bytes
    lines: bytes
    names: Names
    folder: str
    """Where its files go."""


@dataclass(slots=True)
class Made:
    """What has come of a job, step by step."""

    job: Job
    document: pdf.Document | None = None
    content: dict[str, bytes] = field(default_factory=dict)
    """Name → bytes."""
    missing: int = 0
    """Characters of the page that the PDF's fonts do not have."""
    wrong: str = ""
    """Why it could not be made; else empty."""

    def take(self, step: Callable[["Made"], None]) -> None:
        """Take a step, unless one before went wrong. Whatever is wrong with a statement is said of it alone."""
        if self.wrong:
            return
        try:
            step(self)
        except Exception as error:
            self.wrong = f"{type(error).__name__}: {error}"


class Maker:
    """Makes files in this process. Raises `pdf.PdfError` where the engine is not there."""

    def __init__(self, press: Press) -> None:
        self._engine = pdf.engine(press.pdf, press.fonts)

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """All files of some statements: one step of all, then the next.

        An engine that goes from page to page finds its code and fonts in the processor's cache, and takes less time
        than one that lets another program in between (`bench/statements.py`).
        """
        made = [Made(job) for job in jobs]
        steps = [self._page] if self._engine is None else [self._page, self._lay_out, self._complete]
        for step in steps:
            for each in made:
                each.take(step)
        return made

    def _page(self, made: Made) -> None:
        job = made.job
        names, has_pdf = job.names, self._engine is not None
        html = statement_page(job.view, names, hashlib.sha256(job.json).hexdigest(), has_pdf=has_pdf)
        made.content = {names.html: html.encode(), names.json: job.json, names.csv: job.lines}
        if has_pdf:
            made.document = _document(job, html)
            made.missing = made.document.in_fonts[1]

    def _lay_out(self, made: Made) -> None:
        assert self._engine and made.document  # noqa: PT018 - the step is taken with an engine alone
        made.content[made.job.names.pdf] = self._engine.lay_out(made.document)

    def _complete(self, made: Made) -> None:
        assert self._engine and made.document  # noqa: PT018
        name = made.job.names.pdf
        made.content[name] = self._engine.complete(made.content[name], made.document)


def _document(job: Job, html: str) -> pdf.Document:
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
            Attachment(job.names.json, "application/json", job.json),
            Attachment(job.names.csv, "text/csv", job.lines),
        ],
    )
