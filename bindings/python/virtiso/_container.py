# SPDX-License-Identifier: MIT
"""The container, and its options by subject."""

from __future__ import annotations

import os
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union

from . import native
from ._command import Command, File, Options, make_command
from ._container_options import Bind, Hook, IdMap, IoLimits, Port, Rule, Tmpfs
from ._enums import (
    CapabilitySet,
    Clock,
    HookPoint,
    IdKind,
    IoRate,
    Isolation,
    Landlock,
    MountFlag,
    Namespace,
    Network,
    Protocol,
    SeccompProfile,
    SyscallAction,
    by_name,
)
from ._paths import Bytes, StrPath
from ._root import Root
from ._sandbox import Sandbox, check_root
from ._units import Size, size_in_bytes

_Handle = native.viso_container


class Container(Sandbox):
    """A container: namespaces of its own, on the host's kernel. An ordinary user can have it where user namespaces are allowed.

    Without options it has the root, read-only, an empty /tmp, /proc and /dev of its own, a loopback interface, no capabilities,
    and a default seccomp profile. Sizes are bytes, or with K, M, G or T, such as "256M".

    Limits: of each command with all that it starts, or of the instance of :meth:`start`

    :param memory_max: memory; None or 0 for no limit
    :param memory_high: beyond it programs are slowed down
    :param swap_max: swap beside the memory; none where there is a memory limit
    :param processes_max: processes and threads
    :param cpu_max: CPU time of all processes together, in CPUs: 0.5, 2
    :param cpu_weight: the share of the CPU, 1 to 10000; others have 100
    :param cpus, memory_nodes: lists such as "0-3,8"
    :param io_max: by device: ``{"/dev/sda": {"write_bytes": "10M"}}``, also read_bytes, reads, writes
    :param io_weight: the share of input and output, as ``cpu_weight``
    :param hugetlb_max: by page size: ``{"2M": "64M"}``
    :param device_access: a device filter: devices that may be opened, ``{("c", 10, 200): "rw"}``, beside the usual ones
    :param cgroup: values for files of the control group: ``{"memory.low": "10M"}``
    :param cgroup_parent: below which group that of the container is made

    Files: by their path in the container, mounted in the order of the paths: what lies below another one comes later

    :param binds: files and directories of the host: a path, or a :class:`Bind`
    :param tmpfs: empty directories in memory: a size, or a :class:`Tmpfs`
    :param contents: read-only files in memory: bytes or text
    :param filesystems: file systems of the kernel: ``{"/sys": "sysfs"}``
    :param device_nodes: devices of the host, such as "/dev/fuse"
    :param read_only, masked: paths that cannot be written, that show as empty
    :param layers: further roots, laid over the root
    :param writable: "discard": what is written to the root goes to memory and is discarded; or the directory of the host that keeps
        it; "in_place": it goes to the root itself
    :param writable_max: how much may be written with "discard"

    Network

    :param network: "none", "host", "bridge", "macvlan", "ipvlan", or "user" (by pasta)
    :param interface: the bridge, or the parent interface
    :param addresses: such as ["10.0.0.2/24"]
    :param gateway, dns: addresses
    :param nat: whether a bridge lets connections out with an address of the host
    :param ports: of the host that lead to the container: ``{8080: 80}``, or a list of :class:`Port`

    Ids and namespaces

    :param hostname, domainname: what the program sees
    :param uid_map, gid_map: lists of :class:`IdMap`
    :param share: namespaces of the host that the container has, such as ["ipc"]
    :param join: namespaces by path or fd: ``{"network": "/proc/1234/ns/net"}``
    :param clocks: offsets in seconds: ``{"monotonic": 3600}``
    :param sysctls: kernel parameters of its own namespaces

    Security

    :param capabilities: those that the program has within the container's user namespace, such as "net_bind_service"
    :param capability_sets: single sets: ``{"chown": "bounding permitted"}``
    :param new_privileges: whether setuid programs have an effect
    :param seccomp: "default", "allow", "deny", "kill", "none", or the path of an OCI profile (with a slash)
    :param rules: for system calls, by :class:`Rule`
    :param landlock: paths that the program can reach at all: ``{"/": "read execute", "/tmp": "read write"}``
    :param securebits: of linux/securebits.h

    Life

    :param hooks: programs that run at moments of a start: ``{"poststop": [virtiso.Hook(["/bin/sync"])]}``
    :param prepared: how many instances are kept ready (:meth:`prepare`)
    :param detached: (directory, name): the instance goes on when this program ends; :meth:`attach` finds it

    >>> with virtiso.Container(root, memory_max="256M", binds={"/data": virtiso.Bind("/srv/data", read_only=True)}) as box:
    ...     box.run(["ls", "/data"]).stdout
    """

    isolation = Isolation.CONTAINER

    def __init__(
        self,
        root: Root,
        *,
        memory_max: Optional[Size] = None,
        memory_high: Optional[Size] = None,
        swap_max: Optional[Size] = None,
        processes_max: Optional[int] = None,
        cpu_max: Optional[float] = None,
        cpu_weight: Optional[int] = None,
        cpus: Optional[str] = None,
        memory_nodes: Optional[str] = None,
        io_max: Optional[Mapping[StrPath, IoLimits]] = None,
        io_weight: Optional[int] = None,
        hugetlb_max: Optional[Mapping[Size, Size]] = None,
        device_access: Optional[Mapping[Tuple[str, int, int], str]] = None,
        cgroup: Optional[Mapping[str, str]] = None,
        cgroup_parent: Optional[StrPath] = None,
        binds: Optional[Mapping[StrPath, Union[StrPath, Bind]]] = None,
        tmpfs: Optional[Mapping[StrPath, Union[Size, Tmpfs]]] = None,
        contents: Optional[Mapping[StrPath, Union[str, Bytes]]] = None,
        filesystems: Optional[Mapping[StrPath, str]] = None,
        device_nodes: Iterable[StrPath] = (),
        read_only: Iterable[StrPath] = (),
        masked: Iterable[StrPath] = (),
        layers: Iterable[Root] = (),
        writable: Optional[StrPath] = None,
        writable_max: Size = 0,
        network: Union[Network, str] = Network.NONE,
        interface: Optional[str] = None,
        addresses: Iterable[str] = (),
        gateway: Optional[str] = None,
        dns: Iterable[str] = (),
        nat: bool = False,
        ports: Union[Mapping[int, int], Iterable[Port]] = (),
        hostname: Optional[str] = None,
        domainname: Optional[str] = None,
        uid_map: Iterable[IdMap] = (),
        gid_map: Iterable[IdMap] = (),
        share: Iterable[Union[Namespace, str]] = (),
        join: Optional[Mapping[Union[Namespace, str], Union[File, StrPath]]] = None,
        clocks: Optional[Mapping[Union[Clock, str], float]] = None,
        sysctls: Optional[Mapping[str, Union[str, int]]] = None,
        capabilities: Iterable[str] = (),
        capability_sets: Optional[Mapping[str, Union[str, CapabilitySet]]] = None,
        new_privileges: bool = False,
        seccomp: Union[SeccompProfile, StrPath] = SeccompProfile.DEFAULT,
        rules: Iterable[Rule] = (),
        landlock: Optional[Mapping[StrPath, Union[str, Landlock]]] = None,
        securebits: Optional[int] = None,
        hooks: Optional[Mapping[Union[HookPoint, str], Iterable[Hook]]] = None,
        prepared: int = 0,
        detached: Optional[Tuple[StrPath, str]] = None,
    ) -> None:
        handle = self._handle = native.viso_container_new()
        native.viso_container_set_root(handle, check_root(root)._handle)
        _set_limits(handle, memory_max, memory_high, swap_max, processes_max, cpu_max, cpu_weight, cpus, memory_nodes)
        _set_devices(handle, io_max or {}, io_weight, hugetlb_max or {}, device_access or {})
        _set_group(handle, cgroup or {}, cgroup_parent)
        _add_mounts(handle, binds or {}, tmpfs or {}, contents or {}, filesystems or {})
        _each(native.viso_container_add_device, handle, device_nodes, "device_nodes")
        _each(native.viso_container_add_read_only, handle, read_only, "read_only")
        _each(native.viso_container_add_mask, handle, masked, "masked")
        _set_layers(handle, layers, writable, writable_max)
        _set_network(handle, by_name(Network, network), interface, addresses, gateway, dns, nat)
        _forward(handle, ports)
        _set_names(handle, hostname, domainname, sysctls or {})
        _set_ids(handle, uid_map, gid_map)
        _set_namespaces(handle, share, join or {}, clocks or {})
        _set_privileges(handle, capabilities, capability_sets or {}, new_privileges, securebits)
        _set_seccomp(handle, seccomp, rules)
        for path, access in (landlock or {}).items():
            native.viso_container_add_landlock_path(handle, path, _flags(Landlock, access))
        for when, list_of in (hooks or {}).items():
            for hook in list_of:
                _add_hook(handle, by_name(HookPoint, when), hook)
        if detached is not None:
            if isinstance(detached, (str, bytes, os.PathLike)):
                raise TypeError("detached must be a pair, of a directory and a name")
            native.viso_container_set_detached(handle, *detached)
        super().__init__(native.viso_container_sandbox(handle), root)
        if prepared:
            self.prepare(prepared)

    @classmethod
    def _of(cls, handle: _Handle) -> Container:
        container = cls.__new__(cls)
        container._handle = handle
        Sandbox.__init__(container, native.viso_container_sandbox(handle), None)
        return container

    @classmethod
    def load_bundle(cls, directory: StrPath) -> Tuple[Container, Command]:
        """The container of an OCI bundle, and the command of its process.

        >>> box, command = virtiso.Container.load_bundle("/srv/bundle")
        >>> with box:
        ...     box.run(command)
        """
        handle, command = native.viso_container_load_bundle(directory)
        return cls._of(handle), Command(command)

    @classmethod
    def attach(cls, directory: StrPath, name: str) -> Container:
        """Find a detached container that still runs. :meth:`close` ends it; dropping the object does not."""
        return cls._of(native.viso_container_attach(directory, name))

    def prepare(self, count: int) -> None:
        """Keep ``count`` instances ready, so that a start costs little more than execve(2); 0 gives them back."""
        self._build(lambda: native.viso_container_prepare(self._handle, count))

    def checkpoint(self, directory: StrPath) -> None:
        """Write the state of the running instance (:meth:`start`) to an empty directory, by criu(8), and end it."""
        native.viso_container_checkpoint(self._handle, directory)

    def restore(self, directory: StrPath) -> None:
        """Start the instance from what :meth:`checkpoint` wrote."""
        self._build(lambda: native.viso_container_restore(self._handle, directory))


def _each(add: Callable[[_Handle, Any], object], handle: _Handle, values: Iterable[Any], what: str) -> None:
    if isinstance(values, (str, bytes)):
        raise TypeError(f"{what} must be a list, not one string")
    for value in values:
        add(handle, value)


def _check(value: object, kind: type, what: str) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"a {what} must be a virtiso.{kind.__name__}, not {value!r}")


def _flags(enum: Any, words: Union[int, str, Iterable[Any]]) -> int:
    """Flags by their names, in a string or a list, or as they are."""
    if isinstance(words, int):
        return words
    flags = 0
    for word in words.split() if isinstance(words, str) else words:
        flags |= by_name(enum, word)
    return flags


def _set_limits(
    handle: _Handle,
    memory_max: Optional[Size],
    memory_high: Optional[Size],
    swap_max: Optional[Size],
    processes_max: Optional[int],
    cpu_max: Optional[float],
    cpu_weight: Optional[int],
    cpus: Optional[str],
    memory_nodes: Optional[str],
) -> None:
    if memory_max is not None:
        native.viso_container_set_memory_max(handle, size_in_bytes(memory_max))
    if memory_high is not None:
        native.viso_container_set_memory_high(handle, size_in_bytes(memory_high))
    if swap_max is not None:
        native.viso_container_set_swap_max(handle, size_in_bytes(swap_max))
    if processes_max is not None:
        native.viso_container_set_processes_max(handle, processes_max)
    if cpu_max is not None:
        native.viso_container_set_cpu_max(handle, round(float(cpu_max) * 100000), 100000)
    if cpu_weight is not None:
        native.viso_container_set_cpu_weight(handle, cpu_weight)
    if cpus is not None:
        native.viso_container_set_cpus(handle, cpus)
    if memory_nodes is not None:
        native.viso_container_set_memory_nodes(handle, memory_nodes)


def _set_devices(
    handle: _Handle,
    io_max: Mapping[StrPath, IoLimits],
    io_weight: Optional[int],
    hugetlb_max: Mapping[Size, Size],
    device_access: Mapping[Tuple[str, int, int], str],
) -> None:
    for device, limits in io_max.items():
        for rate, limit in limits.items():
            native.viso_container_set_io_max(handle, device, by_name(IoRate, rate), size_in_bytes(limit))
    if io_weight is not None:
        native.viso_container_set_io_weight(handle, io_weight)
    for page_size, limit in hugetlb_max.items():
        native.viso_container_set_hugetlb_max(handle, size_in_bytes(page_size), size_in_bytes(limit))
    for (kind, major, minor), access in device_access.items():
        native.viso_container_allow_device(handle, kind, major, minor, access)


def _set_group(handle: _Handle, values: Mapping[str, str], parent: Optional[StrPath]) -> None:
    for file, value in values.items():
        native.viso_container_set_cgroup_value(handle, file, value)
    if parent is not None:
        native.viso_container_set_cgroup_parent(handle, parent)


def _add_mounts(
    handle: _Handle,
    binds: Mapping[StrPath, Union[StrPath, Bind]],
    tmpfs: Mapping[StrPath, Union[Size, Tmpfs]],
    contents: Mapping[StrPath, Union[str, Bytes]],
    filesystems: Mapping[StrPath, str],
) -> None:
    mounts: List[Tuple[StrPath, Callable[[_Handle, StrPath, Any], None], Any]] = [
        (path, add, what)
        for add, mapping in (
            (_add_filesystem, filesystems),
            (_add_tmpfs, tmpfs),
            (_add_bind, binds),
            (_add_contents, contents),
        )
        for path, what in mapping.items()
    ]
    # In the order of their paths: what lies below comes later, and is not hidden.
    for path, add, what in sorted(mounts, key=lambda mount: os.fsencode(mount[0])):
        add(handle, path, what)


def _add_filesystem(handle: _Handle, path: StrPath, kind: str) -> None:
    native.viso_container_add_filesystem(handle, kind, path, 0)


def _add_tmpfs(handle: _Handle, path: StrPath, size: Union[Size, Tmpfs]) -> None:
    of = size if isinstance(size, Tmpfs) else Tmpfs(size)
    flags = MountFlag.READ_ONLY * of.read_only | MountFlag.NO_EXEC * of.no_exec
    native.viso_container_add_tmpfs(handle, path, size_in_bytes(of.size), of.mode, flags)


def _add_bind(handle: _Handle, path: StrPath, source: Union[StrPath, Bind]) -> None:
    bind = source if isinstance(source, Bind) else Bind(source)
    if isinstance(bind.source, int):
        native.viso_container_add_bind_fd(handle, bind.source, path, bind.flags())
    else:
        native.viso_container_add_bind(handle, bind.source, path, bind.flags())


def _add_contents(handle: _Handle, path: StrPath, data: Union[str, Bytes]) -> None:
    native.viso_container_add_file(handle, path, data.encode() if isinstance(data, str) else data, 0o644)


def _set_layers(handle: _Handle, layers: Iterable[Root], writable: Optional[StrPath], writable_max: Size) -> None:
    for layer in layers:
        native.viso_container_add_layer(handle, check_root(layer)._handle)
    if writable_max and writable != "discard":
        raise ValueError("writable_max takes writable='discard'")
    if writable == "discard":
        native.viso_container_set_upper_discarded(handle, size_in_bytes(writable_max))
    elif writable == "in_place":
        native.viso_container_set_root_writable(handle, 1)
    elif writable is not None:
        if "/" not in os.fsdecode(writable):
            raise ValueError(f"writable must be 'discard', 'in_place' or a directory with a slash, not {writable!r}")
        native.viso_container_set_upper_directory(handle, writable)


def _set_network(
    handle: _Handle,
    network: Network,
    interface: Optional[str],
    addresses: Iterable[str],
    gateway: Optional[str],
    dns: Iterable[str],
    nat: bool,
) -> None:
    native.viso_container_set_network(handle, network)
    if interface is not None:
        native.viso_container_set_parent_interface(handle, interface)
    _each(native.viso_container_add_address, handle, addresses, "addresses")
    if gateway is not None:
        native.viso_container_set_gateway(handle, gateway)
    _each(native.viso_container_add_dns_server, handle, dns, "dns")
    if nat:
        native.viso_container_set_nat(handle, 1)


def _forward(handle: _Handle, ports: Union[Mapping[int, int], Iterable[Port]]) -> None:
    if isinstance(ports, Mapping):
        ports = [Port(host_port, port) for host_port, port in ports.items()]
    for port in ports:
        _check(port, Port, "port")
        protocol = by_name(Protocol, port.protocol)
        native.viso_container_forward_port(handle, protocol, port.host_address, port.host_port, port.port)


def _set_names(handle: _Handle, hostname: Optional[str], domainname: Optional[str], sysctls: Mapping[str, Union[str, int]]) -> None:
    if hostname is not None:
        native.viso_container_set_hostname(handle, hostname)
    if domainname is not None:
        native.viso_container_set_domainname(handle, domainname)
    for name, value in sysctls.items():
        native.viso_container_set_sysctl(handle, name, str(value))


def _set_ids(handle: _Handle, uid_map: Iterable[IdMap], gid_map: Iterable[IdMap]) -> None:
    for kind, ranges in ((IdKind.USER, uid_map), (IdKind.GROUP, gid_map)):
        for ids in ranges:
            _check(ids, IdMap, "range of ids")
            native.viso_container_add_id_map(handle, kind, ids.inside, ids.outside, ids.count)


def _set_namespaces(
    handle: _Handle,
    share: Iterable[Union[Namespace, str]],
    join: Mapping[Union[Namespace, str], Union[File, StrPath]],
    clocks: Mapping[Union[Clock, str], float],
) -> None:
    if isinstance(share, str):
        raise TypeError("share must be a list of namespaces, not one name")
    for kind in share:
        native.viso_container_share_namespace(handle, by_name(Namespace, kind))
    for kind, file in join.items():
        _join(handle, by_name(Namespace, kind), file)
    for clock, offset in clocks.items():
        native.viso_container_set_clock_offset(handle, by_name(Clock, clock), round(offset * 1e9))


def _join(handle: _Handle, kind: Namespace, file: Union[File, StrPath]) -> None:
    if isinstance(file, (str, bytes, os.PathLike)):
        with open(file, "rb") as opened:
            native.viso_container_join_namespace(handle, kind, opened.fileno())
    else:
        native.viso_container_join_namespace(handle, kind, file if isinstance(file, int) else file.fileno())


def _set_privileges(
    handle: _Handle,
    capabilities: Iterable[str],
    sets: Mapping[str, Union[str, CapabilitySet]],
    new_privileges: bool,
    securebits: Optional[int],
) -> None:
    _each(native.viso_container_add_capability, handle, capabilities, "capabilities")
    for capability, words in sets.items():
        native.viso_container_add_capability_to(handle, _flags(CapabilitySet, words), capability)
    if new_privileges:
        native.viso_container_set_new_privileges(handle, 1)
    if securebits is not None:
        native.viso_container_set_securebits(handle, securebits)


def _set_seccomp(handle: _Handle, seccomp: Union[SeccompProfile, StrPath], rules: Iterable[Rule]) -> None:
    if not isinstance(seccomp, SeccompProfile) and "/" in os.fsdecode(seccomp):
        native.viso_container_load_seccomp(handle, seccomp)
    elif seccomp != SeccompProfile.DEFAULT:
        profile = seccomp if isinstance(seccomp, SeccompProfile) else by_name(SeccompProfile, os.fsdecode(seccomp))
        native.viso_container_set_seccomp_profile(handle, profile)
    for rule in rules:
        _check(rule, Rule, "rule")
        action = by_name(SyscallAction, rule.action)
        if rule.argument is None:
            native.viso_container_add_syscall_rule(handle, rule.syscall, action, rule.error)
        else:
            native.viso_container_add_syscall_rule_if(
                handle, rule.syscall, rule.argument, rule.mask, rule.value, action, rule.error
            )


def _add_hook(handle: _Handle, when: HookPoint, hook: Hook) -> None:
    _check(hook, Hook, "hook")
    command = make_command(Options(hook.args, env=hook.env, timeout=hook.timeout))
    native.viso_container_add_hook(handle, when, command)
