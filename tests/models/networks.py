"""The networks of the matrix: every classification family of torchvision, by its smallest member, and ten of timm; random weights."""

import dataclasses

TORCHVISION = [
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "googlenet",
    "inception_v3",
    "resnet18",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "squeezenet1_1",
    "densenet121",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mnasnet0_5",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "regnet_y_400mf",
    "convnext_tiny",
    "vit_b_32",
    "swin_t",
    "swin_v2_t",
    "maxvit_t",
]

# A hybrid, a ViT with register tokens and a net of large depthwise kernels are among them.
TIMM = [
    "resnet10t",
    "convnext_atto",
    "vit_tiny_patch16_224",
    "vit_tiny_r_s16_p8_224",
    "vit_small_patch14_reg4_dinov2",
    "deit_tiny_distilled_patch16_224",
    "inception_next_atto",
    "mixer_s32_224",
    "mobilenetv4_conv_small",
    "rdnet_tiny",
]


@dataclasses.dataclass
class Network:
    """A module in evaluation mode, and its native input size."""

    name: str
    module: object
    size: tuple[int, int]


def load(name: str, library: str) -> Network:
    """Builds a network with random weights and random batch norm statistics, the same ones each time."""
    import torch

    torch.manual_seed(0)
    if library == "torchvision":
        import torchvision

        options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        module = torchvision.models.get_model(name, weights=None, **options)
        size = (299, 299) if name == "inception_v3" else (224, 224)
    else:
        import timm

        module = timm.create_model(name, pretrained=False)
        size = tuple(module.default_cfg["input_size"][1:])
    randomize_batch_norms(module)
    module = module.eval().requires_grad_(False)
    return Network(name, module, size)


def randomize_batch_norms(module) -> None:
    """Fresh batch norms do nothing, and would hide a wrong folding."""
    import torch

    for part in module.modules():
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 1.5)
            if part.affine:
                torch.nn.init.uniform_(part.weight, 0.5, 1.5)
                torch.nn.init.normal_(part.bias, 0, 0.1)
