# SPDX-License-Identifier: MIT
"""Type hints: the package passes mypy, the stub agrees with the module, and users see the types."""

import os
import subprocess
import sys
import tempfile
import unittest

import tap
import virtiso

PACKAGE = os.path.dirname(virtiso.__file__)

USER = """
import virtiso

root = virtiso.Root(programs=["/bin/true"], data={"/x": b"y", "/z": ("text", 0o755)})
with virtiso.Container(root, memory_max="256M", network=virtiso.Network.HOST, capabilities=["net_raw"]) as box:
    reveal_type(box)
    result = box.run(["true"], timeout=2, rlimits={"core": 0}, stdin=virtiso.DEVNULL)
    reveal_type(result.reason)
    reveal_type(box.spawn(["true"], stdout=virtiso.PIPE).wait())
reveal_type(virtiso.run(["true"], isolation="jail", check=True).usage.memory_peak)
virtiso.Guest(root, hostname="no such setting")
"""
REVEALED = [
    '"virtiso._container.Container"',
    '"virtiso._enums.Reason"',
    '"builtins.int"',
    '"Union[builtins.int, None]"',
    'Unexpected keyword argument "hostname"',
]


def mypy(*arguments, module="mypy", cwd=None):
    try:
        import mypy  # noqa: F401
    except ImportError:
        raise tap.Missing("mypy for this Python (Debian: mypy)") from None
    environment = {**os.environ, "MYPYPATH": os.path.dirname(PACKAGE)}
    with tempfile.TemporaryDirectory() as cache:
        environment["MYPY_CACHE_DIR"] = cache
        return subprocess.run(
            [sys.executable, "-m", module, *arguments], capture_output=True, text=True, env=environment, cwd=cwd or cache, check=False
        )


class Types(unittest.TestCase):
    def test_package_is_typed(self):
        done = mypy("--strict", PACKAGE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_stub_agrees_with_the_module(self):
        done = mypy("virtiso.native", module="mypy.stubtest")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_users_see_types(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = os.path.join(scratch, "user.py")
            with open(path, "w", encoding="ascii") as file:
                file.write(USER)
            done = mypy("--strict", path)
            lines = [line for line in done.stdout.splitlines() if "Revealed" in line or "error" in line]
            self.assertEqual(len([line for line in lines if line.startswith("user.py") or scratch in line]), 5, done.stdout)
            for line, wanted in zip(lines, REVEALED):
                self.assertIn(wanted, line)

    def test_every_public_name_is_documented(self):
        for name in virtiso.__all__:
            if name.isupper():
                continue
            item = getattr(virtiso, name)
            self.assertTrue(item.__doc__, name)
            for method, value in vars(item).items() if isinstance(item, type) else ():
                if not method.startswith("_") and callable(value) and item.__module__.startswith("virtiso"):
                    self.assertTrue(value.__doc__, f"{name}.{method}")


if __name__ == "__main__":
    tap.main()
