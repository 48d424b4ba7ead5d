#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Where does this program run, what drivers and tools of its hypervisor are here, and what of libvirtiso works?

As viso-detect in C, with the same options, JSON and exit statuses.
"""

import argparse
import json
import os
import sys

import virtiso

EXIT_NO, EXIT_USAGE, EXIT_UNKNOWN = 1, 2, 3
EXIT_STATUS = "Exit status of -v, -c, -r and -q: 0 it is so, 1 it is not, 3 it could not be found out; 2 is a failure."


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


def print_features(features):
    for of in features:
        print(f"{of.name:18} {'yes' if of.works else 'no':4} {of.detail}")


def print_layers(title, layers, is_refuted):
    """What was refuted has no role; the confidence is that in its absence."""
    print(title)
    for of in layers:
        belief = "absence " if is_refuted else f"as {of.role.label}, "
        told = f"{of.name} ({of.id}), {belief}{of.confidence.label}" if of.confidence else "unknown"
        print(f"  {of.kind.label}: {told}")
        for item in of.evidence:
            print(f"    {item.side.name.lower():8}  {item.source}: {os.strerror(item.error) if item.error else item.value}")


def print_text(machine):
    print_layers("Layers, from the outermost:", machine.layers, False)
    print_layers("Not so, or not found:", machine.refuted, True)
    print("Drivers of use here:")
    for of in machine.drivers:
        if of.state != virtiso.DriverState.NOT_APPLICABLE and (of.state != virtiso.DriverState.UNKNOWN or machine.families[of.family]):
            print(f"  {of.name:26}  {of.state.label:9}  {of.detail} {of.package}")
    print("Guest tools, installed, running, with a channel:")
    for of in machine.tools:
        if machine.families[of.family]:
            print(f"  {of.name:26}  {answer(of.installed):8}  {answer(of.running):8}  {answer(of.channel):8}  {of.package}")
    print(f"Hypercalls: {machine.hypercall.detail}")
    try:
        print_features(machine.features)
    except virtiso.NotSupported:  # of a captured machine nothing can be tried
        pass


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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], epilog=EXIT_STATUS)
    parser.add_argument("--json", action="store_true", help="for programs; the schema is viso-detect/schema.json")
    parser.add_argument("-v", "--vm", action="store_true", help="only the hypervisor: its id, none or unknown")
    parser.add_argument("-c", "--container", action="store_true", help="only the container, in the same way")
    parser.add_argument("-r", "--chroot", action="store_true", help="only whether this is a chroot, by the exit status")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing: only the exit status")
    parser.add_argument("--capture", metavar="DIRECTORY", help="write all that this machine tells into a new directory")
    parser.add_argument("--from", dest="source", metavar="DIRECTORY", help="examine what was captured")
    parser.add_argument("--features", action="store_true", help="only what of libvirtiso works here, and why something does not")
    arguments = parser.parse_args()
    shortly = arguments.vm or arguments.container or arguments.chroot or arguments.quiet
    forms = [arguments.json, arguments.features, shortly, bool(arguments.capture)]
    if sum(forms) > 1 or (arguments.capture and arguments.source):
        parser.error("these options exclude each other")
    if arguments.capture:
        virtiso.Machine.capture(arguments.capture)
        return 0
    machine = virtiso.Machine(arguments.source)
    if shortly:
        return answer_shortly(machine, arguments)
    if arguments.json:
        print(json.dumps(report(machine), indent=2))
    elif arguments.features:
        print_features(machine.features)
    else:
        print_text(machine)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except virtiso.Error as error:
        print(f"detect.py: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
