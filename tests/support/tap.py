# SPDX-License-Identifier: MIT
"""Counts the single cases of one test program: TAP as cmocka and the scripts here print it, or an exit code."""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(ok|not ok)\b\s*\d*\s*(?:-\s*)?(.*)")
# A guest that inherits the output may have left its line unfinished: a numbered result counts behind other text as well.
RESULT_BEHIND = re.compile(r".*?(not ok|ok) \d+ - (.*)")
PLAN = re.compile(r"1\.\.(\d+)(.*)")
SKIP = re.compile(r"(.*?)#\s*skip\S*\s*(.*)", re.IGNORECASE)
MISSING = "# missing: "
EXIT_CODE_SKIPPED = 77  # as automake and meson have it


@dataclass
class Cases:
    """What became of the cases of one program: names, and for the skipped ones what was missing."""

    passed: list = field(default_factory=list)
    failed: list = field(default_factory=list)
    skipped: list = field(default_factory=list)  # (name, missing facility)


def count(protocol, program, output, exit_code, ending):
    """The cases of `program`. `ending` says in words how it ended where that was no exit, else it is None."""
    if protocol == "tap":
        return _count_tap(program, output, exit_code, ending)
    cases = Cases()
    if ending is None and exit_code == 0:
        cases.passed.append(program)
    elif ending is None and exit_code == EXIT_CODE_SKIPPED:
        missing = [line[len(MISSING):] for line in output.splitlines() if line.startswith(MISSING)]
        cases.skipped.append((program, ", ".join(missing) or "(not said)"))
    else:
        cases.failed.append(f"{program}: {ending or f'exit code {exit_code}'}")
    return cases


def _count_tap(program, output, exit_code, ending):
    cases = Cases()
    planned = 0
    missing = None  # what the case that runs has said since the result before
    for line in output.splitlines():
        if line.startswith(MISSING):
            missing = line[len(MISSING):].strip()
        elif plan := PLAN.fullmatch(line):
            planned += int(plan[1])
            if plan[1] == "0":
                cases.skipped.append((program, missing or plan[2].strip(" #") or "(not said)"))
        elif result := RESULT.fullmatch(line) or RESULT_BEHIND.fullmatch(line):
            _count_result(cases, result[1] == "ok", result[2], missing)
            missing = None
    seen = len(cases.passed) + len(cases.failed) + len(cases.skipped)
    if ending is not None:
        cases.failed.append(f"{program}: {ending}")
    elif seen < planned:
        cases.failed.extend(f"{program}: a planned case did not run" for _ in range(planned - seen))
    elif seen == 0:
        cases.failed.append(f"{program}: ran no case")
    elif exit_code != 0 and not cases.failed:
        cases.failed.append(f"{program}: exit code {exit_code} though no case failed")
    return cases


def _count_result(cases, ok, text, missing):
    if skip := SKIP.fullmatch(text):
        # cmocka writes the name behind the directive, everybody else before it and the reason behind.
        name, reason = skip[1].strip(), skip[2].strip()
        cases.skipped.append((name or reason, missing or (reason if name else "") or "(not said)"))
    elif ok:
        cases.passed.append(text)
    else:
        cases.failed.append(text)
