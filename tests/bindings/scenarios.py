# SPDX-License-Identifier: MIT
"""scenarios.py TABLE: runs the table of scenarios with the Python package; one case for each scenario and strength."""

import re
import sys
import unittest

import tap
import virtiso

SANDBOXES = {"jail": virtiso.Jail, "container": virtiso.Container, "guest": virtiso.Guest}
LISTS = ("arg", "env", "needs")
ESCAPES = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


def unescape(text):
    def byte(match):
        return chr(int(match[1][1:], 16)) if match[1][0] == "x" else ESCAPES[match[1]]

    # Latin-1 keeps each byte of the file one character until here.
    return re.sub(r"\\(x[0-9a-f]{2}|.)", byte, text).encode("latin-1")


def read_table(path):
    scenarios = []
    with open(path, encoding="latin-1") as file:
        for line in file.read().split("\n"):
            if line.startswith("["):
                scenarios.append({"name": line.strip("[]"), **{key: [] for key in LISTS}})
            elif line and not line.startswith("#"):
                key, value = line.split(": ", 1)
                if key in LISTS:
                    scenarios[-1][key].append(unescape(value))
                else:
                    scenarios[-1][key] = unescape(value)
    return scenarios


def text(scenario, key, default=None):
    return scenario[key].decode() if key in scenario else default


def number(scenario, key, default=None):
    return int(scenario[key]) if key in scenario else default


def seconds(scenario, key):
    return number(scenario, key) / 1000 if key in scenario else None


class Scenarios(unittest.TestCase):
    """One method for each scenario and strength; see add_cases()."""

    @classmethod
    def setUpClass(cls):
        cls.machine = virtiso.Machine()
        cls.root = virtiso.Root(programs=["/bin/busybox"], data={"/etc/scenario": "from the root\n"})

    def check(self, scenario, strength):
        for feature in [strength, *(need.decode() for need in scenario["needs"])]:
            if not self.machine.supports(feature):
                raise tap.Missing(f"{feature}: {self.machine.detail(feature)}")
        with SANDBOXES[strength](self.root, memory_max=number(scenario, "memory_max")) as box:
            if "error" in scenario:
                with self.assertRaises(virtiso.Error) as caught:
                    self.run_in(box, scenario)
                self.assertEqual(caught.exception.errno, number(scenario, "error"))
                self.assertEqual(
                    virtiso.native.viso_stage_name(caught.exception.stage), text(scenario, "stage"), str(caught.exception)
                )
            else:
                self.compare(self.run_in(box, scenario), scenario)

    def run_in(self, box, scenario):
        return box.run(
            scenario["arg"],
            input=scenario.get("input"),
            stdin=virtiso.DEVNULL if text(scenario, "stdin") == "null" else None,
            stderr=virtiso.STDOUT if text(scenario, "stderr_to") == "stdout" else None,
            env=dict(entry.decode().split("=", 1) for entry in scenario["env"]),
            cwd=scenario.get("cwd"),
            timeout=seconds(scenario, "timeout_ms"),
            cpu_time=seconds(scenario, "cpu_time_ms"),
            capture_max=number(scenario, "capture_max", 65536),
            rlimits={"open_files": number(scenario, "open_files")} if "open_files" in scenario else None,
            user=number(scenario, "user"),
            text=False,
        )

    def compare(self, result, scenario):
        self.assertEqual(result.reason.name.lower(), text(scenario, "reason", "exited"), result)
        self.assertEqual(-1 if result.exit_code is None else result.exit_code, number(scenario, "exit", 0), result)
        if "signal" in scenario:
            self.assertEqual(result.signal, number(scenario, "signal"))
        self.assertEqual(result.stdout, scenario.get("stdout", b""))
        self.assertEqual(result.stderr or b"", scenario.get("stderr", b""))
        self.assertEqual(result.truncated, text(scenario, "truncated", "no") == "yes")


def add_cases(path):
    for scenario in read_table(path):
        for strength in text(scenario, "in", " ".join(SANDBOXES)).split():

            def case(self, scenario=scenario, strength=strength):
                self.check(scenario, strength)

            case.__doc__ = f"{scenario['name']}: {strength}"
            setattr(Scenarios, f"test {case.__doc__}", case)


if __name__ == "__main__":
    add_cases(sys.argv.pop(1))
    tap.main()
