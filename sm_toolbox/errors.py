"""The errors that reach a user: each says what was found, what was expected and what to do next."""

from __future__ import annotations


class ToolboxError(Exception):
    """An error that the user can correct; the message is shown without a traceback."""


class InputError(ToolboxError):
    """A layer, field, file or setting cannot be used as it is."""


class OutputError(ToolboxError):
    """An output cannot be written; nothing of it is left behind."""


class ModelFileError(ToolboxError):
    """A model file is damaged, foreign, too new or not to be trusted."""


class Cancelled(Exception):
    """The user asked to stop; not an error."""
