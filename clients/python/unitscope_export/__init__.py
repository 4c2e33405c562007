"""Exports an `nn.Module` to a model folder of Unitscope and checks the result: `export`, or `python -m unitscope_export`."""

from .errors import ExportError
from .exporter import export
from .report import Report

__all__ = ["ExportError", "Report", "export"]
