"""`export`: module in, model folder out; knows no command line and no model zoo."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

import torch

from . import tracing
from .errors import ExportError, UsageError
from .preprocessing import Preprocessing, check, complete, count, model_toml
from .report import Report
from .subject import one_output, prepared, random_images, try_run

# What the engine's reader knows: torch.export.save changed its archive in 2.8.
OLDEST_TORCH = (2, 8)
# What networks are commonly trained on; a network without fixed size takes the first.
COMMON_SIZES = (224, 32, 28, 64, 96, 128, 256, 299, 384, 512)


def export(
    module,
    folder,
    *,
    size=None,
    channels=None,
    mean=None,
    std=None,
    range=None,
    resize=None,
    labels=None,
    output=None,
    dynamic="size",
    overwrite=False,
    progress=lambda step: None,
):
    """Exports a module, checks the result against it, and writes `model.pt2`, `model.toml` and `labels.txt`.

    size: (height, width) in pixels of the network's input; guessed from what the module runs on.
    channels: "RGB", "BGR", "GRAY" or a number; guessed from the first convolution.
    mean, std: one number per channel, or one for all, of pixels in `range` (smallest, largest); (image - mean) / std is the module's input.
    resize: shorter side in pixels before the centre crop of a dataset's images.
    labels: one class a string, in the order of the output.
    output: of a module that returns several tensors, the one to keep: a path such as "logits" or "1.0"; the first without it.
    dynamic: "size" tries a dynamic batch, height and width, then less; "batch" the batch, then less; "none" fixes all, the batch to 1.
    overwrite: whether a folder that exists is replaced. The new one appears only when it is complete.
    progress: called with each step, a string.

    The module is as before afterwards. Returns a `Report`; raises `ExportError`, with advice, and `UsageError` for arguments that
    cannot be.
    """
    began = time.monotonic()
    folder = Path(folder)
    known = Preprocessing(_pair(size), resize, _tuple(range), _tuple(mean), _tuple(std), channels, labels)
    _check_arguments(module, folder, known, dynamic, overwrite)
    notes = []
    with prepared(module, notes) as subject:
        progress("running the module")
        channels, height, width, assumed = _input(subject, known, converted=bool(notes))
        known.size = (height, width)
        filled, more = complete(known, channels)
        check(filled)
        notes += assumed + more
        with one_output(subject, output, random_images(1, channels, height, width), notes):
            reference = tracing.Reference(subject, channels)
            shape = _settled(reference, height, width, notes)
            _fit_labels(filled, shape, notes)
            with _appearing(folder, overwrite) as work:
                traced = tracing.trace(reference, (height, width), dynamic, work / "model.pt2", progress)
                _write_manifest(work, filled)
    report = Report(
        folder=folder, channels=channels, height=height, width=width, output_shape=shape,
        dynamic_batch=traced.dynamic["batch"], dynamic_height=traced.dynamic["height"],
        dynamic_width=traced.dynamic["width"], square=traced.square, difference=traced.difference,
        compared=traced.compared, parameters=sum(each.numel() for each in module.parameters()),
        layers=tracing.layers(traced.program), seconds=0.0, notes=notes + traced.notes,
    )  # fmt: skip
    report.seconds = time.monotonic() - began
    return report


def _check_arguments(module, folder, known, dynamic, overwrite):
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < OLDEST_TORCH:
        raise UsageError(
            f"torch is {torch.__version__}; Unitscope reads what torch.export.save writes since 2.8",
            ["pip install --upgrade torch"],
        )
    if not isinstance(module, torch.nn.Module):
        raise UsageError(f"what to export is a {type(module).__name__}; give a torch.nn.Module")
    if dynamic not in tracing.WISHES:
        raise UsageError(f"dynamic is {dynamic!r}; give one of {', '.join(tracing.WISHES)}")
    name = folder.name
    if not name or name.startswith(".") or len(name.encode()) > 200 or "\\" in name or not name.isprintable():
        raise UsageError(f"the model's name is {name!r}; give printable characters, the first of them no dot")
    if folder.exists() and not overwrite:
        raise UsageError(f"`{folder}` exists", ["--force replaces it", "--name NAME writes another"])
    if folder.exists() and not (folder / "model.toml").is_file():
        raise UsageError(f"`{folder}` is no model folder, and is not replaced", ["--name NAME writes another"])
    check(known)


def _input(module, known, converted):
    """(channels, height, width, notes on what was guessed) of an image that the module runs on."""
    first = next((part for part in module.modules() if isinstance(part, torch.nn.Conv2d)), None)
    if known.channels is not None:
        counts = [count(known.channels)]
    else:
        counts = [first.in_channels] if first else [3, 1]
    sizes = [known.size] if known.size else [(side, side) for side in COMMON_SIZES]
    reasons = []
    for height, width in sizes:
        for channels in counts:
            _, reason = try_run(module, (1, channels, height, width))
            if reason is None:
                return channels, height, width, _guessed(known, first, channels, height, width, len(reasons))
            reasons.append(f"on {channels} channels of {height}x{width}, {reason}")
    advice = ["give --size HEIGHTxWIDTH and --channels RGB, GRAY or a number: what the network was trained on"]
    if converted:
        advice.insert(0, "the module was converted to float32: its forward must not cast to another type, as x.half() does")
    advice.append("a module that takes more than one image needs a subclass whose forward takes the image alone")
    raise ExportError(f"the module does not run {reasons[0]}", advice)


def _guessed(known, first, channels, height, width, failed):
    notes = []
    if known.channels is None:
        source = "the first convolution's" if first else "what the module runs on"
        notes.append(f"assumed {channels} input channel{'s' if channels > 1 else ''}: {source}")
    if known.size is None:
        why = "the first common size that the module runs on" if failed else "the most common size"
        notes.append(f"assumed {height}x{width} px, {why}; if the network was trained on another, give --size")
    return notes


def _settled(reference, height, width, notes):
    """The output's shape for one image; refuses a module that answers the same question differently."""
    first, reason = reference.at(1, height, width)
    if reason is not None:
        raise ExportError(f"the module does not run: {reason}")
    if not first.is_floating_point():
        raise ExportError(f"the module's output is {first.dtype}, and units have float values", ["choose another with --output"])
    if not first.isfinite().any():
        raise ExportError("the module's output on random images is not finite", ["check its weights, or give --mean and --std"])
    difference, _ = reference.difference(reference.module, 1, height, width)
    if difference > tracing.TOLERANCE:
        raise ExportError(
            "the module gives another output for the same image when asked again",
            ["look for randomness that eval() does not turn off, such as F.dropout without training=self.training"],
        )
    two, _ = reference.at(2, height, width)
    if first.shape[:1] != (1,) or (two is not None and two.shape[:1] != (2,)):
        notes.append("the output does not begin with the batch axis, so that it is no layer to ask for: look for a squeeze or a view")
    return tuple(first.shape[1:])


def _fit_labels(filled, shape, notes):
    if filled.labels and len(filled.labels) != (shape[0] if shape else 0):
        notes.append(f"left out {len(filled.labels)} labels: the output has the shape {list(shape)} for one image")
        filled.labels = None


@contextlib.contextmanager
def _appearing(folder, overwrite):
    """Lends a folder that gets its name when all went well, and goes otherwise."""
    folder = folder.absolute()
    # Servers do not look into folders that begin with a dot.
    work = folder.parent / f".{folder.name}.{os.getpid()}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        work.mkdir()
        try:
            yield work
            _rename(work, folder, overwrite)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise ExportError(f"cannot write `{folder}`: {error}") from error


def _write_manifest(work, filled):
    (work / "model.toml").write_text(model_toml(filled), encoding="utf-8")
    if filled.labels:
        # One a line.
        lines = (" ".join(label.split()) + "\n" for label in filled.labels)
        (work / "labels.txt").write_text("".join(lines), encoding="utf-8")


def _rename(work, folder, overwrite):
    if overwrite and folder.exists():
        old = work.with_name(f"{work.name}.old")
        os.rename(folder, old)
        os.rename(work, folder)
        if old.is_symlink():
            old.unlink()
        else:
            shutil.rmtree(old)
    else:
        os.rename(work, folder)


def _pair(size):
    return (size, size) if isinstance(size, int) else _tuple(size)


def _tuple(values):
    if values is None:
        return None
    return (values,) if isinstance(values, (int, float)) else tuple(values)
