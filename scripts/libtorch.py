#!/usr/bin/env python3
"""Puts libtorch where this checkout looks for it: fetches it into the user's cache once, and points the link `.libtorch` at it.

Python's standard library and `python3 -m pip download` only: no virtual environment, nothing installed into the system.
It knows no crate; cargo finds the link through `.cargo/config.toml`. A LIBTORCH of the user's own wins over the cache.
"""

import argparse
import fcntl
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

VERSION = "2.11.0"
# Raise it when the folder's content changes for the same version, so that old caches are left alone.
LAYOUT = 1
# The wheel's tag is manylinux_2_28: its libraries need that C library.
GLIBC = (2, 28)
# pip knows the manylinux_2_N tags since then.
PIP = (20, 3)

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LINK = os.path.join(CHECKOUT, ".libtorch")

CPU_LIBRARIES = ["libc10.so", "libgomp.so.1", "libtorch_cpu.so"]
CUDA_LIBRARIES = [
    "libc10_cuda.so",
    "libcaffe2_nvrtc.so",
    "libtorch_cuda.so",
    "libtorch_cuda_linalg.so",
    "libtorch_nvshmem.so",
]
# What a build needs of any libtorch, our own or the user's.
NEEDED = ["include/ATen/ATen.h", "lib/libc10.so", "lib/libtorch.so", "lib/libtorch_cpu.so"]


class Refusal(Exception):
    """An error for the user: the value, the rule, the way out."""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--device",
        choices=["cpu", "cuda"],
        help="which libtorch to fetch; without it, cuda where an NVIDIA GPU is found",
    )
    device = parser.parse_args().device
    try:
        check_platform()
        folder = from_environment() or from_cache(device or found_device())
        link_to(folder)
    except Refusal as refusal:
        sys.exit(f"error: {refusal}")
    except KeyboardInterrupt:
        sys.exit(130)


def check_platform():
    machine = f"{platform.system()} {platform.machine()}"
    if machine != "Linux x86_64":
        raise Refusal(
            f"this machine is {machine}; Unitscope builds on Linux x86-64 only for now (a container or a virtual machine will do)"
        )
    try:
        name, _, version = os.confstr("CS_GNU_LIBC_VERSION").partition(" ")
        found = tuple(int(part) for part in version.split(".")[:2])
    except (ValueError, AttributeError):
        raise Refusal(
            f"this system has no glibc, and libtorch needs glibc {dotted(GLIBC)} or later;"
            " use a glibc distribution such as Debian 10, Ubuntu 20.04 or Fedora 29, or later ones"
        ) from None
    if found < GLIBC:
        raise Refusal(
            f"this system's {name} is {version}, and libtorch {VERSION} needs {dotted(GLIBC)} or later;"
            " use a distribution from 2019 or later, such as Debian 10 or Ubuntu 20.04"
        )


def from_environment():
    """The user's LIBTORCH, checked; None where there is none."""
    value = os.environ.get("LIBTORCH")
    # An editor may hand cargo's own setting on.
    if not value or os.path.abspath(value) == LINK:
        return None
    remedy = f"set it to a libtorch {VERSION}, or unset it and run `make libtorch`, which fetches one"
    if not os.path.isabs(value):
        raise Refusal(f"LIBTORCH is `{value}`; it must be an absolute path; {remedy}")
    missing = [part for part in NEEDED if not os.path.exists(os.path.join(value, part))]
    if missing:
        raise Refusal(f"LIBTORCH is `{value}`, which has no `{missing[0]}`; {remedy}")
    version = version_of(value)
    if version != VERSION:
        raise Refusal(f"LIBTORCH is `{value}`, which holds libtorch {version}; Unitscope needs {VERSION}; {remedy}")
    return value


def version_of(folder):
    """`2.11.0`, from what libtorch itself says; `of an unknown version` where it says nothing."""
    try:
        with open(os.path.join(folder, "build-version")) as file:
            return file.read().strip().partition("+")[0]
    except OSError:
        pass
    for header in ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"]:
        try:
            with open(os.path.join(folder, "include", header)) as file:
                found = dict(re.findall(r"#define TORCH_VERSION_(MAJOR|MINOR|PATCH) (\d+)", file.read()))
            return ".".join(found[part] for part in ["MAJOR", "MINOR", "PATCH"])
        except (OSError, KeyError):
            pass
    return "of an unknown version"


def found_device():
    # `/dev/dxg` is WSL's.
    has_gpu = glob.glob("/dev/nvidia[0-9]*") or os.path.exists("/dev/dxg")
    return "cuda" if has_gpu and shutil.which("nvidia-smi") else "cpu"


def from_cache(device):
    """The cached libtorch, fetched if it is not there yet. Several checkouts may ask at once."""
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "unitscope")
    folder = os.path.join(cache, f"libtorch-{VERSION}-{device}-{LAYOUT}")
    libtorch = os.path.join(folder, "torch")
    if os.path.isdir(folder):
        missing = [part for part in NEEDED if not os.path.exists(os.path.join(libtorch, part))]
        if missing:
            raise Refusal(f"`{libtorch}` has lost its `{missing[0]}`; remove `{folder}` and run `make libtorch` again")
        return libtorch
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "libtorch.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(folder):
            fetch(device, folder)
    return libtorch


def fetch(device, folder):
    size = "0.6 GB, 1 GB unpacked" if device == "cpu" else "2.5 GB, 4 GB unpacked"
    print(f"fetching libtorch {VERSION} for {device} ({size}) into {folder}", flush=True)
    # Beside its final place, so that the last step is one rename and a broken run leaves nothing behind.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=os.path.dirname(folder)) as work:
        wheels = os.path.join(work, "wheels")
        unpacked = os.path.join(work, "unpacked")
        download(device, wheels, work)
        print("unpacking", flush=True)
        for wheel in sorted(os.listdir(wheels)):
            unpack(os.path.join(wheels, wheel), unpacked, device)
            os.remove(os.path.join(wheels, wheel))
        torch = os.path.join(unpacked, "torch")
        # The wheel's own libtorch.so would drag libtorch_cuda.so into every binary. This one is read by the linker only.
        with open(os.path.join(torch, "lib", "libtorch.so"), "w") as file:
            file.write("INPUT(-ltorch_cpu)\n")
        with open(os.path.join(torch, "build-version"), "w") as file:
            file.write(f"{VERSION}\n")
        os.rename(unpacked, folder)


def download(device, wheels, work):
    """Every wheel by its hash, for one Python tag, whichever Python runs this."""
    requirements = ["libtorch-cpu.txt"] + (["libtorch-cuda.txt"] if device == "cuda" else [])
    platforms = [f"manylinux_2_{minor}_x86_64" for minor in range(GLIBC[1], 4, -1)]
    platforms += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64"]
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--dest", wheels]
    command += ["--implementation", "cp", "--python-version", "3.11"]
    command += [f"--platform={name}" for name in platforms]
    command += [f"--requirement={os.path.join(CHECKOUT, 'scripts', name)}" for name in requirements]
    check_pip()
    # pip's own scratch space may be a small tmpfs.
    if subprocess.run(command, env=dict(os.environ, TMPDIR=work)).returncode != 0:
        raise Refusal(
            "pip could not fetch libtorch (its message is above); mend the network or pip's index settings and run"
            f" `make libtorch` again, or set LIBTORCH to a libtorch {VERSION} of your own"
        )


def check_pip():
    asked = subprocess.run([sys.executable, "-m", "pip", "--version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = re.match(rb"pip (\d+)\.(\d+)", asked.stdout)
    if not found:
        raise Refusal(
            f"`{sys.executable} -m pip` does not run, and it fetches libtorch; install it (Debian, Ubuntu: `apt-get install python3-pip`)"
        )
    version = tuple(int(part) for part in found.groups())
    if version < PIP:
        raise Refusal(
            f"pip is {dotted(version)}, and libtorch's wheels need pip {dotted(PIP)} or later;"
            f" run `{sys.executable} -m pip install --user --upgrade pip`"
        )


def unpack(wheel, into, device):
    """Keeps the wheels' layout: their libraries find each other by paths relative to themselves."""
    libraries = CPU_LIBRARIES + (CUDA_LIBRARIES if device == "cuda" else [])
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            wanted = (
                name.startswith("torch/include/")
                or name in [f"torch/lib/{library}" for library in libraries]
                or re.match(r"nvidia/.*/lib/.*\.so", name)
                or ".dist-info/licenses/" in name
            )
            if wanted:
                archive.extract(name, into)


def link_to(folder):
    """Points `.libtorch` at `folder`, in one step."""
    if os.path.islink(LINK):
        if os.readlink(LINK) == folder:
            return
    elif os.path.exists(LINK):
        raise Refusal(f"`{LINK}` is no link; move it away and run `make libtorch` again")
    new = f"{LINK}.{os.getpid()}"
    os.symlink(folder, new)
    os.replace(new, LINK)
    print(f"libtorch: .libtorch -> {folder}", flush=True)


def dotted(version):
    return ".".join(str(part) for part in version)


if __name__ == "__main__":
    main()
