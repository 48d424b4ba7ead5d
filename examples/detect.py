#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where does this program run, what drivers and tools of its hypervisor are here, and what of libvirtiso works?

As viso-detect in C, with the same options, JSON and exit statuses.
"""

import argparse
import json
import sys

import virtiso

EXIT_NO, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3


def answer(value):
    return {None: "unknown", True: "yes", False: "no"}[value]


def layer(of):
    evidence = []
    for item in of.evidence:
        evidence.append({"side": item.side.name.lower(), "source": item.source, "value": item.value})
        if item.error:
            evidence[-1]["errno"] = item.error
    return {
        "id": of.id,
        "name": of.name,
        "kind": of.kind.label,
        "role": of.role.label,
        "confidence": of.confidence.label,
        "evidence": evidence,
    }


def driver(of):
    fields = of._asdict()
    fields.update(family=of.family.label, state=of.state.label, devices=[device._asdict() for device in of.devices])
    return fields


def tool(of):
    fields = of._asdict()
    fields.update({"family": of.family.label, **{name: answer(fields[name]) for name in ("installed", "running", "channel")}})
    return fields


def report(machine):
    """All that is known, as examples/viso-detect/schema.json has it."""
    found = {
        "schema": 1,
        "layers": [layer(of) for of in machine.layers],
        "refuted": [layer(of) for of in machine.refuted],
        "families": {of.label: answer(value) for of, value in machine.families.items()},
        "drivers": [driver(of) for of in machine.drivers],
        "tools": [tool(of) for of in machine.tools],
        "paravirtual": [
            {**of._asdict(), "offered": answer(of.offered), "used": answer(of.used)} for of in machine.paravirtual
        ],
        "hypercall": {
            "way": machine.hypercall.way.label,
            "detail": machine.hypercall.detail,
        },
    }
    try:
        features = machine.features
    except virtiso.NotSupported:  # of a captured machine nothing can be tried
        return found
    found["features"] = [{"name": of.name, "works": of.works, "detail": of.detail} for of in features]
    return found


def print_text(machine):
    for title, layers in (("Layers, from the outermost:", machine.layers), ("Not so, or not found:", machine.refuted)):
        print(title)
        for of in map(layer, layers):
            print(f"  {of['kind']}: {of['name']} ({of['id']}), as {of['role']}, {of['confidence']}")
            for item in of["evidence"]:
                print(f"    {item['side']:8}  {item['source']}: {item['value']}")
    print("Drivers of use here:")
    for of in machine.drivers:
        if of.state != virtiso.DriverState.NOT_APPLICABLE:
            print(f"  {of.name:26}  {of.state.label:9}  {of.detail} {of.package}")
    print("Guest tools, installed, running, with a channel:")
    for of in machine.tools:
        if machine.families[of.family]:
            print(f"  {of.name:26}  {answer(of.installed):8}  {answer(of.running):8}  {answer(of.channel):8}  {of.package}")
    print(f"Hypercalls: {machine.hypercall.detail}")
    for of in report(machine).get("features", []):
        print(f"{of['name']:18} {'yes' if of['works'] else 'no':4} {of['detail']}")


def answer_shortly(machine, arguments):
    """As systemd-detect-virt(1): one word, and the exit status."""
    anything = not (arguments.vm or arguments.container or arguments.chroot)
    kinds = [virtiso.LayerKind.CHROOT] if arguments.chroot else []
    kinds += [virtiso.LayerKind.CONTAINER] if arguments.container or anything else []
    kinds += [virtiso.LayerKind.HYPERVISOR] if arguments.vm or anything else []
    unknown = False
    for kind in kinds:
        inside = machine.inside(kind)
        unknown |= inside is None
        if inside:
            of = [of for of in machine.layers if of.kind == kind and of.role == virtiso.LayerRole.GUEST and of.confidence][-1]
            if not (arguments.quiet or arguments.chroot):
                print(of.id)
            return 0
    if not (arguments.quiet or arguments.chroot):
        print("unknown" if unknown else "none")
    return EXIT_UNKNOWN if unknown else EXIT_NO


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="for programs; the schema is viso-detect/schema.json")
    parser.add_argument("-v", "--vm", action="store_true", help="only the hypervisor: its id, or none; exit status 0 or 1")
    parser.add_argument("-c", "--container", action="store_true", help="only the container")
    parser.add_argument("-r", "--chroot", action="store_true", help="only whether this is a chroot")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing")
    parser.add_argument("--capture", metavar="DIRECTORY", help="write all that this machine tells into a new directory")
    parser.add_argument("--from", dest="source", metavar="DIRECTORY", help="examine what was captured")
    arguments = parser.parse_args()
    if arguments.capture:
        virtiso.Machine.capture(arguments.capture)
        return 0
    machine = virtiso.Machine(arguments.source)
    if arguments.vm or arguments.container or arguments.chroot or arguments.quiet:
        return answer_shortly(machine, arguments)
    if arguments.json:
        print(json.dumps(report(machine), indent=2))
    else:
        print_text(machine)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except virtiso.Error as error:
        print(f"detect.py: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
