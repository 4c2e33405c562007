"""Exports an `nn.Module` to a model folder of Unitscope and checks the result: `export`, or `python -m unitscope_export`."""

from .errors import ExportError
from .report import Report

__all__ = ["ExportError", "Report", "export"]


def __getattr__(name):
    # Late, so that `--help` and a clear error need no torch.
    if name == "export":
        from .exporter import export

        return export
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
