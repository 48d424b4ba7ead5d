# SPDX-License-Identifier: MIT
"""Runs the unittest cases of the main module and prints TAP; a skipped case says which facility is missing."""

import sys
import traceback
import unittest


class Missing(unittest.SkipTest):
    """This machine lacks a facility that the case needs."""


class Result(unittest.TestResult):
    """Prints each case when it is over."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def report(self, test, ok, directive="", details=""):
        self.count += 1
        for line in details.splitlines():
            print("#", line)
        name = test.shortDescription() or test.id()
        print(f"{'ok' if ok else 'not ok'} {self.count} - {name}{directive}", flush=True)

    def addSuccess(self, test):
        self.report(test, True)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.report(test, False, details="".join(traceback.format_exception(*error)))

    addError = addFailure

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.report(test, True, f" # SKIP {reason}", details=f"missing: {reason}")

    def addSubTest(self, test, subtest, error):
        if error:
            self.addFailure(subtest, error)


def main():
    """As unittest.main(). Arguments: names of cases, all of them where there is none."""
    loader = unittest.TestLoader()
    loader.testMethodPrefix = "test"
    module = sys.modules["__main__"]
    suite = loader.loadTestsFromNames(sys.argv[1:], module) if sys.argv[1:] else loader.loadTestsFromModule(module)
    print(f"1..{suite.countTestCases()}", flush=True)
    result = Result()
    suite.run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
