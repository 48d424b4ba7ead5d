# SPDX-License-Identifier: MIT
"""Reads the public headers: declarations with their doc comments. For make-man.py and tests/abi."""

import re
from dataclasses import dataclass, field
from pathlib import Path

COMMENT = re.compile(r"/\*\*(?!<)(.*?)\*/\s*", re.DOTALL)
PUBLIC = re.compile(r"^VISO_PUBLIC\b(.*?);", re.DOTALL | re.MULTILINE)
TAG = re.compile(r"@(file|param|return)\b\s*|(Threads|Since|See):\s*")


@dataclass
class Doc:
    """A doc comment: paragraphs (a list is a list of its items), and what the tags say."""

    text: list = field(default_factory=list)
    params: dict = field(default_factory=dict)
    returns: str = ""
    threads: str = ""
    since: str = ""
    see: str = ""

    @property
    def brief(self):
        """The first sentence."""
        first = self.text[0] if self.text else ""
        return re.split(r"(?<=\.)\s", first, maxsplit=1)[0].rstrip(".")


@dataclass
class Function:
    name: str
    returns: str  # type
    params: list  # (declaration without the name, name)
    doc: Doc


@dataclass
class Enum:
    name: str
    values: list  # (name, number, text)
    doc: Doc


@dataclass
class Type:
    """An opaque type or a callback; `declaration` without the typedef."""

    name: str
    declaration: str
    doc: Doc


@dataclass
class Macro:
    name: str
    declaration: str  # name with parameters
    doc: Doc


@dataclass
class Header:
    name: str  # as in #include <...>
    text: str
    doc: Doc = field(default_factory=Doc)
    functions: list = field(default_factory=list)
    enums: list = field(default_factory=list)
    types: list = field(default_factory=list)
    macros: list = field(default_factory=list)


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def comment_lines(comment):
    return [re.sub(r"^\s*\* ?", "", line).rstrip() for line in comment.strip("\n").split("\n")]


def append_text(text, line, new_paragraph):
    """Adds a line to the paragraphs; items of a list begin with " - "."""
    if re.match(r"\s*- ", line):
        if new_paragraph or not text or not isinstance(text[-1], list):
            text.append([])
        text[-1].append(squeeze(line.lstrip()[2:]))
    elif new_paragraph or not text:
        text.append(squeeze(line))
    elif isinstance(text[-1], list):
        text[-1][-1] += " " + squeeze(line)
    else:
        text[-1] += " " + squeeze(line)


def parse_doc(comment):
    doc = Doc()
    tag, new_paragraph = None, False
    for line in comment_lines(comment):
        if not line.strip():
            tag, new_paragraph = None, True
            continue
        found = TAG.match(line)
        if found:
            tag = found[1] or found[2].lower()
            line = line[found.end():]
            if tag == "param":
                name, _, line = line.partition(" ")
                doc.params[name] = ""
            if tag == "file":
                tag = None
                continue
        if tag is None:
            append_text(doc.text, line, new_paragraph)
        elif tag == "param":
            doc.params[name] = squeeze(doc.params[name] + " " + line)
        else:
            key = "returns" if tag == "return" else tag
            setattr(doc, key, squeeze(getattr(doc, key) + " " + line))
        new_paragraph = False
    return doc


def split_param(param):
    """A parameter as (type, name)."""
    found = re.match(r"(.*?)(\w+)$", param)
    return (found[1], found[2])


def parse_function(declaration, doc):
    found = re.match(r"(.*?)(\w+)\((.*)\)$", squeeze(re.sub(r"\bVISO_\w+", "", declaration)))
    params = [] if found[3] == "void" else [split_param(p.strip()) for p in found[3].split(",")]
    return Function(found[2], found[1].strip(), params, doc)


def parse_enum(declaration, doc):
    body, name = re.match(r"typedef enum \w+ \{(.*)\}\s*(\w+)$", declaration, re.DOTALL).groups()
    values = [(found[1], int(found[2], 0), squeeze(found[3] or ""))
              for found in re.finditer(r"(VISO_\w+) = (\w+),?\s*(?:/\*\*<(.*?)\*/)?", body, re.DOTALL)]
    return Enum(name, values, doc)


def parse_type(declaration, doc):
    declaration = squeeze(declaration).removeprefix("typedef ")
    found = re.search(r"\(\*(\w+)\)", declaration) or re.search(r"(\w+)$", declaration)
    return Type(found[1], declaration, doc)


def declaration_after(text, start):
    if text.startswith("#define", start):
        return text[start:text.index("\n", start)]
    if text.startswith("typedef enum", start):
        return text[start:text.index(";", text.index("}", start))]
    return text[start:text.index(";", start)]


def read_header(path, name):
    text = Path(path).read_text()
    header = Header(name, text)
    for comment in COMMENT.finditer(text):
        doc = parse_doc(comment[1])
        if "@file" in comment[1]:
            header.doc = doc
            continue
        declaration = declaration_after(text, comment.end())
        if declaration.startswith("#define"):
            found = re.match(r"#define ((\w+)(\([^)]*\))?)", declaration)
            header.macros.append(Macro(found[2], found[1], doc))
        elif declaration.startswith("typedef enum"):
            header.enums.append(parse_enum(declaration, doc))
        elif declaration.startswith("typedef"):
            header.types.append(parse_type(declaration, doc))
        elif declaration.startswith("VISO_PUBLIC"):
            header.functions.append(parse_function(declaration, doc))
    return header


def read_headers(include):
    """The umbrella header first, then those that it includes, in its order."""
    umbrella = read_header(Path(include) / "virtiso.h", "virtiso.h")
    names = re.findall(r"#include <(virtiso/\w+\.h)>", umbrella.text)
    return [umbrella] + [read_header(Path(include) / name, name) for name in names]


def public_names(header):
    """The functions that are marked VISO_PUBLIC, whether documented or not."""
    return [re.search(r"(\w+)\(", re.sub(r"\bVISO_\w+", "", found[1]))[1] for found in PUBLIC.finditer(header.text)]
