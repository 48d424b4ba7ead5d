#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks that headers, library, symbol map, man pages and NEWS.md say the same. Prints TAP."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "include"))
import doxygen  # noqa: E402

# For programs that run in a guest, freestanding: no part of the library's interface.
FOR_GUESTS = {"virtiso/hypercall.h", "virtiso/doorbell.h"}
OWN_HEADERS = {"stddef.h", "stdint.h"}
PLAIN_TYPES = {"void", "char", "int", "unsigned", "size_t", "int64_t", "uint64_t", "const"}
DUMPS = sorted((ROOT / "tests/abi").glob("*.abi"))
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic"]


class Skip(Exception):
    """The missing facility."""


def run(*command, **options):
    return subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)


def output(*command):
    done = run(*command)
    assert done.returncode == 0, f"{command[0]} failed: {done.stderr}"
    return done.stdout


def same(what, found, wanted):
    """Complains about every name that is in one of the two only."""
    found, wanted = set(found), set(wanted)
    assert found == wanted, f"{what}: missing {sorted(wanted - found)}, unexpected {sorted(found - wanted)}"


def need(program):
    if not shutil.which(program):
        raise Skip(program)
    return program


class Abi:
    def __init__(self, options):
        self.options = options
        self.headers = doxygen.read_headers(ROOT / "include")
        self.functions = [f for header in self.headers for f in header.functions]
        self.public = [name for header in self.headers for name in doxygen.public_names(header)]

    # What is exported

    def exported(self):
        lines = output("nm", "-D", "--defined-only", self.options.library).splitlines()
        return dict(line.split()[2].split("@@") for line in lines if "@@" in line)

    def mapped(self):
        """Symbol: node of the map, for all nodes."""
        text = re.sub(r"/\*.*?\*/", "", (ROOT / "lib/libvirtiso.map").read_text(), flags=re.DOTALL)
        return {name: node for node, body in re.findall(r"(VIRTISO_[\d.]+) \{(.*?)\}", text, re.DOTALL)
                for name in re.findall(r"\b(viso_\w+);", body)}

    def check_library_exports_the_prototypes(self):
        same("exported by the library", self.exported(), self.public)
        plain = [line for line in output("nm", "-D", "--defined-only", self.options.library).splitlines() if "@" not in line
                 and line.split()[1] != "A"]  # the nodes themselves
        assert not plain, f"exported without a version: {plain}"

    def check_map_lists_the_prototypes(self):
        same("in lib/libvirtiso.map", self.mapped(), self.public)
        same("versions of the library's symbols", self.exported().items(), self.mapped().items())

    def check_node_of_the_map_is_the_release_of_since(self):
        for function in self.functions:
            node = self.mapped().get(function.name)
            assert node == f"VIRTISO_{function.doc.since}", f"{function.name}: since {function.doc.since}, in node {node}"

    def check_soname(self):
        found = re.search(r"SONAME.*\[(.*)\]", output("readelf", "-d", self.options.library))
        assert found and found[1] == "libvirtiso.so.0", f"soname {found and found[1]}"

    def check_a_program_with_every_symbol_links_and_runs(self):
        rows = "".join(f"\t(any_function){name},\n" for name in self.public)
        program = ("#include <stdio.h>\n#include <virtiso.h>\ntypedef void (*any_function)(void);\n"
                   f"static any_function const all[] = {{\n{rows}}};\n"
                   "int main(void)\n{\n\tsize_t i, n = 0;\n\tfor (i = 0; i < sizeof(all) / sizeof(all[0]); i++)\n"
                   '\t\tn += all[i] != 0;\n\tprintf("%zu %d", n, viso_version());\n\treturn 0;\n}\n')
        with tempfile.TemporaryDirectory() as directory:
            source, binary = Path(directory, "all.c"), Path(directory, "all")
            source.write_text(program)
            library = Path(self.options.library).resolve()
            done = run(*self.options.cc.split(), *self.options.link_args.split(), "-std=c17", *WARNINGS, "-I",
                       ROOT / "include", source, "-o", binary, library, f"-Wl,-rpath,{library.parent}")
            assert done.returncode == 0, done.stderr
            version = ".".join(self.version_macros())
            number = sum(int(part) << shift for part, shift in zip(version.split("."), (16, 8, 0)))
            printed = output(binary)
            assert printed == f"{len(self.public)} {number}", f"printed {printed}, not {len(self.public)} {number}"

    # What is documented

    def check_every_prototype_is_documented(self):
        same("documented functions", [f.name for f in self.functions], self.public)
        assert len(self.public) == len(set(self.public)), "a prototype occurs twice"

    def check_comments_are_complete(self):
        wrong = []
        for function in self.functions:
            doc = function.doc
            names = [name for _, name in function.params]
            if list(doc.params) != names:
                wrong.append(f"{function.name}: @param {list(doc.params)} of {names}")
            if not doc.brief or not all(doc.params.values()):
                wrong.append(f"{function.name}: no text")
            if (function.returns != "void") != bool(doc.returns):
                wrong.append(f"{function.name}: @return")
            if not doc.threads or not re.fullmatch(r"\d+\.\d+", doc.since):
                wrong.append(f"{function.name}: Threads: or Since:")
        assert not wrong, "; ".join(wrong)

    def check_every_declaration_is_documented(self):
        for header in self.headers:
            documented = len(header.types) + len(header.enums)
            assert header.doc.text, f"{header.name}: no @file comment"
            assert documented == len(re.findall(r"^typedef\b", header.text, re.MULTILINE)), f"{header.name}: a typedef"
            for item in header.types + header.enums + header.macros:
                assert item.doc.text, f"{item.name}: no comment"
            for enum in header.enums:
                assert all(text for _, _, text in enum.values), f"{enum.name}: a value without comment"

    def check_names_follow_the_noun(self):
        for header in self.headers:
            for name in doxygen.public_names(header):
                assert re.fullmatch(r"viso_[a-z]+(_[a-z0-9]+)*", name), name

    def check_man_pages(self):
        if not self.options.man:
            raise Skip("man pages in this build (-Dman=enabled)")
        pages = {path.stem for path in Path(self.options.man).glob("*.3")}
        functions = {page for page in pages if not Path(self.options.man, page + ".3").read_text().startswith(".so")}
        same("man pages of functions", {page for page in functions if page.startswith("viso_")}, self.public)
        assert "virtiso" in pages
        for header in self.headers:
            for item in header.types + header.enums:
                assert item.name in pages, f"no man page {item.name}"

    def check_news(self):
        text = (ROOT / "NEWS.md").read_text()
        same("functions named in NEWS.md", re.findall(r"`(viso_\w+)`", text), self.public)
        assert f"## {self.version()}" in text, f"NEWS.md has no section for {self.version()}"

    def check_every_handle_is_tested_for_null(self):
        tested = "".join(path.read_text() for path in sorted((ROOT / "tests/unit").glob("test_bad_*.c")))
        handles = {item.name for header in self.headers for item in header.types}
        with_handle = [f.name for f in self.functions if any(kind.strip(" *").split()[-1] in handles for kind, _ in f.params)]
        missing = [name for name in with_handle if name + "(" not in tested]
        assert not missing, f"not in tests/unit/test_bad_*.c: {missing}"

    def check_every_call_is_tested_to_leave_the_host_alone(self):
        tested = "".join(path.read_text() for path in sorted((ROOT / "tests/unit").glob("test_*_untouched.c")))
        missing = [name for name in self.public if name + "(" not in tested]
        assert not missing, f"not in tests/unit/test_*_untouched.c: {missing}"

    # The headers themselves

    def compile(self, compiler, standard, language, text):
        done = run(*compiler.split(), f"-std={standard}", *WARNINGS, "-fsyntax-only", "-x", language, "-I", ROOT / "include",
                   "-", input=text)
        assert done.returncode == 0, f"{text.strip()} in {standard}: {done.stderr}"

    def check_every_header_compiles_alone_in_c17(self):
        for header in self.headers:
            self.compile(self.options.cc, "c17", "c", f"#include <{header.name}>\nint viso_not_empty;\n")

    def check_every_header_compiles_alone_in_cpp11(self):
        compiler = need("g++")
        for header in self.headers:
            self.compile(compiler, "c++11", "c++", f"#include <{header.name}>\nint viso_not_empty;\n")

    def check_headers_have_no_code_and_no_structures(self):
        for header in self.headers:
            code = re.sub(r"/\*.*?\*/", "", header.text, flags=re.DOTALL)
            assert not re.search(r"\binline\b", code), f"{header.name}: inline"
            assert not re.search(r"\b(struct|union)\s+\w*\s*\{", code), f"{header.name}: a structure"
            assert not re.search(r"\bbool\b|\blong\b|\boff_t\b|\bpid_t\b|\btime_t\b", code), f"{header.name}: width"

    def check_headers_use_no_other_library(self):
        types = {item.name for header in self.headers for item in header.types + header.enums}
        for header in self.headers:
            for include in re.findall(r"#include [<\"](.*?)[>\"]", header.text):
                assert include in OWN_HEADERS or include.startswith("virtiso/"), f"{header.name} includes {include}"
            for function in header.functions:
                words = {word for kind in [function.returns] + [kind for kind, _ in function.params]
                         for word in re.findall(r"\w+", kind)}
                assert words <= PLAIN_TYPES | types, f"{function.name}: {sorted(words - PLAIN_TYPES - types)}"

    def check_enums_have_a_fixed_width(self):
        for header in self.headers:
            for enum in header.enums:
                name, number, _ = enum.values[-1]
                assert name.endswith("_ENUM_WIDTH_") and number == 0x7fffffff, f"{enum.name} ends with {name}"
                numbers = [number for _, number, _ in enum.values]
                assert len(numbers) == len(set(numbers)), f"{enum.name}: a number occurs twice"

    def check_umbrella_includes_every_header(self):
        present = {f"virtiso/{path.name}" for path in (ROOT / "include/virtiso").glob("*.h")}
        same("headers of virtiso.h", {header.name for header in self.headers[1:]}, present - FOR_GUESTS)
        installed = re.findall(r"'(virtiso/\w+\.h)'", (ROOT / "include/meson.build").read_text())
        same("installed headers", installed, present)

    # Versions

    def version(self):
        return re.search(r"\bversion: '([\d.]+)'", (ROOT / "meson.build").read_text())[1]

    def version_macros(self):
        text = (ROOT / "include/virtiso/version.h").read_text()
        return [re.search(rf"#define VISO_VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR", "MICRO")]

    def check_version_of_project_and_header(self):
        found = ".".join(self.version_macros())
        assert found == self.version(), f"version.h has {found}, meson.build {self.version()}"

    # Against earlier releases: tests/abi/VERSION.abi is what abidw(1) said of the library of that release

    def check_abi_of_releases(self):
        for dump in DUMPS:
            done = run(need("abidiff"), "--no-added-syms", dump, self.options.library)
            assert done.returncode == 0, f"{dump.name}:\n{done.stdout}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--library", required=True)
    parser.add_argument("--man", default="", help="directory of the man pages, where the build has them")
    parser.add_argument("--cc", default="cc")
    parser.add_argument("--link-args", default="")
    abi = Abi(parser.parse_args())
    checks = [name for name in dir(abi) if name.startswith("check_") and (DUMPS or "releases" not in name)]
    print(f"1..{len(checks)}")
    os.environ["LC_ALL"] = "C"
    failed = 0
    for number, name in enumerate(checks, 1):
        title = name.removeprefix("check_")
        try:
            getattr(abi, name)()
            print(f"ok {number} - {title}")
        except Skip as missing:
            print(f"# missing: {missing}\nok {number} - {title} # SKIP missing: {missing}")
        except AssertionError as error:
            failed = 1
            print(f"not ok {number} - {title}")
            print("\n".join(f"# {line}" for line in str(error).splitlines()))
    sys.exit(failed)


main()
