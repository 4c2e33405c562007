"""From what the command line names to a module, with what its source says of its input; knows no folder to write."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import sys
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from .errors import ExportError, UsageError, first_line
from .preprocessing import Preprocessing
from .subject import quiet

FACTORY = "a function that builds it, as package.module:factory or path/file.py:factory"


@dataclass
class Found:
    """A module and what goes with it."""

    module: torch.nn.Module
    name: str
    """What to call the model."""
    known: Preprocessing = field(default_factory=Preprocessing)
    notes: list[str] = field(default_factory=list)


def from_code(spec):
    """`package.module:factory` or `path/file.py:factory`; `factory` may have dots, and be a module or a function without arguments.

    Raises `UsageError` where nothing is found, `ExportError` where the code fails.
    """
    place, _, attribute = spec.rpartition(":")
    if not place or not attribute:
        raise UsageError(f"`{spec}` names no module", [f"give {FACTORY}"])
    code = _file(Path(place)) if place.endswith(".py") else _package(place)
    value = code
    for part in attribute.split("."):
        if not hasattr(value, part):
            public = [name for name, each in vars(code).items() if callable(each) and not name.startswith("_")]
            raise UsageError(f"`{place}` has no `{attribute}`; it has {', '.join(public[:12]) or 'no function'}")
        value = getattr(value, part)
    if not isinstance(value, torch.nn.Module):
        if not callable(value):
            raise UsageError(f"`{spec}` is a {type(value).__name__}", [f"give a torch.nn.Module, or {FACTORY}"])
        value = _called(value, spec)
    found = Found(value, attribute.rpartition(".")[2])
    if hasattr(value, "pretrained_cfg"):
        _describe_timm(found)
    return found


def _called(factory, spec):
    try:
        value = factory()
    except Exception as error:  # Whatever the user's code may raise.
        advice = ["the factory is called without arguments: write one that builds the module and loads its weights"]
        raise ExportError(f"`{spec}()` failed: {type(error).__name__}: {first_line(error)}", advice) from error
    if not isinstance(value, torch.nn.Module):
        raise UsageError(f"`{spec}()` returned a {type(value).__name__}", ["return a torch.nn.Module"])
    return value


def _file(path):
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`")
    # The file's neighbours, as when it is run.
    sys.path.insert(0, str(path.parent.absolute()))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    code = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, code)
    with _importing(path):
        spec.loader.exec_module(code)
    return code


def _package(name):
    sys.path.insert(0, os.getcwd())
    with _importing(name):
        return importlib.import_module(name)


@contextlib.contextmanager
def _importing(name):
    try:
        yield
    except Exception as error:  # Whatever the user's code may raise.
        advice = ["run from the folder that holds its packages, or name it in PYTHONPATH"]
        raise UsageError(f"`{name}` cannot be imported: {type(error).__name__}: {first_line(error)}", advice) from error


def from_pickle(path, trust):
    """A file that `torch.save(module, path)` wrote. Reading it runs code, so it is read only with `trust`."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"there is no file `{path}`")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any(name.endswith(("models/model.json", "serialized_exported_program.json")) for name in names):
            raise UsageError(f"`{path}` is an exported program already", ["save it as models/NAME/model.pt2, with a model.toml beside it"])
        if any(name.endswith("constants.pkl") for name in names):
            advice = ["copy it into models/NAME, with a model.toml whose `file` names it"]
            raise UsageError(f"`{path}` is TorchScript, which Unitscope reads without an export", advice)
    if not trust:
        raise UsageError(
            f"`{path}` is a pickle: reading it runs whatever code its author put into it",
            ["--trust reads it, if you trust where it came from", f"otherwise load its weights alone: give {FACTORY}"],
        )
    try:
        value = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # Whatever the file's code may raise.
        advice = ["a pickled module needs its classes: run from the folder that holds them, or name it in PYTHONPATH"]
        raise ExportError(f"`{path}` cannot be read: {type(error).__name__}: {first_line(error)}", advice) from error
    if not isinstance(value, torch.nn.Module):
        what = f"a dict with {', '.join(map(str, list(value)[:4]))}, …" if isinstance(value, dict) else f"a {type(value).__name__}"
        advice = [f"if these are weights, write {FACTORY}, which loads them: model.load_state_dict(torch.load({path.name!r}))"]
        raise UsageError(f"`{path}` holds {what}, and no module", advice)
    return Found(value, path.stem)


def from_torchvision(name, weights, random):
    """A model of torchvision: with the weights of that name, with its default ones, or random. Metadata is never downloaded."""
    models = _library("torchvision.models", "torchvision")
    try:
        enum = models.get_model_weights(name)
    except ValueError:
        raise UsageError(f"torchvision has no model `{name}`{_near(name, models.list_models())}") from None
    if weights is not None and weights not in enum.__members__:
        raise UsageError(f"`{name}` has no weights `{weights}`; it has {', '.join(enum.__members__)}")
    if weights is None and not enum.__members__ and not random:
        raise UsageError(f"torchvision has no weights for `{name}`", ["--random exports it with random weights"])
    chosen = enum[weights] if weights else enum.__members__ and enum.DEFAULT
    module = _built(lambda: models.get_model(name, weights=None if random else chosen), name)
    if not chosen:
        return Found(module, name)
    transforms, labels = chosen.transforms(), chosen.meta.get("categories")
    known = Preprocessing(channels="RGB", range=(0.0, 1.0), labels=None if random else labels and list(labels))
    crop, resize = _first(transforms, "crop_size"), _first(transforms, "resize_size")
    # A transformer with random weights has its own size, not that of some weights.
    side = getattr(module, "image_size", None) or crop or resize
    known.size = (side, side) if isinstance(side, int) else None
    known.resize = resize if crop else None
    known.mean, known.std = getattr(transforms, "mean", None), getattr(transforms, "std", None)
    return Found(module, name, known)


def _first(transforms, name):
    """torchvision keeps sizes as numbers or as lists of one."""
    value = getattr(transforms, name, None)
    return value[0] if isinstance(value, (list, tuple)) and value else value


def from_timm(name, random):
    """A model of timm, with its pretrained weights or random."""
    timm = _library("timm", "timm")
    if not timm.is_model(name):
        raise UsageError(f"timm has no model `{name}`{_near(name, timm.list_models())}")
    module = _built(lambda: timm.create_model(name, pretrained=not random), name)
    found = Found(module, re.sub(r"[^\w.-]", "_", name))
    _describe_timm(found)
    if random:
        found.known.labels = None
    return found


def _describe_timm(found):
    """From the module's configuration, which also factories of other packages carry."""
    data = _library("timm.data", "timm")
    config = data.resolve_data_config(model=found.module)
    channels, height, width = config["input_size"]
    mean, std = (tuple(config[key])[:channels] for key in ("mean", "std"))
    known = Preprocessing(size=(height, width), range=(0.0, 1.0), mean=mean, std=std)
    known.channels = {1: "GRAY", 3: "RGB"}.get(channels, channels)
    if len(mean) != channels:
        known.mean = known.std = None
    if config.get("crop_mode", "center") == "center":
        known.resize = int(min(height, width) / config["crop_pct"])
    else:
        found.notes.append(f"timm resizes images for this model by `{config['crop_mode']}`; Unitscope crops them at the centre")
    subset = data.infer_imagenet_subset(found.module) if hasattr(data, "infer_imagenet_subset") else None
    if subset:
        info = data.ImageNetInfo(subset)
        known.labels = [info.index_to_description(index).split(",")[0] for index in range(info.num_classes())]
    found.known = known


def _library(module, package):
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{package} cannot be imported: {first_line(error)}", [f"pip install {package}"]) from error


def _built(build, name):
    try:
        with quiet():
            return build()
    except Exception as error:  # Downloads and hubs raise errors of many kinds.
        advice = ["--random needs no download", "without network, load weights of your own: give " + FACTORY]
        raise ExportError(f"`{name}` could not be built: {type(error).__name__}: {first_line(error)}", advice) from error


def _near(name, names):
    import difflib

    near = difflib.get_close_matches(name, names, 3)
    return f"; did you mean {', '.join(near)}?" if near else ""
