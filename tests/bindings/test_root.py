# SPDX-License-Identifier: MIT
"""Roots in Python: manifests, progress handlers, what was built."""

import gc
import os
import tempfile
import unittest
import weakref

import support
import tap
import virtiso
from support import BUSYBOX


class Roots(unittest.TestCase):
    def setUp(self):
        self.scratch = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.scratch.name, "root")

    def tearDown(self):
        self.scratch.cleanup()

    def root(self, **options):
        return virtiso.Root(programs=[BUSYBOX], path=self.path, **options)

    def test_plan_is_a_sequence(self):
        plan = self.root(data={"/etc/motd": "hello"}).plan()
        self.assertEqual(len(plan), len(list(plan)))
        self.assertEqual(plan[-1], plan[len(plan) - 1])
        self.assertEqual(plan[1:3], (plan[1], plan[2]))
        with self.assertRaises(IndexError):
            plan[len(plan)]
        motd = plan.get("/etc/motd")
        self.assertEqual((motd.type, motd.mode, motd.size), (virtiso.EntryType.FILE, 0o644, 5))
        self.assertIsNone(plan.get("/nowhere"))
        self.assertEqual(plan.differences, ())
        self.assertFalse(os.path.exists(self.path))

    def test_from_build_to_removal(self):
        root = self.root(users=[virtiso.User("me", 5000, 5000)], groups={"us": 5000})
        self.assertGreater(root.update(), 0)
        self.assertEqual(root.verify().differences, ())
        saved = os.path.join(self.scratch.name, "saved")
        root.manifest().save(saved)
        with open(os.path.join(self.path, "etc/group"), "a", encoding="ascii") as file:
            file.write("more:x:6:\n")
        (found,) = virtiso.Manifest.load(saved).verify(self.path).differences
        self.assertEqual((found.path, found.state), ("/etc/group", virtiso.EntryState.CHANGED))
        self.assertEqual(found.reason, "named by the user")
        self.assertEqual(self.root(users=[("me", 5000, 5000)], groups={"us": 5000}).update(), 1)
        self.assertEqual(virtiso.Root(directory=self.path).remove(), 0)

    def test_a_directory_with_contents(self):
        self.root().build()
        with self.assertRaises(virtiso.AlreadyExists):
            self.root().build()

    def test_words_instead_of_numbers(self):
        root = self.root(keep=["setuid", "capabilities"], copy_method="bytes", providers_off=["nss"])
        root.build()
        for wrong in {"keep": "everything"}, {"copy_method": "magic"}, {"providers_off": ["x"]}:
            with self.assertRaises(ValueError):
                self.root(**wrong)

    def test_a_shared_store(self):
        store = os.path.join(self.scratch.name, "store")
        for i in range(2):
            virtiso.Root(programs=[BUSYBOX], path=f"{self.path}{i}", store=store).build()
        inodes = {os.stat(f"{self.path}{i}{os.path.realpath(BUSYBOX)}").st_ino for i in range(2)}
        self.assertEqual(len(inodes), 1)
        for i in range(2):
            virtiso.Root(directory=f"{self.path}{i}").remove()
        self.assertGreater(virtiso.Root.prune_store(store), 0)

    def test_an_image(self):
        image = os.path.join(self.scratch.name, "image")
        self.root().write_image(image)
        with open(image, "rb") as file:
            self.assertEqual(file.read(6), b"070701")
        with self.assertRaises(ValueError):
            self.root().write_image(image, "zip")

    def test_libraries_that_are_none(self):
        with self.assertRaisesRegex(virtiso.Error, "is no ELF file"):
            virtiso.Root(programs=["/usr/bin/env"], libraries=["/etc/passwd"])


class Progress(unittest.TestCase):
    def test_it_hears_all(self):
        heard = []
        virtiso.Root(programs=[BUSYBOX], progress=lambda *what: heard.append(what)).build()
        self.assertEqual(heard[-1][0], heard[-1][1])
        self.assertGreaterEqual(heard[-1][1], os.stat(BUSYBOX).st_size)

    def test_true_cancels(self):
        root = virtiso.Root(programs=[BUSYBOX], progress=lambda *what: True)
        with self.assertRaises(virtiso.Canceled):
            root.build()
        root.set_progress(None)
        root.build()

    def test_what_it_raises_is_raised_wherever_it_builds(self):
        def interrupt(*what):
            raise KeyboardInterrupt

        strength = support.any_strength()
        with tempfile.TemporaryDirectory() as scratch:
            for build in (
                lambda root: root.build(),
                lambda root: root.write_image(os.path.join(scratch, "image")),
                lambda root: virtiso.run([BUSYBOX, "true"], isolation=strength.isolation, root=root),
            ):
                with self.assertRaises(KeyboardInterrupt):
                    build(virtiso.Root(programs=[BUSYBOX], progress=interrupt))

    def test_it_cannot_use_the_root(self):
        raised = []

        def use(*what):
            self.assertIsNone(root.path)
            repr(root)
            for call in root.build, root.update, root.manifest, root.verify, root.remove:
                try:
                    call()
                except virtiso.Error as error:
                    raised.append(error.errno)

        root = virtiso.Root(programs=[BUSYBOX], progress=use)
        root.build()
        self.assertEqual(set(raised), {35})  # EDEADLK

    def test_cancel_from_inside(self):
        root = virtiso.Root(programs=[BUSYBOX], progress=lambda *what: root.cancel())
        with self.assertRaises(virtiso.Canceled):
            root.build()

    def test_no_cycle_keeps_a_root(self):
        def hear(*what):
            pass

        root = virtiso.Root(programs=[BUSYBOX], progress=hear)
        root.build()
        path, alive = root.path, weakref.ref(hear)
        del root, hear
        gc.collect()
        self.assertFalse(os.path.exists(path))
        self.assertIsNone(alive())


class Run(unittest.TestCase):
    def test_options_go_where_they_belong(self):
        strength = support.any_strength()
        result = virtiso.run(
            ["busybox", "cat", "/d"], isolation=strength.isolation, data={"/d": "x"}, users=[("a", 5, 5)], timeout=30
        )
        self.assertEqual(result.stdout, "x")

    def test_wrong_options_are_named(self):
        for call, words in (
            (lambda: virtiso.run(["true"], bogus=1), "unexpected option 'bogus'"),
            (lambda: virtiso.run(["true"], isolation="guest", cpu_max=1), "a guest has no option 'cpu_max'"),
            (lambda: virtiso.run("true"), "must be a list"),
            (lambda: virtiso.Jail("/"), "must be a virtiso.Root"),
        ):
            with self.assertRaisesRegex(TypeError, words):
                call()


class Jails(unittest.TestCase):
    def setUp(self):
        support.need("jail")

    def test_hardening_is_told_and_demanded(self):
        with virtiso.Jail(virtiso.Root(programs=[BUSYBOX]), demand="privileges") as jail:
            self.assertGreaterEqual(jail.hardening, virtiso.Hardening.PRIVILEGES)
            self.assertEqual(jail.run([BUSYBOX, "echo", "x"]).stdout, "x\n")
            self.assertTrue(all(isinstance(warning, str) for warning in jail.warnings))

    def test_an_instance_that_stays(self):
        with virtiso.Jail(virtiso.Root(programs=[BUSYBOX])) as jail:
            jail.start()
            pid = jail.run(["busybox", "sh", "-c", "busybox sleep 60 >/dev/null & echo $!"]).stdout.strip()
            self.assertEqual(len(jail.pids()), 1)
            self.assertEqual(jail.run(["busybox", "kill", pid]).returncode, 0)

    def test_files_are_handed_in(self):
        reader, writer = os.pipe()
        with open(writer, "w", encoding="ascii") as file, virtiso.Jail(virtiso.Root(programs=[BUSYBOX])) as jail:
            jail.run(["busybox", "sh", "-c", "echo hello >&7"], fds={7: file})
        self.assertEqual(os.read(reader, 100), b"hello\n")
        os.close(reader)


if __name__ == "__main__":
    tap.main()
