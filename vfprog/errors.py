"""Errors that a user can mend: shown as one line, without a traceback, with exit status 2."""

from __future__ import annotations


class UserError(Exception):
    """Something in the user's data or config is wrong; the message says what, where and how to mend it."""
