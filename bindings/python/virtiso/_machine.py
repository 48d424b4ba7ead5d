# SPDX-License-Identifier: MIT
"""Where a program runs, what drivers and tools are there, and what of the library works."""

from __future__ import annotations

from typing import Dict, NamedTuple, Optional, Tuple, Union

from . import native
from ._enums import Confidence, DriverState, EvidenceSide, Family, Feature, HypercallWay, LayerKind, LayerRole, by_name
from ._paths import StrPath


class FeatureReport(NamedTuple):
    """A feature, whether it works here, and how, or why not."""

    feature: Feature
    name: str
    works: bool
    detail: str


class Evidence(NamedTuple):
    """Something that speaks for or against a layer, or could not be read: then ``error`` is its errno."""

    side: EvidenceSide
    source: str
    value: str
    error: int


class Layer(NamedTuple):
    """A layer around a program: a hypervisor, container, ..., by an id that stays the same and a name for people.

    Its kind, role and confidence are numbers that have a ``name`` and a ``label``; confidences can be compared. Of what was refuted
    the confidence is that in its absence, and the role has no meaning.
    """

    id: str
    name: str
    kind: LayerKind
    role: LayerRole
    confidence: Confidence
    evidence: Tuple[Evidence, ...]


class Device(NamedTuple):
    """A device that a driver is for; ``bound`` is the driver that it has, "" none, "?" not known."""

    name: str
    alias: str
    bound: str


class Driver(NamedTuple):
    """A kernel module of a guest, and how it stands with it. ``package`` is what brings it where it is missing."""

    name: str
    family: Family
    state: DriverState
    detail: str
    package: str
    devices: Tuple[Device, ...]
    evidence: Tuple[str, ...]


class Tool(NamedTuple):
    """A program of guest tools; None where something could not be found out."""

    name: str
    family: Family
    installed: Optional[bool]
    running: Optional[bool]
    channel: Optional[bool]
    package: str
    evidence: Dict[str, str]


class ParavirtualFeature(NamedTuple):
    """A paravirtual feature of KVM; None where something could not be found out."""

    name: str
    offered: Optional[bool]
    used: Optional[bool]
    detail: str


class HypercallReport(NamedTuple):
    """How the hypervisor is called from here."""

    way: HypercallWay
    detail: str


_ANSWERS = {
    native.VISO_ANSWER_NO: False,
    native.VISO_ANSWER_YES: True,
    native.VISO_ANSWER_UNKNOWN: None,
}


class Machine:
    """Where this program runs, or where a captured machine is, and what of the library works here.

    :param directory: what :meth:`capture` or viso-detect wrote, to be examined in the place of this machine

    >>> machine = virtiso.Machine()
    >>> [layer.id for layer in machine.layers]
    ['kvm', 'firecracker']
    >>> machine.supports("guest")
    False
    >>> machine.detail("guest")
    '/dev/kvm is missing ...'
    """

    def __init__(self, directory: Optional[StrPath] = None) -> None:
        self._handle = native.viso_machine_new() if directory is None else native.viso_machine_new_from(directory)

    @staticmethod
    def capture(directory: StrPath) -> None:
        """Write down all that this machine tells, into a new directory."""
        native.viso_machine_capture(directory)

    def supports(self, feature: Union[Feature, str]) -> bool:
        """Whether a feature works here; by name: "jail", "container", "guest", "memory_limit", ...; see :class:`Feature`."""
        return bool(native.viso_machine_feature(self._handle, by_name(Feature, feature)))

    def detail(self, feature: Union[Feature, str]) -> str:
        """How a feature works here, or why it does not and what would help."""
        return native.viso_machine_detail(self._handle, by_name(Feature, feature))

    @property
    def features(self) -> Tuple[FeatureReport, ...]:
        """All features; of a captured machine, where they cannot be tried, :class:`NotSupported`."""
        return tuple(
            FeatureReport(feature, native.viso_feature_name(feature) or "", self.supports(feature), self.detail(feature))
            for feature in Feature
        )

    def inside(self, kind: Union[LayerKind, str]) -> Optional[bool]:
        """Whether this is inside of a "hypervisor", "container", "chroot", ...; None where that could not be found out."""
        return native.viso_machine_inside(self._handle, by_name(LayerKind, kind))

    @property
    def layers(self) -> Tuple[Layer, ...]:
        """The layers around the program, from the outermost."""
        return tuple(self._layer(i) for i in range(native.viso_machine_layer_count(self._handle)))

    @property
    def refuted(self) -> Tuple[Layer, ...]:
        """What was suspected, or looked for, and is not there."""
        first = native.viso_machine_layer_count(self._handle)
        return tuple(self._layer(first + i) for i in range(native.viso_machine_refuted_count(self._handle)))

    def _layer(self, layer: int) -> Layer:
        handle = self._handle
        return Layer(
            native.viso_machine_layer_id(handle, layer),
            native.viso_machine_layer_name(handle, layer),
            LayerKind(native.viso_machine_layer_kind(handle, layer)),
            LayerRole(native.viso_machine_layer_role(handle, layer)),
            Confidence(native.viso_machine_layer_confidence(handle, layer)),
            tuple(self._evidence(layer, i) for i in range(native.viso_machine_evidence_count(handle, layer))),
        )

    def _evidence(self, layer: int, evidence: int) -> Evidence:
        return Evidence(
            EvidenceSide(native.viso_machine_evidence_side(self._handle, layer, evidence)),
            native.viso_machine_evidence_source(self._handle, layer, evidence),
            native.viso_machine_evidence_value(self._handle, layer, evidence),
            native.viso_machine_evidence_error(self._handle, layer, evidence),
        )

    @property
    def families(self) -> Dict[Family, Optional[bool]]:
        """Whether the drivers and tools of a family would be of use here; None where that could not be found out."""
        return {family: _ANSWERS[native.viso_machine_family(self._handle, family)] for family in Family}

    @property
    def drivers(self) -> Tuple[Driver, ...]:
        """The kernel modules of guests, those of no use here included."""
        return tuple(self._driver(i) for i in range(native.viso_machine_driver_count(self._handle)))

    def _driver(self, driver: int) -> Driver:
        handle = self._handle
        return Driver(
            native.viso_machine_driver_name(handle, driver),
            Family(native.viso_machine_driver_family(handle, driver)),
            DriverState(native.viso_machine_driver_state(handle, driver)),
            native.viso_machine_driver_detail(handle, driver),
            native.viso_machine_driver_package(handle, driver),
            tuple(
                Device(
                    native.viso_machine_driver_device(handle, driver, i),
                    native.viso_machine_driver_device_alias(handle, driver, i),
                    native.viso_machine_driver_bound(handle, driver, i),
                )
                for i in range(native.viso_machine_driver_device_count(handle, driver))
            ),
            tuple(
                native.viso_machine_driver_evidence(handle, driver, i)
                for i in range(native.viso_machine_driver_evidence_count(handle, driver))
            ),
        )

    @property
    def tools(self) -> Tuple[Tool, ...]:
        """The programs of guest tools, those of no use here included."""
        return tuple(self._tool(i) for i in range(native.viso_machine_tool_count(self._handle)))

    def _tool(self, tool: int) -> Tool:
        handle = self._handle
        aspects = {
            "installed": native.VISO_TOOL_INSTALLED,
            "running": native.VISO_TOOL_RUNNING,
            "channel": native.VISO_TOOL_CHANNEL,
        }
        installed, running, channel = (_ANSWERS[native.viso_machine_tool(handle, tool, aspect)] for aspect in aspects.values())
        return Tool(
            native.viso_machine_tool_name(handle, tool),
            Family(native.viso_machine_tool_family(handle, tool)),
            installed,
            running,
            channel,
            native.viso_machine_tool_package(handle, tool),
            {name: native.viso_machine_tool_evidence(handle, tool, aspect) for name, aspect in aspects.items()},
        )

    @property
    def paravirtual(self) -> Tuple[ParavirtualFeature, ...]:
        """The paravirtual features of KVM that the library knows."""
        handle = self._handle
        return tuple(
            ParavirtualFeature(
                native.viso_machine_paravirtual_name(handle, i),
                _ANSWERS[native.viso_machine_paravirtual_offered(handle, i)],
                _ANSWERS[native.viso_machine_paravirtual_used(handle, i)],
                native.viso_machine_paravirtual_detail(handle, i),
            )
            for i in range(native.viso_machine_paravirtual_count(handle))
        )

    @property
    def hypercall(self) -> HypercallReport:
        """How the hypervisor is called from here; in a guest of this library ``way`` is ``HypercallWay.LIBVIRTISO``."""
        return HypercallReport(
            HypercallWay(native.viso_machine_hypercall(self._handle)), native.viso_machine_hypercall_detail(self._handle)
        )

    def __repr__(self) -> str:
        return f"<virtiso.Machine: {', '.join(layer.id for layer in self.layers) or 'bare'}>"
