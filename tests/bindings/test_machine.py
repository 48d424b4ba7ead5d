# SPDX-License-Identifier: MIT
"""Where this runs, drivers and tools; the example detect in three languages says the same, as its schema has it."""

import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support
import tap
import test_examples
import virtiso

VMWARE = {
    "cpuid": "1 0: 0 0 80000000 0\n40000000 0: 40000010 61774d56 4d566572 65726177\n",
    "uname": "Linux\nguest\n6.1.0\n#1 SMP\nx86_64\n",
    "ns": "pid: 4026531836\nuser: 4026531837\ncgroup: 4026531835\nuts: 4026531838\nipc: 4026531839\n",
    "root": "1\n",
    "sys/class/dmi/id/sys_vendor": "VMware, Inc.\n",
    "sys/module/x/y": "",
    "proc/modules": "vmw_vmci 1 1 - Live 0x0\n",
    "proc/self/mountinfo": "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n",
    "proc/self/status": "Name:\tsh\nTracerPid:\t0\n",
    "proc/1/mountinfo": "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n",
    "proc/1/comm": "init\n",
    "sys/bus/pci/devices/0000:00:07.7/modalias": "pci:v000015ADd00000740sv000015ADsd00000740bc08sc80i00\n",
    "sys/bus/pci/devices/0000:0b:00.0/modalias": "pci:v000015ADd000007B0sv000015ADsd000007B0bc02sc00i00\n",
    "lib/modules/6.1.0/modules.dep": "\n",
    "etc/os-release": "ID=debian\n",
    "usr/bin/vmtoolsd": "",
}


def make(directory, files):
    for name, text in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="ascii") as file:
            file.write(text)


class Captured(support.TestCase):
    """A machine that is written here."""

    def setUp(self):
        super().setUp()
        self.scratch = tempfile.TemporaryDirectory()
        make(self.scratch.name, VMWARE)
        self.machine = virtiso.Machine(self.scratch.name)

    def tearDown(self):
        self.scratch.cleanup()
        del self.machine
        super().tearDown()

    def test_layers(self):
        self.assertEqual([layer.id for layer in self.machine.layers], ["vmware"])
        layer = self.machine.layers[0]
        self.assertEqual((layer.kind, layer.role), (virtiso.LayerKind.HYPERVISOR, virtiso.LayerRole.GUEST))
        self.assertEqual(layer.confidence.label, "certain")
        self.assertIn(virtiso.EvidenceSide.FOR, [evidence.side for evidence in layer.evidence])
        self.assertIs(self.machine.inside("hypervisor"), True)
        self.assertIs(self.machine.inside(virtiso.LayerKind.CONTAINER), False)
        self.assertRaises(ValueError, self.machine.inside, "matrix")
        self.assertEqual(repr(self.machine), "<virtiso.Machine: vmware>")

    def test_drivers(self):
        drivers = {driver.name: driver for driver in self.machine.drivers}
        self.assertEqual(drivers["vmw_vmci"].state, virtiso.DriverState.LOADED)
        self.assertEqual(drivers["vmw_vmci"].family.label, "VMware")
        self.assertEqual([device.name for device in drivers["vmxnet3"].devices], ["pci/0000:0b:00.0"])
        self.assertEqual((drivers["vmxnet3"].state.label, drivers["vmxnet3"].devices[0].bound), ("missing", ""))
        self.assertIn("linux-image-amd64", drivers["vmxnet3"].package)
        self.assertTrue(all(": " in line for line in drivers["vmxnet3"].evidence))
        self.assertEqual(drivers["virtio_net"].state, virtiso.DriverState.NOT_APPLICABLE)

    def test_tools_and_hypercalls(self):
        tools = {tool.name: tool for tool in self.machine.tools}
        tool = tools["vmtoolsd"]
        self.assertEqual((tool.installed, tool.running, tool.channel), (True, False, True))
        self.assertEqual(tool.evidence["installed"], "/usr/bin/vmtoolsd: there")
        self.assertEqual(tools["VGAuthService"].package, "open-vm-tools")
        self.assertEqual(self.machine.families[virtiso.Family.VMWARE], True)
        self.assertEqual(self.machine.families[virtiso.Family.XEN], False)
        self.assertEqual(self.machine.hypercall.way, virtiso.HypercallWay.VMWARE)
        self.assertEqual({feature.offered for feature in self.machine.paravirtual}, {False})

    def test_features_are_not_tried(self):
        self.assertRaises(virtiso.NotSupported, self.machine.supports, "guest")

    def test_what_could_not_be_read_is_none(self):
        make(self.scratch.name, {"errors": "EACCES cpuid\n"})
        os.unlink(os.path.join(self.scratch.name, "cpuid"))
        os.unlink(os.path.join(self.scratch.name, "sys/class/dmi/id/sys_vendor"))
        machine = virtiso.Machine(self.scratch.name)
        self.assertIsNone(machine.inside("hypervisor"))
        self.assertEqual({feature.offered for feature in machine.paravirtual}, {None})

    def test_nothing_captured_is_all_unknown(self):
        """Not even that there is no CPUID is known, as of a directory that is none of a machine."""
        with tempfile.TemporaryDirectory() as scratch:
            machine = virtiso.Machine(scratch)
            self.assertEqual({layer.role for layer in machine.layers}, {virtiso.LayerRole.UNKNOWN})
            self.assertEqual({machine.inside(kind) for kind in virtiso.LayerKind}, {None})
            self.assertEqual({feature.offered for feature in machine.paravirtual}, {None})
            self.assertEqual(machine.hypercall.way, virtiso.HypercallWay.UNKNOWN)
            make(scratch, {"uname": "Linux\nguest\n6.1.0\n#1 SMP\naarch64\n"})
            self.assertEqual(virtiso.Machine(scratch).hypercall.way, virtiso.HypercallWay.NONE)

    def test_no_directory(self):
        self.assertRaises(virtiso.NotFound, virtiso.Machine, "/nonexistent/captured")
        with self.assertRaises(virtiso.Error) as caught:
            virtiso.Machine.capture(self.scratch.name)
        self.assertEqual(caught.exception.stage, virtiso.Stage.MACHINE)


def conforms(value, schema, whole, path="$"):
    """Whether a value is as a JSON schema has it; the part of it that schema.json uses."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        assert value in schema["enum"], f"{path}: {value!r}"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), f"{path}: {value!r}"
    if isinstance(value, list):
        for i, item in enumerate(value):
            conforms(item, schema["items"], whole, f"{path}[{i}]")
    elif isinstance(value, dict):
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{path}: no {missing}"
        for key, item in value.items():
            other = schema.get("additionalProperties", True)
            of = schema.get("properties", {}).get(key, other)
            assert of is not False, f"{path}: {key} is not known"
            if isinstance(of, dict):
                conforms(item, of, whole, f"{path}.{key}")


class Detect(unittest.TestCase):
    """The example in three languages."""

    def found(self, *arguments):
        for name in ("viso-detect", "detect.py", "detect.lua"):
            try:
                yield name, test_examples.run(name, *arguments)
            except tap.Missing as missing:
                if name == "viso-detect":
                    raise
                print(f"# missing: {missing}")

    def test_this_machine_captured_is_the_same_in_each_language(self):
        with open(os.path.join(test_examples.EXAMPLES, "viso-detect/schema.json"), encoding="ascii") as file:
            schema = json.load(file)
        with tempfile.TemporaryDirectory() as scratch:
            directory = os.path.join(scratch, "captured")
            self.assertEqual(test_examples.run("viso-detect", "--capture", directory).returncode, 0)
            reports = []
            for name, done in self.found("--json", "--from", directory):
                self.assertEqual((done.returncode, done.stderr), (0, ""), name)
                reports.append(json.loads(done.stdout))
                conforms(reports[-1], schema, schema)
                self.assertEqual(reports[-1], reports[0], name)
            self.assertNotIn("features", reports[0])
        live = json.loads(test_examples.run("viso-detect", "--json").stdout)
        conforms(live, schema, schema)
        self.assertIn("features", live)
        for key in ("layers", "drivers", "families"):
            self.assertEqual(live[key], reports[0][key])

    def test_answers_for_scripts(self):
        cases = [("--vm", "vmware\n", 0), ("--container", "none\n", 1), ("--chroot", "", 1), ("--quiet", "", 0), ("-qc", "", 1)]
        with tempfile.TemporaryDirectory() as scratch:
            make(scratch, VMWARE)
            for option, output, code in cases:
                options = ["-q", "-c"] if option == "-qc" else [option]
                for name, done in self.found(*options, "--from", scratch):
                    self.assertEqual((done.stdout, done.returncode), (output, code), f"{name} {option} {done.stderr}")

    def test_text_names_what_matters(self):
        with tempfile.TemporaryDirectory() as scratch:
            make(scratch, VMWARE)
            for name, done in self.found("--from", scratch):
                self.assertEqual((done.returncode, done.stderr), (0, ""), name)
                for part in ("VMware", "vmxnet3", "missing", "linux-image-amd64", "vmtoolsd", "0x5658"):
                    self.assertIn(part, done.stdout, name)
                refuted = done.stdout.partition("Not so, or not found:")[2].partition("Drivers")[0]
                self.assertIn(", absence likely", refuted, name)
                self.assertNotIn("as guest", refuted, name)

    def test_features_are_told_alone(self):
        texts = [(name, done.stdout) for name, done in self.found("--features")]
        for name, text in texts:
            self.assertEqual(re.findall(r"^.{18} (?:yes|no) ", text, re.M), re.findall(r"^.{18} (?:yes|no) ", texts[0][1], re.M), name)
            self.assertIn("guest ", text)

    def test_failures(self):
        for name, done in self.found("--from", "/nonexistent/captured"):
            self.assertEqual((done.returncode, done.stdout), (2, ""), name)
            self.assertIn("/nonexistent/captured", done.stderr, name)
        for options in (["--no-such-option"], ["--vm", "--json"], ["--json", "--features"], ["--capture", "/x", "--from", "/y"]):
            for name, done in self.found(*options):
                self.assertEqual((done.returncode, done.stdout), (2, ""), f"{name} {options}")

    def test_output_that_is_lost_is_a_failure(self):
        for option in ("--json", "--features", "--vm"):
            with open("/dev/full", "wb") as full:
                done = subprocess.run(
                    [*test_examples.command_line("viso-detect"), option], stdout=full, stderr=subprocess.PIPE, text=True, check=False
                )
            self.assertEqual((done.returncode, done.stderr), (2, "viso-detect: the output could not be written\n"), option)

    def test_the_vm_is_that_of_systemd(self):
        """On this machine; of layers that lie on top of one another systemd-detect-virt names another one."""
        try:
            done = subprocess.run(["systemd-detect-virt", "--vm"], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise tap.Missing("systemd-detect-virt") from None
        ids = {layer.id for layer in virtiso.Machine().layers}
        if not re.fullmatch(r"none\n", done.stdout):
            self.assertIn(done.stdout.strip(), ids)


if __name__ == "__main__":
    tap.main()
