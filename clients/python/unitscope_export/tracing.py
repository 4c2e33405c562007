"""From the prepared module to `model.pt2`, as dynamic as it gets, read back and compared with the module; knows no manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import torch
from torch.export import Dim

from .errors import ExportError, first_line
from .subject import quiet, random_images, try_run, where

# As large as a max |a - b| / max |b| of the same float32 operations in another order gets.
TOLERANCE = 1e-4
# What `dynamic` may ask for, from most to least.
WISHES = ("size", "batch", "none")
AXES = {0: "batch", 2: "height", 3: "width"}


@dataclass
class Reference:
    """The module's own outputs, by [batch, channels, height, width], each computed once."""

    module: torch.nn.Module
    channels: int
    outputs: dict = field(default_factory=dict)

    def at(self, batch, height, width):
        """(output, None), or (None, why the module does not run at this size)."""
        shape = (batch, self.channels, height, width)
        if shape not in self.outputs:
            output, reason = try_run(self.module, shape)
            if output is not None and not isinstance(output, torch.Tensor):
                reason = "its output is no tensor"
            self.outputs[shape] = (None, reason) if reason else (output.clone(), None)
        return self.outputs[shape]

    def difference(self, run, batch, height, width):
        """max |a - b| / max |b| of `run` (a) and the module (b); infinite where shapes differ or `run` fails, with the reason."""
        expected, _ = self.at(batch, height, width)
        try:
            with quiet():
                found = run(random_images(batch, self.channels, height, width))
        except Exception as error:  # Whatever an exported graph may raise.
            return float("inf"), first_line(error)
        if found.shape != expected.shape:
            return float("inf"), f"its output is {list(found.shape)}, the module's {list(expected.shape)}"
        finite = expected.isfinite()
        if not torch.equal(finite, found.isfinite()) or not finite.any():
            return float("inf"), "its output has values that are not finite"
        found, expected = found[finite].double(), expected[finite].double()
        scale = expected.abs().max().item() or 1.0
        return (found - expected).abs().max().item() / scale, None


@dataclass
class Traced:
    """An exported program whose file equals the module wherever it was compared."""

    program: torch.export.ExportedProgram
    dynamic: dict
    """By name of the axis."""
    square: bool
    difference: float
    compared: list
    notes: list
    """What could not be made dynamic, and why."""


def trace(reference, size, wish, path, progress):
    """Tries batch, height and width, then the batch alone, then less; writes the first that is right to `path`.

    Raises `ExportError` with the exporter's reason if none is.
    """
    notes = []
    attempts = _attempts(reference, *size, wish, notes)
    reason = advice = None
    for axes, sample, other_sizes in attempts:
        names = [AXES[axis] for axis in axes]
        progress(f"exporting with {'dynamic ' + ', '.join(names) if names else 'fixed sizes'}")
        traced, failure = _attempt(reference, axes, sample, [size, *other_sizes], path)
        if traced is not None:
            traced.notes = notes
            return traced
        reason, advice = failure
        if axes:
            notes.append(f"not dynamic in {', '.join(names)} at once: {reason}")
    raise ExportError(f"the module does not export: {reason}", advice)


def _attempts(reference, height, width, wish, notes):
    """(dynamic axes, sample's [batch, height, width], further sizes for comparisons), most dynamic first."""
    twice = reference.at(2, height, width)[1]
    if twice is not None and wish != "none":
        notes.append(f"the batch is fixed to 1: the module itself takes no two images: {twice}")
    batch, batch_axis = (1, ()) if twice else (2, (0,))
    axes, sizes = (), []
    if wish == "size":
        axes, sizes, reason = _other_sizes(reference, batch, height, width)
        missing = [AXES[axis] for axis in (2, 3) if axis not in axes]
        if missing:
            only = f"{height}x{width}" if len(missing) == 2 else str(height if missing == ["height"] else width)
            notes.append(f"{' and '.join(missing)} fixed: the module itself takes {only} px only: {reason}")
    if axes:
        yield (*batch_axis, *axes), (batch, *sizes[0]), sizes
    if batch_axis and wish != "none":
        yield batch_axis, (batch, height, width), []
        if axes:
            yield axes, (1, *sizes[0]), sizes
    yield (), (1, height, width), []


def _other_sizes(reference, batch, height, width):
    """(axes that may vary, sizes near this one, why not more): sizes that the module itself runs on.

    Not square where that is possible, so that height and width are not taken for one number.
    """
    step = 32 if min(height, width) >= 128 else 8
    low = max(height // step - 1, 1) * step
    high = (max(height, width) // step + 1) * step
    why = None
    for axes, sizes in (
        ((2, 3), [(low, high), (high, width)]),
        ((2, 3), [(high, high)]),
        ((3,), [(height, high)]),
        ((2,), [(high, width)]),
    ):
        fitting = []
        for size in sizes:
            _, reason = reference.at(batch, *size)
            if reason is None:
                fitting.append(size)
            else:
                why = why or f"on {size[0]}x{size[1]}, {reason}"
        if fitting:
            return axes, fitting, why
    return (), [], why


def _attempt(reference, axes, sample, sizes, path):
    """(traced, None) or (None, (reason, advice))."""
    image = random_images(sample[0], reference.channels, *sample[1:])
    try:
        program = _export(reference.module, image, {axis: Dim.AUTO for axis in axes})
        if set(axes) - set(_dynamic(program)):
            # The same, but the exporter must say why a size is fixed.
            program = _export(reference.module, image, {axis: Dim.DYNAMIC for axis in axes})
    except Exception as error:  # The exporter raises errors of many kinds, and whatever the module raises.
        return None, (_reason(reference.module, error), _advice(error))
    if node := next((node for node in program.graph.nodes if node.meta.get("unbacked_bindings")), None):
        place = [f" (in `{path}`)" for path, _ in (node.meta.get("nn_module_stack") or {}).values() if path][-1:]
        return None, (f"`{node.target}` makes a number or a size of a tensor's values{''.join(place)}", ADVICE_DATA)
    try:
        with quiet():
            torch.export.save(program, path)
            run = _runnable(torch.export.load(path))
    except OSError:
        raise
    except Exception as error:  # There are programs that the exporter makes and cannot write.
        return None, (f"torch.export.save: {_reason(reference.module, error)}", _advice(error))
    symbols = _dynamic(program)
    batches = (1, 3) if 0 in symbols else (sample[0],)
    compared = [(batch, *each) for batch in batches for each in sizes if reference.at(batch, *each)[1] is None]
    worst = 0.0
    for shape in compared:
        difference, reason = reference.difference(run, *shape)
        if difference > TOLERANCE:
            what = reason or f"max |a - b| is {difference:.2g} of max |b|, above {TOLERANCE:g}"
            at = f"{shape[0]} images of {shape[1]}x{shape[2]}"
            return None, (f"the exported program differs from the module on {at}: {what}", ADVICE_DIFFERENT)
        worst = max(worst, difference)
    dynamic = {name: axis in symbols for axis, name in AXES.items()}
    return Traced(program, dynamic, 2 in symbols and symbols[2] == symbols.get(3), worst, compared, []), None


def _export(module, image, axes):
    with quiet():
        program = torch.export.export(module, (image,), dynamic_shapes=((axes or None),), strict=False)
    for node in program.graph.nodes:
        # Where the source lay on the exporting machine is nobody's business, and a third of the graph's text.
        node.meta.pop("stack_trace", None)
    # Stored in the file otherwise: megabytes of noise.
    program.example_inputs = None
    return program


def _dynamic(program):
    """The dynamic axes of the image, each with its symbol."""
    name = program.graph_signature.user_inputs[0]
    image = next(node for node in program.graph.nodes if node.name == name)
    sizes = image.meta["val"].shape
    return {axis: str(sizes[axis]) for axis in AXES if isinstance(sizes[axis], torch.SymInt)}


def _runnable(program):
    """The program as a function of the image, without the guards on its sizes: Unitscope checks none but ranges."""
    return program.module(check_guards=False) if _has_check_guards(program) else _without_hooks(program.module())


def _has_check_guards(program):
    return "check_guards" in type(program).module.__code__.co_varnames


def _without_hooks(module):
    module._forward_pre_hooks.clear()
    return module


def layers(program):
    """Number of calls of the module's parts that the graph names."""
    stacks = (node.meta.get("nn_module_stack") or {} for node in program.graph.nodes)
    return len({key for stack in stacks for key, (path, _) in stack.items() if path})


def _reason(module, error):
    """The exporter's reason in one line, with the place in the module."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # Of a refused dimension, the second line says why.
    specific = [line.lstrip("- ") for line in lines if re.match(r"-? *(Not all values|You marked)", line)]
    text = first_line(specific[0] if specific else error)
    text = re.sub(r"\s*\((unhinted|Size-like)[^()]*(\([^()]*\)[^()]*)*\)\.?", "", text)
    text = re.sub(r"L\['[^']*'\]\.size\(\)\[(\d)\]", lambda axis: AXES.get(int(axis[1]), axis[0]), text)
    return text.rstrip(". ") + where(module, error)


ADVICE_DIFFERENT = [
    "look for a branch on the image's size, or for a size turned into a Python number, in the module's forward",
    "--fixed exports for one size",
]
ADVICE_DATA = [
    "the module branches on values of a tensor, which a graph cannot: write it with torch.where or torch.cond, or decide it in __init__",
    "if the branch checks the input alone, remove it, or export a part of the module that does not hold it",
]
ADVICE_OTHER = [
    "torch.export.draft_export(module, (image,)) lists everything that is in the exporter's way",
    "export a part of the module (PATH.py:factory may return model.backbone), or one without the step that fails",
]


def _advice(error):
    text = f"{type(error).__name__} {error}"
    if "DataDependent" in text or "data-dependent" in text or ".item()" in text:
        return ADVICE_DATA
    return ADVICE_OTHER
