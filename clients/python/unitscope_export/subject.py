"""The module while it is exported: in eval mode, in float32, on the CPU, with one tensor as its output; knows no file.

Nothing is wrapped around the module, because layers are named by their path in the exported graph.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import os
import warnings
from collections.abc import Mapping

import torch

from .errors import ExportError, first_line

# What the engine converts too, but the module must then run in.
OTHER_FLOATS = (torch.float16, torch.bfloat16, torch.float64)


@contextlib.contextmanager
def prepared(module, notes):
    """Lends the module in the state in which it is exported, or a copy of it; afterwards the caller's own is as it was."""
    tensors = [*module.parameters(), *module.buffers()]
    if any(isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin) for tensor in tensors):
        raise ExportError("the module has lazy parameters without a shape yet", ["run it once on an image before the export"])
    if isinstance(module, torch.jit.ScriptModule):
        raise ExportError(
            "the module is TorchScript, and torch.export reads Python modules",
            ["export the Python module that it was scripted or traced from"],
        )
    others = sorted({str(tensor.dtype).removeprefix("torch.") for tensor in tensors if tensor.dtype in OTHER_FLOATS})
    devices = sorted({str(tensor.device) for tensor in tensors if tensor.device.type != "cpu"})
    if others or devices:
        module = copy.deepcopy(module).to(device="cpu").float()
    if others:
        notes.append(f"converted {' and '.join(others)} to float32, in which Unitscope computes")
    modes = [(part, part.training) for part in module.modules()]
    try:
        module.eval()
        with torch.no_grad():
            yield module
    finally:
        for part, training in modes:
            part.training = training


@contextlib.contextmanager
def quiet():
    """Keeps the exporter's warnings and debug print from the terminal; what matters comes as an exception."""
    disabled = logging.root.manager.disable
    with open(os.devnull, "w") as nowhere, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
                yield
        finally:
            logging.disable(disabled)


@contextlib.contextmanager
def one_output(module, key, image, notes):
    """Makes `forward` return one tensor: the one at `key`, a path such as `logits` or `1.0`, or the first.

    `forward` of this instance is replaced meanwhile, so that the paths of the module's parts stay.
    """
    with quiet():
        output = module(image)
    if isinstance(output, torch.Tensor) and key is None:
        yield
        return
    found = list(_tensors(output))
    names = ", ".join(f"`{name}` {list(tensor.shape)}" for name, tensor in found[:12])
    if not found:
        raise ExportError(f"the module returns no tensor, but {type(output).__name__}", ["export a module that returns one"])
    if key is None:
        key = found[0][0]
        if len(found) > 1:
            notes.append(f"the module returns {names}; kept `{key}`, choose another with --output")
    elif key not in dict(found):
        raise ExportError(f"the module's output has no tensor `{key}`; it has {names}", ["give one of these to --output"])
    forward = module.forward
    own = vars(module).get("forward")
    module.forward = lambda image: dict(_tensors(forward(image)))[key]
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own


def _tensors(value, path=""):
    """(path, tensor) of every tensor in nested dicts, sequences and data classes."""
    if isinstance(value, torch.Tensor):
        yield path, value
        return
    if isinstance(value, Mapping):
        parts = value.items()
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = zip(value._fields, value)
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    elif dataclasses.is_dataclass(value):
        parts = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    else:
        return
    for name, part in parts:
        yield from _tensors(part, f"{path}.{name}" if path else str(name))


def random_images(batch, channels, height, width):
    """[batch, channels, height, width], float32, normal: as normalized images are. Always the same."""
    return torch.randn(batch, channels, height, width, generator=torch.Generator().manual_seed(7))


def try_run(module, shape):
    """(output, None) of the module on random images of this shape, or (None, why it does not run on them)."""
    try:
        with quiet():
            return module(random_images(*shape)), None
    except Exception as error:  # Whatever a module may raise.
        return None, f"{first_line(error)}{where(module, error)}"


def where(module, error):
    """` (in `layer1.0`, a Bottleneck; net.py:12)`: the innermost part of the module that was running when it failed, or nothing."""
    paths = {id(part): path for path, part in module.named_modules()}
    place = line = None
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        trace = error.__traceback__
        while trace is not None:
            code = trace.tb_frame.f_code
            part = trace.tb_frame.f_locals.get("self")
            # Traced modules stand behind a proxy.
            part = part.get_base() if hasattr(type(part), "get_base") else part
            if code.co_name == "_call_impl" and paths.get(id(part)):
                place = f"in `{paths[id(part)]}`, a {type(part).__name__}"
            if f"{os.sep}torch{os.sep}" not in code.co_filename and isinstance(part, torch.nn.Module):
                line = f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}"
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    known = [text for text in (place, line) if text]
    return f" ({'; '.join(known)})" if known else ""
