"""What can go wrong, in words; knows no torch."""


class ExportError(Exception):
    """The module could not be exported, or what was exported is not the module.

    `str(error)` says what; `error.advice` is a list of what to try, most promising first.
    """

    def __init__(self, reason, advice=()):
        super().__init__(reason)
        self.advice = list(advice)


class UsageError(ExportError):
    """What was asked for cannot be: a wrong name, a wrong option. Nothing was exported."""


def first_line(error):
    """The first line of a message that says something, at most 300 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    line = lines[0] if lines else type(error).__name__
    return line if len(line) <= 300 else line[:297] + "..."
