# SPDX-License-Identifier: MIT
"""The raw module: complete, raises what the library says, takes and gives bytes as they are."""

import os
import pathlib
import pickle
import re
import subprocess
import unittest

import support
import tap
import virtiso
from virtiso import native

ENUMS = {
    "VISO_STAGE_": virtiso.Stage,
    "VISO_REASON_": virtiso.Reason,
    "VISO_FEATURE_": virtiso.Feature,
    "VISO_ISOLATION_": virtiso.Isolation,
    "VISO_NETWORK_": virtiso.Network,
    "VISO_RLIMIT_": virtiso.Rlimit,
    "VISO_LOG_": virtiso.LogLevel,
    "VISO_SCHEDULER_": virtiso.Scheduler,
    "VISO_NAMESPACE_": virtiso.Namespace,
    "VISO_ID_": virtiso.IdKind,
    "VISO_CLOCK_": virtiso.Clock,
    "VISO_MOUNT_": virtiso.MountFlag,
    "VISO_IO_": virtiso.IoRate,
    "VISO_CAPABILITY_": virtiso.CapabilitySet,
    "VISO_SYSCALL_": virtiso.SyscallAction,
    "VISO_SECCOMP_": virtiso.SeccompProfile,
    "VISO_LANDLOCK_": virtiso.Landlock,
    "VISO_PROTOCOL_": virtiso.Protocol,
    "VISO_HOOK_": virtiso.HookPoint,
    "VISO_EVENT_": virtiso.EventKind,
    "VISO_STEP_": virtiso.Step,
}


def exported():
    with open(os.path.join(support.SOURCE, "lib/libvirtiso.map"), encoding="ascii") as file:
        return set(re.findall(r"\b(viso_\w+);", file.read()))


class Coverage(unittest.TestCase):
    def test_every_exported_function_is_wrapped(self):
        # References are counted by the proxies: _ref and _unref are for C alone.
        wanted = {name for name in exported() if not re.fullmatch(r"viso_[a-z]+_(ref|unref)", name)}
        self.assertGreater(len(wanted), 60)
        self.assertEqual(set(), {name for name in wanted if not callable(getattr(native, name, None))})

    def test_references_are_not_wrapped(self):
        self.assertFalse([name for name in dir(native) if re.fullmatch(r"viso_[a-z]+_(ref|unref)", name)])

    def test_every_handle_has_a_destructor(self):
        for name in exported():
            if name.endswith("_unref"):
                self.assertTrue(hasattr(getattr(native, name[: -len("_unref")]), "__swig_destroy__"), name)

    def test_enums_have_every_value_and_no_width(self):
        self.assertFalse([name for name in dir(native) if "WIDTH" in name])
        for prefix, enum in ENUMS.items():
            values = {name[len(prefix) :]: getattr(native, name) for name in dir(native) if name.startswith(prefix)}
            self.assertEqual(values, {name: member.value for name, member in enum.__members__.items()})

    def test_names_agree_with_the_library(self):
        for stage in virtiso.Stage:
            self.assertTrue(native.viso_stage_name(stage))
        self.assertIsNone(native.viso_stage_name(len(virtiso.Stage)))
        for strength in virtiso.Isolation:
            self.assertEqual(native.viso_isolation_name(strength), strength.name.lower())
        for feature in virtiso.Feature:
            self.assertTrue(native.viso_feature_name(feature))
        self.assertIsNone(native.viso_feature_name(len(virtiso.Feature)))

    def test_version(self):
        number = native.viso_version()
        self.assertEqual(virtiso.__version__, f"{number >> 16}.{number >> 8 & 255}.{number & 255}")
        self.assertEqual(native.VISO_VERSION_MAJOR, number >> 16)


class Errors(unittest.TestCase):
    def test_error_has_number_stage_object_and_sentence(self):
        command = native.viso_command_new("true")
        with self.assertRaises(virtiso.InvalidArgument) as caught:
            native.viso_command_set_cwd(command, "not/absolute")
        error = caught.exception
        self.assertEqual((error.errno, error.stage, error.object), (22, virtiso.Stage.ARGUMENT, "viso_command_set_cwd"))
        self.assertIn("absolute", str(error))
        self.assertEqual(native.viso_error_number(), 22)
        self.assertEqual(native.viso_error_message(), str(error))
        native.viso_error_clear()
        self.assertEqual((native.viso_error_number(), native.viso_error_message()), (0, ""))

    def test_classes_are_the_built_in_ones_too(self):
        for number, own, built_in in (
            (2, virtiso.NotFound, FileNotFoundError),
            (1, virtiso.PermissionDenied, PermissionError),
            (13, virtiso.PermissionDenied, PermissionError),
            (22, virtiso.InvalidArgument, ValueError),
            (17, virtiso.AlreadyExists, FileExistsError),
            (20, virtiso.NotADirectory, NotADirectoryError),
            (10, virtiso.ForkedHandle, ChildProcessError),
            (3, virtiso.ProcessEnded, ProcessLookupError),
            (32, virtiso.LauncherDied, BrokenPipeError),
            (116, virtiso.Closed, ValueError),
            (95, virtiso.NotSupported, OSError),
            (110, virtiso.TimeoutExpired, TimeoutError),
            (110, virtiso.TimeoutExpired, subprocess.TimeoutExpired),
            (12, virtiso.Error, OSError),
        ):
            error = virtiso._errors.from_native(number, "sentence", 21, "object")
            self.assertIsInstance(error, own)
            self.assertIsInstance(error, built_in)
            self.assertIsInstance(error, virtiso.Error)
            self.assertEqual((str(error), error.errno, error.stage.name), ("sentence", number, "EXEC"))
            copy = pickle.loads(pickle.dumps(error))
            self.assertEqual((type(copy), str(copy), copy.stage), (type(error), str(error), error.stage))

    def test_unknown_stage_of_a_newer_library(self):
        self.assertEqual(virtiso._errors.from_native(5, "x", 9999, "").stage, virtiso.Stage.NONE)

    def test_null_handles_are_errors(self):
        for call in (
            lambda: native.viso_command_add_arg(None, "x"),
            lambda: native.viso_process_wait(None, 0),
            lambda: native.viso_result_output(None, native.VISO_STDOUT),
            lambda: native.viso_result_usage(None, native.VISO_USAGE_WALL_US),
            lambda: native.viso_sandbox_close(None),
            lambda: native.viso_container_sandbox(None),
            lambda: native.viso_root_path(None),
            lambda: native.viso_root_build(None),
            lambda: native.viso_machine_detail(None, 0),
        ):
            with self.assertRaises(virtiso.InvalidArgument):
                call()

    def test_numbers_that_are_no_status(self):
        self.assertEqual(native.viso_result_exit_code(None), -1)
        self.assertEqual(native.viso_result_signal(None), 0)

    def test_wrong_types(self):
        command = native.viso_command_new("true")
        for call, error in (
            (lambda: native.viso_command_add_arg(command, 3), TypeError),
            (lambda: native.viso_command_add_arg(command, None), TypeError),
            (lambda: native.viso_command_add_arg(command, "a\0b"), ValueError),
            (lambda: native.viso_command_add_arg("command", "x"), TypeError),
            (lambda: native.viso_command_set_input(command, "text"), TypeError),
            (lambda: native.viso_command_set_groups(command, [-1]), OverflowError),
            (lambda: native.viso_command_set_groups(command, [1 << 32]), OverflowError),
            (lambda: native.viso_command_set_groups(command, 5), TypeError),
            (lambda: native.viso_command_set_timeout_ms(command, -1), OverflowError),
            (lambda: native.viso_command_set_rlimit(command, 1 << 40, 0), OverflowError),
            (lambda: native.viso_command_set_groups(command, range(100)), virtiso.InvalidArgument),
            (lambda: native.viso_root(), AttributeError),
        ):
            with self.assertRaises(error):
                call()

    def test_accepted_types(self):
        command = native.viso_command_new(pathlib.Path("/bin/true"))
        native.viso_command_add_arg(command, b"\xff\xfe")
        native.viso_command_add_arg(command, "\udcff")
        native.viso_command_set_env(command, "HOME", None)
        native.viso_command_set_groups(command, (1, 2))
        native.viso_command_set_groups(command, [])
        native.viso_command_set_rlimit(command, native.VISO_RLIMIT_DATA, native.VISO_UNLIMITED)
        for data in b"bytes", bytearray(b"array"), memoryview(b"view")[1:], b"":
            native.viso_command_set_input(command, data)

    def test_what_was_lent_is_given_back(self):
        command = native.viso_command_new("true")
        buffer = bytearray(b"contents")
        native.viso_command_set_input(command, buffer)
        buffer.append(0)  # BufferError where the buffer is still exported
        with self.assertRaises(TypeError):
            native.viso_root_add_data(command, "/x", buffer, 0o644)
        buffer.append(0)


if __name__ == "__main__":
    tap.main()
