#!/usr/bin/env python3
"""Installs what the tests' Python and Node clients and their S3 store need into the user's cache, once, and links `.test-clients/`.

`.test-clients/python` and `.test-clients/s3` are folders for PYTHONPATH, `.test-clients/node/node_modules` one for NODE_PATH.
Nothing is installed into the system. Without Node, or with a Python that is too old for the store, theirs is missing, and
its test says that it is skipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

CHECKOUT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CLIENTS = os.path.join(CHECKOUT, "tests", "clients")
LINKS = os.path.join(CHECKOUT, ".test-clients")
CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "unitscope")


def main():
    # gRPC's wheels are made for one Python version each.
    python = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    provide("python", ["requirements.txt"], python, install_python)
    if sys.version_info >= (3, 11):
        provide("s3", ["requirements.txt"], python, install_python)
    else:
        print("test clients: this Python is older than 3.11, so the tests against an S3 store will be skipped")
    if shutil.which("node") and shutil.which("npm"):
        provide("node", ["package.json", "package-lock.json"], "node", install_node)
    else:
        print("test clients: there is no node and npm, so the Node client's test will be skipped")


def provide(client, pins, platform, install):
    """The folder's name holds a digest of the pins: others are never in its way."""
    digest = hashlib.sha256(platform.encode())
    for pin in pins:
        with open(os.path.join(CLIENTS, client, pin), "rb") as file:
            digest.update(file.read())
    folder = os.path.join(CACHE, f"test-client-{platform}-{digest.hexdigest()[:12]}")
    if not os.path.isdir(folder):
        print(f"test clients: installing what {client} needs into {folder}", flush=True)
        os.makedirs(CACHE, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="installing-", dir=CACHE) as work:
            made = os.path.join(work, "made")
            os.mkdir(made)
            for pin in pins:
                shutil.copy(os.path.join(CLIENTS, client, pin), made)
            # Nothing is installed into the system, so pip need not warn root.
            environment = dict(os.environ, PIP_ROOT_USER_ACTION="ignore")
            if subprocess.run(install(made), cwd=made, env=environment).returncode != 0:
                sys.exit(
                    f"error: the {client} packages of the tests could not be installed (the message is above);"
                    " mend that and run `make test` again"
                )
            try:
                os.rename(made, folder)
            except OSError:
                # Another checkout was quicker.
                if not os.path.isdir(folder):
                    raise
    link(folder, os.path.join(LINKS, client))


def install_python(folder):
    return [
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--only-binary=:all:", "--target", folder, "--requirement", "requirements.txt",
    ]  # fmt: skip


def install_node(_folder):
    return ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def link(folder, name):
    if os.path.islink(name) and os.readlink(name) == folder:
        return
    os.makedirs(LINKS, exist_ok=True)
    new = f"{name}.{os.getpid()}"
    os.symlink(folder, new)
    os.replace(new, name)


if __name__ == "__main__":
    main()
