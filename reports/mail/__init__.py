"""The message with which a seller gets its final statement by e-mail.

Its facts are those that the close kept (`statement/kept.py`), its sentences the statement's own, in the same language.
"""

from reports.mail.making import Letter, Sender, message

__all__ = ["Letter", "Sender", "message"]
