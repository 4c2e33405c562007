"""Exports models of torchvision and timm with random weights, and prints a row of a table for each: what is dynamic, how right it is, how long it took.

    python clients/python/tests/zoo.py [NAME ...]

`timm/NAME` stands for a model of timm. Without a name: the smallest member of every classification family of torchvision, and
models of timm that differ from them. Needs torchvision and timm, no network.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from unitscope_export import ExportError, export
from unitscope_export.sources import from_timm, from_torchvision

TORCHVISION = """
alexnet vgg11 vgg11_bn googlenet inception_v3 resnet18 resnext50_32x4d wide_resnet50_2 squeezenet1_1 densenet121 mobilenet_v2
mobilenet_v3_small mnasnet0_5 shufflenet_v2_x0_5 efficientnet_b0 efficientnet_v2_s regnet_y_400mf convnext_tiny vit_b_16 swin_t swin_v2_t maxvit_t
""".split()
TIMM = """
vit_tiny_r_s16_p8_224 coatnet_nano_rw_224 vit_small_patch14_reg4_dinov2 inception_next_atto rdnet_tiny convnext_atto mobilevit_xxs
levit_128s tf_efficientnet_b0 mixer_s32_224 ghostnet_050 mobilenetv4_conv_small
""".split()


def main(names):
    print("| Model | Input | Dynamic | Seconds | Difference | Why not more |\n|---|---|---|---|---|---|", flush=True)
    failed = 0
    for name in names or TORCHVISION + [f"timm/{name}" for name in TIMM]:
        try:
            print(row(name), flush=True)
        except ExportError as error:
            failed += 1
            print(f"| `{name}` | | does not export | | | {error} |", flush=True)
    return 1 if failed else 0


def row(name):
    zoo, _, plain = name.rpartition("/")
    found = from_timm(plain, random=True) if zoo else from_torchvision(name, None, random=True)
    with tempfile.TemporaryDirectory() as folder:
        report = export(found.module, Path(folder) / found.name, **vars(found.known))
    size = f"{report.channels}×{report.height}×{report.width}"
    why = "; ".join(note for note in report.notes if "fixe" in note or "dynamic" in note)
    return f"| `{name}` | {size} | {', '.join(report.dynamic)} | {report.seconds:.0f} | {report.difference:.1e} | {why} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
