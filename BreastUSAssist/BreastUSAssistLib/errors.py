"""The exceptions of this project. Each message is one sentence: what is wrong, and what to do next."""


class BreastUSAssistError(Exception):
    """Base of every error that this project raises on purpose."""


class InputError(BreastUSAssistError):
    """A file or folder that cannot be read as ultrasound; the message names the file, never a patient."""


class OutputError(BreastUSAssistError):
    """A result that could not be written; nothing half-written is left behind."""


class ModelError(BreastUSAssistError):
    """A model bundle that is missing, damaged, or does not fit this version."""


class UsageError(BreastUSAssistError):
    """A request that cannot be carried out as it was put."""
