"""Tests of libtorch.py that need neither network nor libtorch."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

import libtorch

SCRIPTS = os.path.dirname(os.path.abspath(__file__))
HEADER = """
#define TORCH_VERSION_MAJOR {}
#define TORCH_VERSION_MINOR {}
#define TORCH_VERSION_PATCH {}
"""
NEEDED = ["include/ATen/ATen.h", "lib/libc10.so", "lib/libtorch.so", "lib/libtorch_cpu.so"]
CACHED = os.path.join("cache", "unitscope", "libtorch-2.11.0-cpu-1", "torch")


class LibtorchTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.checkout = os.path.join(self.folder, "checkout")
        os.makedirs(os.path.join(self.checkout, "scripts"))
        shutil.copy(os.path.join(SCRIPTS, "libtorch.py"), os.path.join(self.checkout, "scripts"))
        self.link = os.path.join(self.checkout, ".libtorch")

    def make(self, name, files):
        """A libtorch in name only: files, by path, with their contents."""
        root = os.path.join(self.folder, name)
        for path, text in files.items():
            os.makedirs(os.path.dirname(os.path.join(root, path)), exist_ok=True)
            with open(os.path.join(root, path), "w") as file:
                file.write(text)
        return root

    def run_script(self, own):
        environment = {key: value for key, value in os.environ.items() if key != "LIBTORCH"}
        environment["XDG_CACHE_HOME"] = os.path.join(self.folder, "cache")
        if own is not None:
            environment["LIBTORCH"] = own
        script = os.path.join(self.checkout, "scripts", "libtorch.py")
        return subprocess.run(
            [sys.executable, script, "--device", "cpu"],
            env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
        )  # fmt: skip

    def check_refused(self, own, *parts):
        answer = self.run_script(own)
        self.assertEqual(answer.returncode, 1)
        self.assertEqual(answer.stderr.count("\n"), 1, answer.stderr)
        for part in ("error: ",) + parts:
            self.assertIn(part, answer.stderr)
        self.assertFalse(os.path.lexists(self.link))

    def check_linked(self, own, target):
        answer = self.run_script(own)
        self.assertEqual((answer.returncode, answer.stderr), (0, ""))
        self.assertEqual(os.readlink(self.link), target)

    def test_a_libtorch_of_the_users_own_wins(self):
        self.make(CACHED, dict.fromkeys(NEEDED, ""))
        own = self.make("own", dict(dict.fromkeys(NEEDED, ""), **{"build-version": "2.11.0+cu130\n"}))
        self.check_linked(own, own)
        by_header = dict(dict.fromkeys(NEEDED, ""), **{"include/torch/headeronly/version.h": HEADER.format(2, 11, 0)})
        own = self.make("other", by_header)
        self.check_linked(own, own)

    def test_a_wrong_version_is_refused(self):
        own = self.make("own", dict(dict.fromkeys(NEEDED, ""), **{"build-version": "2.9.1+cpu\n"}))
        self.check_refused(own, own, "holds libtorch 2.9.1", "needs 2.11.0", "make libtorch")
        by_header = dict(dict.fromkeys(NEEDED, ""), **{"include/torch/headeronly/version.h": HEADER.format(2, 11, 1)})
        self.check_refused(self.make("other", by_header), "holds libtorch 2.11.1")

    def test_a_missing_part_is_refused(self):
        self.check_refused("/nowhere", "`/nowhere`", "`include/ATen/ATen.h`", "make libtorch")
        self.check_refused("relative", "absolute path")
        half = self.make("half", {"include/ATen/ATen.h": "", "lib/libc10.so": ""})
        self.check_refused(half, "`lib/libtorch.so`")
        self.check_refused(self.make("unknown", dict.fromkeys(NEEDED, "")), "unknown version")

    def test_what_is_cached_is_not_fetched(self):
        cached = self.make(CACHED, dict.fromkeys(NEEDED, ""))
        self.check_linked(None, cached)
        self.check_linked("", cached)

    def test_a_broken_link_is_mended(self):
        cached = self.make(CACHED, dict.fromkeys(NEEDED, ""))
        os.symlink("/gone", self.link)
        self.check_linked(None, cached)
        # What an editor that knows cargo's settings may hand on.
        self.check_linked(self.link, cached)

    def test_a_damaged_cache_says_what_to_remove(self):
        cached = self.make(CACHED, {"include/ATen/ATen.h": ""})
        self.check_refused(None, "`lib/libc10.so`", f"remove `{os.path.dirname(cached)}`")

    def test_another_machine_is_refused(self):
        def check(function, value, *parts):
            with mock.patch(function, return_value=value), self.assertRaises(libtorch.Refusal) as raised:
                libtorch.check_platform()
            for part in parts:
                self.assertIn(part, str(raised.exception))

        libtorch.check_platform()
        check("os.confstr", "glibc 2.27", "glibc is 2.27", "needs 2.28")
        check("os.confstr", None, "no glibc")
        check("platform.machine", "aarch64", "Linux aarch64", "x86-64 only")
        check("platform.system", "Darwin", "Darwin")


if __name__ == "__main__":
    unittest.main()
