"""Tests of unitscope_export on small modules with random weights; skipped, with a word, where Python has no torch 2.8 or later."""

import contextlib
import dataclasses
import io
import json
import math
import os
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path
from unittest import mock

PACKAGE = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PACKAGE))

try:
    import torch
    import torch.nn.functional as F
    from torch import nn
except ImportError:
    torch = None

if torch is None or tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 8):
    print("exporter: this Python has no torch 2.8 or later, so its tests are skipped")
    sys.exit(0)

from unitscope_export import ExportError, export
from unitscope_export.__main__ import main
from unitscope_export.errors import UsageError


class Residual(nn.Module):
    """In-place operations, and a block that runs twice."""

    def __init__(self, channels=3):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(8, 5)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(2):
            y = self.block(x)
            y += x
            x = F.relu_(y)
        return self.fc(self.dropout(x).mean((2, 3)))


class Tokens(nn.Module):
    """A position embedding for 4x4 patches, and torch's own attention."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, stride=8)
        self.position = nn.Parameter(torch.randn(1, 16, 16))
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, batch_first=True), 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.encoder(x)[:, 0])


@dataclasses.dataclass
class Answer:
    features: "torch.Tensor"
    heads: dict


class Wrapped(nn.Module):
    """Returns nested containers."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())

    def forward(self, x):
        x = self.body(x)
        return Answer(x, {"logits": x.mean((2, 3)), "pair": (x, x.amax((2, 3)))})


class Branching(nn.Module):
    """Control flow that depends on values, inside of `gate`."""

    class Gate(nn.Module):
        def forward(self, x):
            if x.mean() > 0:
                return x + 1
            return x

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = self.Gate()

    def forward(self, x):
        return self.gate(self.conv(x))


class Numbered(nn.Module):
    """A tensor's value becomes a Python number, inside of `gate`."""

    class Gate(nn.Module):
        def forward(self, x):
            return x * x.max().item()

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.gate = self.Gate()

    def forward(self, x):
        return self.gate(self.conv(x))


class Square(nn.Module):
    """Adds the transposed image."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.conv(x)
        return x + x.transpose(2, 3)


class One(nn.Module):
    """Refuses two images."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        if x.shape[0] != 1:
            raise ValueError("one image, please")
        return self.conv(x)


class Rounding(nn.Module):
    """Computes a size by an operation that the exporter follows, and that its files have no name for."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        x = self.conv(x)
        side = math.ceil(x.shape[2] / 3) * 3
        return F.interpolate(x, size=(side, side), mode="bilinear")


class BySize(nn.Module):
    """Branches on the image's size: a graph of one branch is wrong at the other's sizes."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        x = self.conv(x)
        return x * 2 if x.shape[2] % 16 == 14 else x


class Noisy(nn.Module):
    """Dropout that eval() does not turn off."""

    def forward(self, x):
        return F.dropout(x, 0.5, training=True)


class ExportTest(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(1)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def export(self, module, **options):
        return export(module, self.folder / "net", overwrite=True, **options)

    def program(self):
        return torch.export.load(self.folder / "net" / "model.pt2")

    def paths(self):
        """Paths of the modules in the file, as the engine reads them, with the number of calls of each."""
        with zipfile.ZipFile(self.folder / "net" / "model.pt2") as archive:
            name = next(name for name in archive.namelist() if name.endswith("models/model.json"))
            nodes = json.loads(archive.read(name))["graph_module"]["graph"]["nodes"]
        calls = {}
        for node in nodes:
            for entry in node["metadata"].get("nn_module_stack", "").split(";"):
                key, path, _kind = entry.split(",", 2)
                calls.setdefault(path.split("@")[0], set()).add(key)
        return {path: len(keys) for path, keys in calls.items() if path}

    def check_equal(self, module, *shape):
        image = torch.randn(*shape)
        with torch.no_grad():
            expected = module.eval()(image)
        found = self.program().module(check_guards=False)(image)
        self.assertLessEqual((found - expected).abs().max(), 1e-4 * expected.abs().max())

    def check_refused(self, module, *words, **options):
        with self.assertRaises(ExportError) as raised:
            self.export(module, **options)
        text = "\n".join([str(raised.exception), *raised.exception.advice])
        for word in words:
            self.assertIn(word, text)
        self.assertEqual(os.listdir(self.folder), [], "nothing is left behind")

    def test_a_network_of_convolutions_is_free_in_all_dimensions(self):
        module = Residual()
        report = self.export(module)
        self.assertEqual((report.dynamic, report.square), (["batch", "height", "width"], False))
        self.assertEqual((report.channels, report.height, report.output_shape), (3, 224, (5,)))
        self.assertLessEqual(report.difference, 1e-4)
        self.assertTrue({batch for batch, _, _ in report.compared} == {1, 3}, report.compared)
        self.assertTrue(any(height != width for _, height, width in report.compared), report.compared)
        self.check_equal(module, 5, 3, 40, 56)
        self.assertEqual(self.paths(), {"stem": 1, "stem.0": 1, "stem.1": 1, "stem.2": 1, "block": 2, "dropout": 1, "fc": 1})

    def test_a_module_is_left_as_it_was(self):
        module = Residual().half()
        module.stem.eval()
        before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        modes = [part.training for part in module.modules()]
        report = self.export(module)
        self.assertIn("converted float16 to float32", " ".join(report.notes))
        for name, tensor in module.state_dict().items():
            self.assertTrue(torch.equal(tensor, before[name]) and tensor.dtype == before[name].dtype, name)
        self.assertEqual({tensor.dtype for tensor in self.program().parameters()}, {torch.float32})
        # Nothing is copied where nothing is converted.
        module = module.float()
        self.export(module, size=32)
        self.assertEqual([part.training for part in module.modules()], modes)

    def test_a_position_embedding_fixes_the_size(self):
        module = Tokens()
        report = self.export(module, size=32)
        self.assertEqual(report.dynamic, ["batch"])
        self.assertIn("takes 32x32 px only", " ".join(report.notes))
        self.check_equal(module, 5, 3, 32, 32)
        targets = " ".join(str(node.target) for node in self.program().graph.nodes)
        self.assertIn("scaled_dot_product_attention", targets)
        self.assertNotIn("_fwd", targets, "fused layers have no gradient")

    def test_sizes_are_tried_until_the_module_runs(self):
        report = self.export(Tokens())
        self.assertEqual((report.height, report.width), (32, 32))
        self.assertIn("first common size", " ".join(report.notes))

    def test_one_output_is_kept_under_the_modules_own_paths(self):
        module = Wrapped()
        report = self.export(module, size=32)
        self.assertIn("kept `features`", " ".join(report.notes))
        self.assertEqual(report.output_shape, (4, 30, 30))
        self.assertEqual(set(self.paths()), {"body", "body.0", "body.1"})
        self.assertEqual(self.export(module, size=32, output="heads.pair.1").output_shape, (4,))
        self.assertNotIn("forward", vars(module), "the module's forward is its own again")
        module = Wrapped()
        self.folder = self.folder / "new"
        self.folder.mkdir()
        self.check_refused(module, "no tensor `logit`", "`heads.logits` [1, 4]", size=32, output="logit")

    def test_channels_are_those_of_the_first_convolution(self):
        for channels, order in ((1, '"GRAY"'), (4, "4")):
            report = self.export(Residual(channels), size=(24, 40))
            self.assertEqual((report.channels, report.height, report.width), (channels, 24, 40))
            text = (self.folder / "net" / "model.toml").read_text()
            self.assertIn(f"channels = {order}\n", text)
            self.assertIn("size = [24, 40]", text)
            self.assertIn(f"mean = [{', '.join(['0.0'] * channels)}]", text)

    def test_the_manifest_says_what_is_given(self):
        labels = ["cat", "dog", "two\nlines", "d", "e"]
        self.export(Residual(), size=32, channels="BGR", mean=[104, 117, 123], std=1, range=(0, 255), resize=40, labels=labels)
        text = (self.folder / "net" / "model.toml").read_text()
        for line in (
            'file = "model.pt2"', 'labels = "labels.txt"', "size = [32, 32]", "resize = 40", "range = [0.0, 255.0]",
            "mean = [104.0, 117.0, 123.0]", "std = [1.0, 1.0, 1.0]", 'channels = "BGR"',
        ):  # fmt: skip
            self.assertIn(line, text)
        self.assertEqual((self.folder / "net" / "labels.txt").read_text(), "cat\ndog\ntwo lines\nd\ne\n")
        report = self.export(Residual(), size=32, labels=["cat"])
        self.assertIn("left out 1 labels", " ".join(report.notes))
        self.assertFalse((self.folder / "net" / "labels.txt").exists())

    def test_less_is_dynamic_when_less_is_asked_for(self):
        self.assertEqual(self.export(Residual(), size=32, dynamic="batch").dynamic, ["batch"])
        report = self.export(Residual(), size=32, dynamic="none")
        self.assertEqual((report.dynamic, report.compared), ([], [(1, 32, 32)]))

    def test_a_branch_on_the_size_never_gives_a_wrong_graph(self):
        module = BySize()
        report = self.export(module, size=32)
        self.assertEqual(report.dynamic, ["batch"], report.notes)
        self.assertRegex(" ".join(report.notes), "not dynamic in batch, height, width at once: .+")
        self.check_equal(module, 2, 3, 32, 32)

    def test_control_flow_on_values_is_refused_with_its_place(self):
        self.check_refused(Branching(), "data-dependent", "in `gate`, a Gate; test_export.py:", "torch.where", size=32)
        self.check_refused(Numbered(), "makes a number or a size of a tensor's values (in `gate`)", "torch.where", size=32)

    def test_height_or_width_alone_may_be_free(self):
        module = nn.Sequential(nn.Conv2d(1, 4, (16, 3)), nn.Flatten(1, 2), nn.Conv1d(4, 5, 3))
        report = self.export(module, size=(16, 64))
        self.assertEqual((report.dynamic, report.square), (["batch", "width"], False))
        self.assertIn("height fixed: the module itself takes 16 px only", " ".join(report.notes))
        self.check_equal(module, 3, 1, 16, 90)

    def test_square_images_may_be_the_only_ones(self):
        report = self.export(Square(), size=32)
        self.assertEqual((report.dynamic, report.square), (["batch", "height", "width"], True))

    def test_one_image_a_pass_leaves_the_size_free(self):
        module = One()
        report = self.export(module, size=32)
        self.assertEqual(report.dynamic, ["height", "width"])
        self.assertIn("takes no two images", " ".join(report.notes))
        self.check_equal(module, 1, 3, 40, 56)

    def test_what_cannot_be_right_is_refused(self):
        self.check_refused(Noisy(), "another output for the same image", "eval()", size=32)
        self.check_refused(Residual(), "does not run on 4 channels", "--size", channels=4)
        self.check_refused(Residual(), "std is (0,)", std=0)
        self.check_refused(Residual(), "mean has 2 numbers for 3 channels", mean=[0, 1])
        self.check_refused(Residual(), "range is (1, 1)", range=(1, 1))
        self.check_refused(Residual(), "channels is 'CMYK'", channels="CMYK")
        self.check_refused(Residual(), "size is (0, 4)", size=(0, 4))
        self.check_refused(Residual(), "dynamic is 'all'", dynamic="all")
        self.check_refused(torch.jit.script(Residual()), "TorchScript", size=32)
        self.check_refused(lambda image: image, "a function", size=32)

    def test_a_model_is_replaced_only_when_asked(self):
        self.export(Residual(), size=32)
        with self.assertRaisesRegex(UsageError, "exists"):
            export(Residual(), self.folder / "net", size=32)
        with self.assertRaises(ExportError):
            self.export(Branching(), size=32)
        self.assertTrue((self.folder / "net" / "model.pt2").exists(), "a failed export leaves the old one")
        self.export(Residual(1), size=32)
        self.assertIn("GRAY", (self.folder / "net" / "model.toml").read_text())
        (self.folder / "work").mkdir()
        with self.assertRaisesRegex(UsageError, "no model folder"):
            export(Residual(), self.folder / "work", size=32, overwrite=True)
        (self.folder / "work").rmdir()
        full = OSError(28, "No space left on device")
        with mock.patch("torch.export.save", side_effect=full), self.assertRaisesRegex(ExportError, "No space left"):
            self.export(Residual(), size=32)
        self.assertEqual(os.listdir(self.folder), ["net"])

    def test_a_program_that_cannot_be_written_is_no_answer(self):
        report = self.export(Rounding(), size=32)
        self.assertEqual(report.dynamic, ["batch"])
        self.assertIn("not dynamic in batch, height, width at once: torch.export.save: ", " ".join(report.notes))

    def test_an_output_without_a_batch_axis_is_told(self):
        module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(0))
        self.assertIn("does not begin with the batch axis", " ".join(self.export(module, size=32).notes))


class CommandTest(unittest.TestCase):
    """The command line, in this process."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.code = self.folder / "net_of_test.py"
        self.code.write_text(
            "import torch\nfrom torch import nn\n"
            "def build():\n    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())\n"
            "def weights():\n    return build().state_dict()\n"
            "def fails():\n    raise ValueError('no weights here')\n"
        )
        path = list(sys.path)
        self.addCleanup(sys.path.__setitem__, slice(None), path)
        self.addCleanup(sys.modules.pop, self.code.stem, None)

    def run_main(self, *arguments):
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([*map(str, arguments), "--models", str(self.folder / "models")])
            except SystemExit as stop:
                code = stop.code
        return code, out.getvalue(), err.getvalue()

    def check_refused(self, expected, *arguments, words):
        code, out, err = self.run_main(*arguments)
        self.assertEqual((code, out), (expected, ""), err)
        for word in words:
            self.assertIn(word, err)
        self.assertFalse((self.folder / "models").exists() and os.listdir(self.folder / "models"))

    def test_a_factory_in_a_file(self):
        code, out, err = self.run_main(f"{self.code}:build", "--size", "32x40", "--mean", "0.47", "--std", "0.26")
        self.assertEqual(code, 0, err)
        for word in ("wrote", "32x40 px", "batch, height, width", "unitscope models show build"):
            self.assertIn(word, out)
        text = (self.folder / "models" / "build" / "model.toml").read_text()
        self.assertIn("mean = [0.47, 0.47, 0.47]", text)
        code, _, err = self.run_main(f"{self.code}:build")
        self.assertEqual(code, 2)
        self.assertIn("--force", err)

    def test_a_pickled_module_needs_trust(self):
        path = self.folder / "whole.pt"
        torch.save(nn.Sequential(nn.Conv2d(1, 2, 3)), path)
        self.check_refused(2, path, words=["runs whatever code", "--trust"])
        code, out, err = self.run_main(path, "--trust", "--size", "28")
        self.assertEqual(code, 0, err)
        self.assertIn("1 channel, 28x28 px", out)
        torch.save(nn.Conv2d(1, 2, 3).state_dict(), path)
        code, _, err = self.run_main(path, "--trust")
        self.assertEqual(code, 2)
        self.assertIn("load_state_dict", err)
        torch.jit.script(nn.Conv2d(1, 2, 3)).save(str(path))
        self.assertIn("TorchScript", self.run_main(path, "--trust")[2])

    def test_wrong_use_says_what_is_right(self):
        self.check_refused(2, words=["give one of MODULE_OR_FILE"])
        self.check_refused(2, f"{self.code}:biuld", words=["has no `biuld`", "build"])
        self.check_refused(2, f"{self.code}:weights", words=["returned a OrderedDict"])
        self.check_refused(1, f"{self.code}:fails", words=["ValueError: no weights here"])
        self.check_refused(2, self.folder / "none.py:build", words=["there is no file"])
        self.check_refused(2, "no_such_package.models:build", words=["No module named", "PYTHONPATH"])
        self.check_refused(2, "resnet18", words=["`resnet18` names no module"])
        self.check_refused(2, f"{self.code}:build", "--size", "big", words=["`big` is no size"])
        self.check_refused(2, f"{self.code}:build", "--random", words=["--random is for"])
        self.check_refused(2, f"{self.code}:build", "--labels", "none.txt", words=["`none.txt` cannot be read"])

    def test_help_teaches(self):
        code, out, _ = self.run_main("--help")
        self.assertEqual(code, 0)
        for word in ("examples:", "exit codes:", "--torchvision", "def build():"):
            self.assertIn(word, out)


class ZooTest(unittest.TestCase):
    """What torchvision and timm say of a model goes into its manifest; each is skipped where it is not installed."""

    def check(self, arguments, *lines):
        with tempfile.TemporaryDirectory() as folder:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                code = main([*arguments, "--random", "--batch-only", "--name", "net", "--models", folder])
            self.assertEqual(code, 0)
            text = (Path(folder) / "net" / "model.toml").read_text()
        for line in lines:
            self.assertIn(line, text)

    def test_torchvision(self):
        try:
            import torchvision  # noqa: F401
        except ImportError:
            self.skipTest("torchvision is not installed")
        self.check(["--torchvision", "squeezenet1_1"], "size = [224, 224]", "resize = 256", "mean = [0.485, 0.456, 0.406]")

    def test_timm(self):
        try:
            import timm  # noqa: F401
        except ImportError:
            self.skipTest("timm is not installed")
        self.check(["--timm", "test_resnet"], "size = [160, 160]", "resize = 168", 'channels = "RGB"')


if __name__ == "__main__":
    unittest.main()
