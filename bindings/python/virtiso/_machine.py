# SPDX-License-Identifier: MIT
"""What of the library works on this host."""

from __future__ import annotations

from typing import NamedTuple, Tuple, Union

from . import native
from ._enums import Feature, by_name


class FeatureReport(NamedTuple):
    """A feature, whether it works here, and how, or why not."""

    feature: Feature
    name: str
    works: bool
    detail: str


class Machine:
    """What of the library works on this host for this user, found out when it is made.

    >>> machine = virtiso.Machine()
    >>> machine.supports("guest")
    False
    >>> machine.detail("guest")
    '/dev/kvm is missing ...'
    """

    def __init__(self) -> None:
        self._handle = native.viso_machine_new()

    def supports(self, feature: Union[Feature, str]) -> bool:
        """Whether a feature works here; by name: "jail", "container", "guest", "memory_limit", ..."""
        return bool(native.viso_machine_feature(self._handle, by_name(Feature, feature)))

    def detail(self, feature: Union[Feature, str]) -> str:
        """How a feature works here, or why it does not and what would help."""
        return native.viso_machine_detail(self._handle, by_name(Feature, feature))

    @property
    def features(self) -> Tuple[FeatureReport, ...]:
        """All features."""
        return tuple(
            FeatureReport(feature, native.viso_feature_name(feature) or "", self.supports(feature), self.detail(feature))
            for feature in Feature
        )

    def __repr__(self) -> str:
        works = ", ".join(report.name for report in self.features if report.works)
        return f"<virtiso.Machine: {works}>"
