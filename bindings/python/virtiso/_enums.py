# SPDX-License-Identifier: MIT
"""The library's enumerations, and looking one of their values up by name."""

from __future__ import annotations

from enum import Enum, IntEnum, IntFlag
from typing import Type, TypeVar, Union

from . import native


class Isolation(IntEnum):
    """The three strengths of isolation."""

    JAIL = native.VISO_ISOLATION_JAIL
    CONTAINER = native.VISO_ISOLATION_CONTAINER
    GUEST = native.VISO_ISOLATION_GUEST


class Network(IntEnum):
    """What a sandbox can reach by network."""

    NONE = native.VISO_NETWORK_NONE
    HOST = native.VISO_NETWORK_HOST
    BRIDGE = native.VISO_NETWORK_BRIDGE
    MACVLAN = native.VISO_NETWORK_MACVLAN
    IPVLAN = native.VISO_NETWORK_IPVLAN
    USER = native.VISO_NETWORK_USER


class Reason(IntEnum):
    """Why a command ended."""

    EXITED = native.VISO_REASON_EXITED
    SIGNALLED = native.VISO_REASON_SIGNALLED
    TIMED_OUT = native.VISO_REASON_TIMED_OUT
    CPU_TIME = native.VISO_REASON_CPU_TIME
    OUT_OF_MEMORY = native.VISO_REASON_OUT_OF_MEMORY
    KILLED = native.VISO_REASON_KILLED
    SECCOMP = native.VISO_REASON_SECCOMP
    GUEST_FAULT = native.VISO_REASON_GUEST_FAULT
    SYSCALLS_MAX = native.VISO_REASON_SYSCALLS_MAX


class Placement(IntEnum):
    """Where a guest is served."""

    THREAD = native.VISO_PLACEMENT_THREAD
    CONTAINED = native.VISO_PLACEMENT_CONTAINED


class Console(IntEnum):
    """What the standard streams of a computer lead to."""

    SERIAL = native.VISO_CONSOLE_SERIAL
    VIRTIO = native.VISO_CONSOLE_VIRTIO


class Platform(IntEnum):
    """The computer that a guest with a kernel of its own finds."""

    MICROVM = native.VISO_PLATFORM_MICROVM
    PC = native.VISO_PLATFORM_PC


class Agent(IntEnum):
    """By which agent commands run in a guest with a kernel of its own."""

    VISO = native.VISO_AGENT_VISO
    QEMU = native.VISO_AGENT_QEMU


class RootMedium(IntEnum):
    """Where the root of a guest with a kernel of its own lies."""

    AUTO = native.VISO_ROOT_MEDIUM_AUTO
    MEMORY = native.VISO_ROOT_MEDIUM_MEMORY
    DISK = native.VISO_ROOT_MEDIUM_DISK
    SHARE = native.VISO_ROOT_MEDIUM_SHARE


class MemoryFigure(IntEnum):
    """What a computer tells of its memory: bytes, and two counts of faults."""

    SWAPPED_IN = native.VISO_MEMORY_SWAPPED_IN
    SWAPPED_OUT = native.VISO_MEMORY_SWAPPED_OUT
    MAJOR_FAULTS = native.VISO_MEMORY_MAJOR_FAULTS
    MINOR_FAULTS = native.VISO_MEMORY_MINOR_FAULTS
    FREE = native.VISO_MEMORY_FREE
    TOTAL = native.VISO_MEMORY_TOTAL
    AVAILABLE = native.VISO_MEMORY_AVAILABLE
    CACHES = native.VISO_MEMORY_CACHES
    BALLOON = native.VISO_MEMORY_BALLOON


class DeviceKind(IntEnum):
    """A kind of device of a computer."""

    SERIAL = native.VISO_DEVICE_SERIAL
    DISK = native.VISO_DEVICE_DISK
    NETWORK = native.VISO_DEVICE_NETWORK
    PORTS = native.VISO_DEVICE_PORTS
    VSOCK = native.VISO_DEVICE_VSOCK
    SHARE = native.VISO_DEVICE_SHARE


class Traffic(IntEnum):
    """What has gone through a device."""

    BYTES_TO_GUEST = native.VISO_TRAFFIC_BYTES_TO_GUEST
    BYTES_FROM_GUEST = native.VISO_TRAFFIC_BYTES_FROM_GUEST
    OPERATIONS_TO_GUEST = native.VISO_TRAFFIC_OPERATIONS_TO_GUEST
    OPERATIONS_FROM_GUEST = native.VISO_TRAFFIC_OPERATIONS_FROM_GUEST


class Shutdown(IntEnum):
    """How an operating system is to end."""

    POWER_OFF = native.VISO_SHUTDOWN_POWER_OFF
    REBOOT = native.VISO_SHUTDOWN_REBOOT


class Statistic(IntEnum):
    """A figure of an operating system: memory and swap in bytes, loads in thousandths, times as their names say."""

    MEMORY_TOTAL = native.VISO_STATISTIC_MEMORY_TOTAL
    MEMORY_FREE = native.VISO_STATISTIC_MEMORY_FREE
    MEMORY_AVAILABLE = native.VISO_STATISTIC_MEMORY_AVAILABLE
    SWAP_TOTAL = native.VISO_STATISTIC_SWAP_TOTAL
    SWAP_FREE = native.VISO_STATISTIC_SWAP_FREE
    LOAD_1 = native.VISO_STATISTIC_LOAD_1
    LOAD_5 = native.VISO_STATISTIC_LOAD_5
    LOAD_15 = native.VISO_STATISTIC_LOAD_15
    PROCESSES = native.VISO_STATISTIC_PROCESSES
    UPTIME_MS = native.VISO_STATISTIC_UPTIME_MS
    TIME_NS = native.VISO_STATISTIC_TIME_NS
    COMMANDS = native.VISO_STATISTIC_COMMANDS


class Rlimit(IntEnum):
    """A resource limit of setrlimit(2)."""

    ADDRESS_SPACE = native.VISO_RLIMIT_ADDRESS_SPACE
    CORE = native.VISO_RLIMIT_CORE
    CPU = native.VISO_RLIMIT_CPU
    DATA = native.VISO_RLIMIT_DATA
    FILE_SIZE = native.VISO_RLIMIT_FILE_SIZE
    OPEN_FILES = native.VISO_RLIMIT_OPEN_FILES
    PROCESSES = native.VISO_RLIMIT_PROCESSES
    STACK = native.VISO_RLIMIT_STACK
    LOCKED_MEMORY = native.VISO_RLIMIT_LOCKED_MEMORY


class LogLevel(IntEnum):
    """How important a message of the library is; the numbers are those of syslog(3)."""

    ERROR = native.VISO_LOG_ERROR
    WARNING = native.VISO_LOG_WARNING
    INFO = native.VISO_LOG_INFO
    DEBUG = native.VISO_LOG_DEBUG


class Feature(IntEnum):
    """Something that works on a host or does not."""

    JAIL = native.VISO_FEATURE_JAIL
    CONTAINER = native.VISO_FEATURE_CONTAINER
    GUEST = native.VISO_FEATURE_GUEST
    USER_NAMESPACES = native.VISO_FEATURE_USER_NAMESPACES
    LANDLOCK = native.VISO_FEATURE_LANDLOCK
    LANDLOCK_SCOPE = native.VISO_FEATURE_LANDLOCK_SCOPE
    SECCOMP = native.VISO_FEATURE_SECCOMP
    MEMORY_LIMIT = native.VISO_FEATURE_MEMORY_LIMIT
    PROCESS_LIMIT = native.VISO_FEATURE_PROCESS_LIMIT
    NEW_MOUNT_API = native.VISO_FEATURE_NEW_MOUNT_API
    KVM = native.VISO_FEATURE_KVM
    KVM_RING0 = native.VISO_FEATURE_KVM_RING0
    KERNEL = native.VISO_FEATURE_KERNEL
    CPU_LIMIT = native.VISO_FEATURE_CPU_LIMIT
    IO_LIMIT = native.VISO_FEATURE_IO_LIMIT
    ID_RANGES = native.VISO_FEATURE_ID_RANGES
    OVERLAY = native.VISO_FEATURE_OVERLAY
    NETWORK_BRIDGE = native.VISO_FEATURE_NETWORK_BRIDGE
    NETWORK_USER = native.VISO_FEATURE_NETWORK_USER
    CHECKPOINT = native.VISO_FEATURE_CHECKPOINT
    EROFS = native.VISO_FEATURE_EROFS
    KERNEL_GUEST = native.VISO_FEATURE_KERNEL_GUEST


class LayerKind(IntEnum):
    """What a layer around a program is, in the order of the stack."""

    HYPERVISOR = native.VISO_LAYER_HYPERVISOR
    MONITOR = native.VISO_LAYER_MONITOR
    CLOUD = native.VISO_LAYER_CLOUD
    CONFIDENTIAL = native.VISO_LAYER_CONFIDENTIAL
    CONTAINER = native.VISO_LAYER_CONTAINER
    CHROOT = native.VISO_LAYER_CHROOT

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_layer_kind_name(self) or ""


class LayerRole(IntEnum):
    """On which side of a layer a program runs."""

    GUEST = native.VISO_ROLE_GUEST
    HOST = native.VISO_ROLE_HOST
    DOM0 = native.VISO_ROLE_DOM0
    ROOT_PARTITION = native.VISO_ROLE_ROOT_PARTITION
    UNKNOWN = native.VISO_ROLE_UNKNOWN

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_layer_role_name(self) or ""


class Confidence(IntEnum):
    """How far a layer is to be believed in."""

    UNKNOWN = native.VISO_CONFIDENCE_UNKNOWN
    POSSIBLE = native.VISO_CONFIDENCE_POSSIBLE
    LIKELY = native.VISO_CONFIDENCE_LIKELY
    CERTAIN = native.VISO_CONFIDENCE_CERTAIN

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_confidence_name(self) or ""


class EvidenceSide(IntEnum):
    """What a piece of evidence speaks for."""

    UNREAD = native.VISO_EVIDENCE_UNREAD
    FOR = native.VISO_EVIDENCE_FOR
    AGAINST = native.VISO_EVIDENCE_AGAINST


class Family(IntEnum):
    """Drivers and tools of guests that belong together."""

    VIRTIO = native.VISO_FAMILY_VIRTIO
    VIRTUALBOX = native.VISO_FAMILY_VIRTUALBOX
    HYPERV = native.VISO_FAMILY_HYPERV
    VMWARE = native.VISO_FAMILY_VMWARE
    XEN = native.VISO_FAMILY_XEN

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_family_name(self) or ""


class DriverState(IntEnum):
    """How it stands with a kernel module."""

    NOT_APPLICABLE = native.VISO_DRIVER_NOT_APPLICABLE
    LOADED = native.VISO_DRIVER_LOADED
    BUILT_IN = native.VISO_DRIVER_BUILT_IN
    AVAILABLE = native.VISO_DRIVER_AVAILABLE
    MISSING = native.VISO_DRIVER_MISSING
    UNKNOWN = native.VISO_DRIVER_UNKNOWN

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_driver_state_name(self) or ""


class HypercallWay(IntEnum):
    """How the hypervisor is called."""

    NONE = native.VISO_HYPERCALL_WAY_NONE
    LIBVIRTISO = native.VISO_HYPERCALL_WAY_LIBVIRTISO
    KVM = native.VISO_HYPERCALL_WAY_KVM
    HYPERV = native.VISO_HYPERCALL_WAY_HYPERV
    XEN = native.VISO_HYPERCALL_WAY_XEN
    VMWARE = native.VISO_HYPERCALL_WAY_VMWARE
    UNKNOWN = native.VISO_HYPERCALL_WAY_UNKNOWN

    @property
    def label(self) -> str:
        """Its name for people."""
        return native.viso_hypercall_way_name(self) or ""


class Stage(IntEnum):
    """The part of the work in which a call failed."""

    NONE = native.VISO_STAGE_NONE
    ARGUMENT = native.VISO_STAGE_ARGUMENT
    MEMORY = native.VISO_STAGE_MEMORY
    ROOT = native.VISO_STAGE_ROOT
    ELF = native.VISO_STAGE_ELF
    COMMAND = native.VISO_STAGE_COMMAND
    LAUNCHER = native.VISO_STAGE_LAUNCHER
    CLONE = native.VISO_STAGE_CLONE
    USER_NAMESPACE = native.VISO_STAGE_USER_NAMESPACE
    NAMESPACE = native.VISO_STAGE_NAMESPACE
    MOUNT = native.VISO_STAGE_MOUNT
    PIVOT = native.VISO_STAGE_PIVOT
    CHROOT = native.VISO_STAGE_CHROOT
    CGROUP = native.VISO_STAGE_CGROUP
    RLIMIT = native.VISO_STAGE_RLIMIT
    CREDENTIALS = native.VISO_STAGE_CREDENTIALS
    CAPABILITIES = native.VISO_STAGE_CAPABILITIES
    LANDLOCK = native.VISO_STAGE_LANDLOCK
    SECCOMP = native.VISO_STAGE_SECCOMP
    STDIO = native.VISO_STAGE_STDIO
    CWD = native.VISO_STAGE_CWD
    EXEC = native.VISO_STAGE_EXEC
    NETWORK = native.VISO_STAGE_NETWORK
    KVM = native.VISO_STAGE_KVM
    GUEST = native.VISO_STAGE_GUEST
    PROCESS = native.VISO_STAGE_PROCESS
    MACHINE = native.VISO_STAGE_MACHINE
    IMAGE = native.VISO_STAGE_IMAGE
    HOOK = native.VISO_STAGE_HOOK
    CHECKPOINT = native.VISO_STAGE_CHECKPOINT


class Provider(IntEnum):
    """What is added beside a program's libraries, since programs load or open it while they run."""

    DLOPEN_NOTES = native.VISO_PROVIDER_DLOPEN_NOTES
    NSS = native.VISO_PROVIDER_NSS
    GCONV = native.VISO_PROVIDER_GCONV
    PAM = native.VISO_PROVIDER_PAM
    OPENSSL = native.VISO_PROVIDER_OPENSSL
    LOCALE = native.VISO_PROVIDER_LOCALE
    ZONEINFO = native.VISO_PROVIDER_ZONEINFO
    CERTIFICATES = native.VISO_PROVIDER_CERTIFICATES
    RUNTIME = native.VISO_PROVIDER_RUNTIME


class CopyMethod(IntEnum):
    """How files of the host get into a root."""

    AUTO = native.VISO_COPY_AUTO
    REFLINK = native.VISO_COPY_REFLINK
    BYTES = native.VISO_COPY_BYTES
    HARDLINK = native.VISO_COPY_HARDLINK


class Keep(IntFlag):
    """What is kept of a host's file that gives privileges."""

    NOTHING = native.VISO_KEEP_NOTHING
    SETUID = native.VISO_KEEP_SETUID
    CAPABILITIES = native.VISO_KEEP_CAPABILITIES


class EntryType(IntEnum):
    """The kinds of entries of a root."""

    DIRECTORY = native.VISO_ENTRY_DIRECTORY
    FILE = native.VISO_ENTRY_FILE
    LINK = native.VISO_ENTRY_LINK
    DEVICE = native.VISO_ENTRY_DEVICE


class EntryState(IntEnum):
    """How an entry in the tree differs from the manifest."""

    RIGHT = native.VISO_ENTRY_RIGHT
    MISSING = native.VISO_ENTRY_MISSING
    RETYPED = native.VISO_ENTRY_RETYPED
    CHANGED = native.VISO_ENTRY_CHANGED
    CHMODDED = native.VISO_ENTRY_CHMODDED
    UNKNOWN = native.VISO_ENTRY_UNKNOWN


class ImageFormat(IntEnum):
    """Kinds of images."""

    INITRAMFS = native.VISO_IMAGE_INITRAMFS
    EROFS = native.VISO_IMAGE_EROFS


class Hardening(IntEnum):
    """How much of a jail's hardening is in force; each level has all of those below it."""

    NONE = native.VISO_HARDENING_NONE
    PRIVILEGES = native.VISO_HARDENING_PRIVILEGES
    FILES = native.VISO_HARDENING_FILES
    SCOPES = native.VISO_HARDENING_SCOPES


class Scheduler(IntEnum):
    """A scheduling policy; see sched(7)."""

    OTHER = native.VISO_SCHEDULER_OTHER
    FIFO = native.VISO_SCHEDULER_FIFO
    RR = native.VISO_SCHEDULER_RR
    BATCH = native.VISO_SCHEDULER_BATCH
    IDLE = native.VISO_SCHEDULER_IDLE


class Namespace(IntEnum):
    """The kinds of namespace that a container has."""

    MOUNT = native.VISO_NAMESPACE_MOUNT
    PID = native.VISO_NAMESPACE_PID
    NETWORK = native.VISO_NAMESPACE_NETWORK
    IPC = native.VISO_NAMESPACE_IPC
    UTS = native.VISO_NAMESPACE_UTS
    USER = native.VISO_NAMESPACE_USER
    CGROUP = native.VISO_NAMESPACE_CGROUP
    TIME = native.VISO_NAMESPACE_TIME


class IdKind(IntEnum):
    """Which ids are mapped."""

    USER = native.VISO_ID_USER
    GROUP = native.VISO_ID_GROUP


class Clock(IntEnum):
    """The clocks that a time namespace moves."""

    MONOTONIC = native.VISO_CLOCK_MONOTONIC
    BOOTTIME = native.VISO_CLOCK_BOOTTIME


class MountFlag(IntFlag):
    """How something is mounted in a container."""

    DEFAULT = native.VISO_MOUNT_DEFAULT
    READ_ONLY = native.VISO_MOUNT_READ_ONLY
    NO_EXEC = native.VISO_MOUNT_NO_EXEC
    DEVICES = native.VISO_MOUNT_DEVICES
    RECURSIVE = native.VISO_MOUNT_RECURSIVE
    ID_MAPPED = native.VISO_MOUNT_ID_MAPPED
    OPTIONAL = native.VISO_MOUNT_OPTIONAL


class IoRate(IntEnum):
    """A rate of input and output that can be limited."""

    READ_BYTES = native.VISO_IO_READ_BYTES
    WRITE_BYTES = native.VISO_IO_WRITE_BYTES
    READS = native.VISO_IO_READS
    WRITES = native.VISO_IO_WRITES


class CapabilitySet(IntFlag):
    """The capability sets of a process."""

    EFFECTIVE = native.VISO_CAPABILITY_EFFECTIVE
    PERMITTED = native.VISO_CAPABILITY_PERMITTED
    INHERITABLE = native.VISO_CAPABILITY_INHERITABLE
    BOUNDING = native.VISO_CAPABILITY_BOUNDING
    AMBIENT = native.VISO_CAPABILITY_AMBIENT


class SyscallAction(IntEnum):
    """What happens at a system call, the strictest last."""

    ALLOW = native.VISO_SYSCALL_ALLOW
    LOG = native.VISO_SYSCALL_LOG
    NOTIFY = native.VISO_SYSCALL_NOTIFY
    ERROR = native.VISO_SYSCALL_ERROR
    TRAP = native.VISO_SYSCALL_TRAP
    KILL = native.VISO_SYSCALL_KILL


class SeccompProfile(IntEnum):
    """What applies to system calls for which there is no rule."""

    DEFAULT = native.VISO_SECCOMP_DEFAULT
    ALLOW = native.VISO_SECCOMP_ALLOW
    DENY = native.VISO_SECCOMP_DENY
    KILL = native.VISO_SECCOMP_KILL
    NONE = native.VISO_SECCOMP_NONE


class Landlock(IntFlag):
    """Rights to files."""

    READ = native.VISO_LANDLOCK_READ
    WRITE = native.VISO_LANDLOCK_WRITE
    EXECUTE = native.VISO_LANDLOCK_EXECUTE
    DEVICES = native.VISO_LANDLOCK_DEVICES


class Protocol(IntEnum):
    """A protocol whose ports can be forwarded."""

    TCP = native.VISO_PROTOCOL_TCP
    UDP = native.VISO_PROTOCOL_UDP


class HookPoint(IntEnum):
    """When a hook of a container runs."""

    CREATE_RUNTIME = native.VISO_HOOK_CREATE_RUNTIME
    CREATE_CONTAINER = native.VISO_HOOK_CREATE_CONTAINER
    START_CONTAINER = native.VISO_HOOK_START_CONTAINER
    POSTSTART = native.VISO_HOOK_POSTSTART
    POSTSTOP = native.VISO_HOOK_POSTSTOP


class EventKind(IntEnum):
    """What a sandbox tells of its commands."""

    NONE = native.VISO_EVENT_NONE
    ENDED = native.VISO_EVENT_ENDED
    OUT_OF_MEMORY = native.VISO_EVENT_OUT_OF_MEMORY
    MEMORY_HIGH = native.VISO_EVENT_MEMORY_HIGH
    MEMORY_MAX = native.VISO_EVENT_MEMORY_MAX
    PROCESSES_MAX = native.VISO_EVENT_PROCESSES_MAX
    PAUSED = native.VISO_EVENT_PAUSED
    RESUMED = native.VISO_EVENT_RESUMED


class Step(IntEnum):
    """A step of a start."""

    SENT = native.VISO_STEP_SENT
    RECEIVED = native.VISO_STEP_RECEIVED
    CGROUPS = native.VISO_STEP_CGROUPS
    CLONED = native.VISO_STEP_CLONED
    IDS = native.VISO_STEP_IDS
    NETWORK = native.VISO_STEP_NETWORK
    MOUNTS = native.VISO_STEP_MOUNTS
    CONFINED = native.VISO_STEP_CONFINED
    STARTED = native.VISO_STEP_STARTED
    ENDED = native.VISO_STEP_ENDED


_Enum = TypeVar("_Enum", bound=Enum)


def by_name(enum: Type[_Enum], value: Union[_Enum, str]) -> _Enum:
    """A member of ``enum``, from itself or from its name in lower case: ``"none"``, ``"open_files"``."""
    if isinstance(value, str):
        try:
            return enum[value.upper()]
        except KeyError:
            names = ", ".join(repr(member.name.lower()) for member in enum)
            raise ValueError(f"no {enum.__name__}: {value!r}; there are {names}") from None
    return enum(value)
