#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes the man pages from the doc comments of the public headers.

    make-man.py --list INCLUDE                 prints the names of the pages
    make-man.py --version X.Y.Z INCLUDE OUT    writes them into the directory OUT

There is a page for each function, one for each header (virtiso-root(3) and so on), the overview virtiso(3), and for each type an
alias of its header's page.
"""

import argparse
import errno
import os
import re
import sys
from pathlib import Path

sys.dont_write_bytecode = True
from doxygen import read_headers, squeeze  # noqa: E402

WIDTH = 72
ERRNOS = {name for name in dir(errno) if name.startswith("E")}
ERROR = re.compile(r"-?\b(E[A-Z0-9]{2,})\b")

# What an error means where the header does not say more.
COMMON = {
    "EINVAL": "An argument is NULL or not allowed.",
    "ENOMEM": "There is not enough memory.",
    "ECHILD": "The handle was made before a fork, by the parent process.",
    "EBUSY": "It is too late for that: the handle is in use already.",
    "ESTALE": "The sandbox is closed.",
}


def escape(text):
    text = text.replace("\\", "\\e").replace("^", "\\(ha").replace("~", "\\(ti")
    return re.sub(r"-(?=[A-Z0-9-])", r"\\-", text)


def roff(text, params=()):
    """Running text with fonts: parameters in italics; functions, constants and what is in backquotes in bold."""

    def quoted(found):
        font = "I" if found[1] in params else "B"
        return f"\\f{font}{found[1]}\\fR"

    text = re.sub(r"`([^`]+)`", quoted, escape(text))
    text = re.sub(r"\b(viso_\w+)\(\)", r"\\fB\1\\fR(3)", text)
    text = re.sub(r"(?<![\\\w(])([a-z][\w.]+)(\([1-8]\))", r"\\fB\1\\fR\2", text)
    text = re.sub(r"(?<!\\fB)\b(VISO_\w+)", r"\\fB\1\\fR", text)
    return re.sub(r"^([.'])", r"\\&\1", text)


def sentence(text):
    text = text.strip()
    if text[:1].islower() and "_" not in text.split()[0]:
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "?", "!")) else text + "."


def paragraphs(text, params=()):
    lines = []
    for block in text:
        if isinstance(block, list):
            for item in block:
                lines += [".IP \\(bu 2", roff(item, params)]
        else:
            lines += [".PP", roff(block, params)]
    return lines


def title(name, version, brief):
    # The longest names, on both sides of the head, leave no room for a third text between them.
    middle = "libvirtiso" if len(name) < 30 else ""
    return [f'.TH {name} 3 "" "libvirtiso {version}" "{middle}"', ".nh", ".ad l",
            ".SH NAME", f"{name} \\- {roff(brief)}"]


def prototype(function):
    """The declaration in lines that fit; parameters in italics."""
    pad = "" if function.returns.endswith("*") else " "
    head = f"{function.returns}{pad}{function.name}("
    pieces = [(t, n) for t, n in function.params] or [("void", "")]
    lines, width = ["\\fB" + head], len(head)
    for i, (kind, name) in enumerate(pieces):
        end = ");" if i == len(pieces) - 1 else ","
        length = len(kind) + len(name) + len(end) + 1
        if width + length > WIDTH:
            lines.append("    ")
            width = 4
        elif i:
            lines[-1] += " "
        lines[-1] += f"\\fB{kind}\\fI{name}\\fB{end}"
        width += length
    return [".nf", ".B #include <virtiso.h>", ".PP"] + [line + "\\fR" for line in lines] + [".fi"]


def share_meaning(names, meaning):
    """What is said behind the last of several errors holds for all; nothing or a mere conjunction says nothing."""
    meaning = re.sub(r",? ?\b(or|or with|with)$", "", meaning)
    if meaning.count("(") < meaning.count(")"):
        meaning = meaning.replace(")", "", 1).strip()
    return [(names, meaning)] if meaning else [([name], "") for name in names]


def split_returns(text):
    """A @return text as (value, [(names, meaning)], notes)."""
    value, _, notes = re.sub(r"\.\s+(?=[A-Z])", ".\0", text, count=1).partition("\0")
    found = [m for m in ERROR.finditer(value) if m[1] in ERRNOS]
    items, names = [], []
    for i, match in enumerate(found):
        end = found[i + 1].start() if i + 1 < len(found) else len(value)
        meaning = value[match.end():end].strip(" ,;.")
        names.append(match[1])
        if meaning == "or" and match[0].startswith("-"):
            continue
        meaning, also, source = meaning.partition(", and what ")
        if also:
            notes = f"Also what {source}. {notes}".strip()
        items += share_meaning(names, meaning)
        names = []
    if found and found[0][0].startswith("-"):
        value = value[:found[0].start()].rstrip(" ,;:(")
    return value, items, notes


def return_value(function):
    value, items, notes = split_returns(function.doc.returns)
    negative = function.returns in ("int", "int64_t") and (items or "negative errno" in value)
    value, _, others = re.sub(r"[,;]? or a negative errno( as |$)", "\0", value).partition("\0")
    if others:
        notes = f"Also the errors of {others.rstrip('.')}. {notes}".strip()
    value = "0 on success" if value == "0" else value
    params = function.doc.params
    lines = [".SH RETURN VALUE", roff(sentence(value), params)]
    if negative:
        lines.append("On failure a negative errno, and \\fBviso_error_message\\fR(3) says why.")
    if not items and not notes:
        return lines
    lines.append(".SH ERRORS")
    for names, meaning in items:
        meaning = sentence(meaning) if meaning else COMMON.get(names[-1], sentence(os.strerror(getattr(errno, names[-1]))))
        sign = "\\-" if negative else ""
        lines += [".TP", " or ".join(f"\\fB{sign}{name}\\fR" for name in names), roff(meaning, params)]
    if notes:
        lines += [".PP", roff(sentence(notes), params)]
    return lines


def see_also(names):
    unique = sorted({name for name in names if name}, key=lambda name: (name.split("(")[1], name))
    return [".SH SEE ALSO"] + [
        f".BR {name.split('(')[0]} ({name.split('(')[1]}{',' if i + 1 < len(unique) else ''}"
        for i, name in enumerate(unique)
    ]


def header_page(header):
    return "virtiso-" + header.name.removeprefix("virtiso/").removesuffix(".h")


def mentioned(function):
    """What a function's texts refer to, itself left out."""
    doc = function.doc
    text = " ".join([str(doc.text), str(doc.params), doc.returns, doc.threads])
    names = {f"{name}(3)" for name in re.findall(r"\b(viso_\w+)\(\)", text)}
    names |= set(re.findall(r"\b[a-z][\w.-]+\([1-8]\)", text + " " + doc.see))
    return names - {f"{function.name}(3)"}


def function_page(function, header, version):
    doc = function.doc
    lines = title(function.name, version, doc.brief[:1].lower() + doc.brief[1:])
    lines += [".SH SYNOPSIS"] + prototype(function)
    lines += [".SH DESCRIPTION"] + paragraphs(doc.text, doc.params)
    if doc.params:
        lines.append(".SH PARAMETERS")
        for name, text in doc.params.items():
            lines += [".TP", f".I {name}", roff(sentence(text), doc.params)]
    if doc.returns:
        lines += return_value(function)
    lines += [".SH THREADS", roff(sentence(doc.threads), doc.params)]
    lines += see_also({f"{header_page(header)}(3)", "viso_error_message(3)", "virtiso(3)"} | mentioned(function)
                      - {f"{function.name}(3)"})
    lines += [".SH HISTORY", f"\\fB{function.name}\\fR() is there since libvirtiso {doc.since}."]
    return lines


def enum_lines(enum):
    lines = [f".SS enum {enum.name}"] + paragraphs(enum.doc.text)
    for name, number, text in enum.values:
        if not name.endswith("_"):
            lines += [".TP", f"\\fB{name}\\fR = {number}", roff(sentence(text))]
    return lines


def noun_page(header, version):
    brief = header.doc.brief
    lines = title(header_page(header), version, brief[:1].lower() + brief[1:])
    lines += [".SH SYNOPSIS", ".B #include <virtiso.h>", ".SH DESCRIPTION"] + paragraphs(header.doc.text)
    if header.types or header.enums or header.macros:
        lines.append(".SH TYPES AND CONSTANTS")
    for item in header.types + header.macros:
        declaration = squeeze(re.sub(r"^(enum|struct) ", "", item.declaration)) if "(" in item.declaration else item.name
        lines += [".TP", f"\\fB{escape(declaration)}\\fR", *paragraphs(item.doc.text)[1:]]
    for enum in header.enums:
        lines += enum_lines(enum)
    if header.functions:
        lines.append(".SH FUNCTIONS")
    for function in header.functions:
        lines += [".TP", f".BR {function.name} (3)", roff(sentence(function.doc.brief))]
    return lines + see_also(["virtiso(3)", "viso_error_message(3)"])


def overview_page(umbrella, headers, version):
    lines = title("virtiso", version, umbrella.doc.brief.partition(": ")[2])
    lines += [".SH SYNOPSIS", ".nf", ".B #include <virtiso.h>", ".PP",
              "cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs libvirtiso)", ".fi", ".SH DESCRIPTION"]
    lines += paragraphs(umbrella.doc.text) + [".SH NOUNS"]
    for header in headers:
        if header.functions:
            lines += [".TP", f".BR {header_page(header)} (3)", roff(sentence(header.doc.brief))]
    return lines + see_also(["viso_sandbox_run(3)", "viso_machine_new(3)", "viso_error_message(3)"])


def make_pages(include, version):
    """Name of each page: its lines."""
    umbrella, *headers = read_headers(include)
    pages = {"virtiso.3": overview_page(umbrella, headers, version)}
    for header in headers:
        if not (header.functions or header.types or header.enums):
            continue
        pages[header_page(header) + ".3"] = noun_page(header, version)
        for item in header.types + header.enums:
            pages[item.name + ".3"] = [f".so man3/{header_page(header)}.3"]
        for function in header.functions:
            pages[function.name + ".3"] = function_page(function, header, version)
    return pages


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--version", default="")
    parser.add_argument("include")
    parser.add_argument("out", nargs="?")
    options = parser.parse_args()
    pages = make_pages(options.include, options.version)
    if options.list:
        print("\n".join(sorted(pages)))
        return
    for name, lines in pages.items():
        Path(options.out, name).write_text("\n".join(lines) + "\n")


main() if __name__ == "__main__" else None
