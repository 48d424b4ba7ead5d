/* SPDX-License-Identifier: MIT */
/*
 * Made of what is published: aliases as modules have them, ids of devices, names of channels. Nothing is copied from a
 * machine.
 */
#include "guests.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define LINUX "uname: Linux\nguest\n6.1.0\n#1 SMP\nx86_64"
#define INITIAL "ns: pid: 4026531836\nuser: 4026531837\nmnt: 4026531841"
#define HYPERVISOR "cpuid: 1 0: 0 0 80000000 0"
#define KVM "cpuid: 40000000 0: 40000001 4b4d564b 564b4d56 4d", "cpuid: 40000001 0: 01000aff 0 0 0"
#define DEBIAN "etc/os-release = ID=debian\n"
#define NO_MODULES "proc/modules = ext4 1 0 - Live 0x0\n", "sys/module/", "proc/self/", "proc/1/"
#define DEP "lib/modules/6.1.0/modules.dep = "
#define DEVICE(bus, name, alias) "sys/bus/" bus "/devices/" name "/modalias = " alias "\n"
#define BOUND(bus, name, driver) "sys/bus/" bus "/devices/" name "/driver -> ../../../bus/" bus "/drivers/" driver

const struct guest_machine guest_machines[] = {
	{
		.title = "a bare machine",
		.lines = {LINUX, INITIAL, "cpuid: 1 0: 0 0 0 0", NO_MODULES, DEBIAN,
			  DEVICE("pci", "0000:00:02.0", "pci:v00008086d00003E92sv00001028sd000008C1bc03sc00i00"),
			  "sys/bus/platform/devices/"},
		.families = "",
		.way = "none",
	},
	{
		.title = "KVM with modules loaded",
		.lines = {LINUX,
			  INITIAL,
			  HYPERVISOR,
			  KVM,
			  DEBIAN,
			  "proc/self/",
			  "proc/1/",
			  "proc/modules = virtio_net 61440 0 - Live 0x0\nvirtio_pci 28672 0 - Live 0x0\n",
			  "sys/module/virtio_net/initstate = live\n",
			  "sys/module/virtio_pci/initstate = live\n",
			  DEVICE("pci", "0000:00:03.0", "pci:v00001AF4d00001000sv00001AF4sd00000001bc02sc00i00"),
			  BOUND("pci", "0000:00:03.0", "virtio-pci"),
			  DEVICE("virtio", "virtio0", "virtio:d00000001v00001AF4"),
			  BOUND("virtio", "virtio0", "virtio_net"),
			  DEVICE("virtio", "virtio1", "virtio:d00000010v00001AF4"),
			  DEVICE("virtio", "virtio2", "virtio:d00000003v00001AF4"),
			  BOUND("virtio", "virtio2", "virtio_console"),
			  "sys/bus/virtio/drivers/virtio_console/",
			  "sys/class/virtio-ports/vport2p1/name = org.qemu.guest_agent.0\n",
			  DEP "kernel/drivers/ptp/ptp_kvm.ko.xz: kernel/x.ko\nkernel/drivers/net/virtio_net.ko:\n",
			  "sys/devices/system/clocksource/clocksource0/current_clocksource = kvm-clock\n",
			  "proc/interrupts = HYP: 2 2 Hypervisor callback interrupts\n",
			  "proc/cmdline = ro nopvspin\n",
			  "proc/1/comm = systemd\n"},
		.drivers = {{"virtio_net", "loaded"},
			    {"virtio_pci", "loaded"},
			    {"virtio_gpu", "missing"},
			    {"virtio_console", "built in"},
			    {"ptp_kvm", "available"}},
		.tools = {{"qemu-ga", "no no yes"}},
		.package = "qemu-ga: qemu-guest-agent",
		.families = "virtio",
		.way = "KVM",
	},
	{
		.title = "KVM with Hyper-V's signature before its own",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 40000005 7263694d 666f736f 76482074",
			  "cpuid: 40000100 0: 40000101 4b4d564b 564b4d56 4d", "cpuid: 40000101 0: 1 0 0 0", NO_MODULES,
			  "sys/bus/pci/devices/", "boot/config-6.1.0 = \nCONFIG_PTP_1588_CLOCK_KVM=y\n"},
		.drivers = {{"ptp_kvm", "built in"}},
		.families = "virtio",
		.way = "KVM",
	},
	{
		.title = "a kernel for clouds, on Fedora, whose agent runs",
		.lines = {LINUX, INITIAL, HYPERVISOR, KVM, NO_MODULES,
			  "etc/os-release = ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
			  "lib/modules/6.1.0/modules.builtin = kernel/drivers/virtio/virtio_mmio.ko\n", DEP "\n",
			  DEVICE("platform", "LNRO0005:00", "acpi:LNRO0005:"),
			  DEVICE("acpi", "LNRO0005:00", "acpi:LNRO0005:"),
			  DEVICE("virtio", "virtio0", "virtio:d0000001Av00001AF4"), "usr/bin/qemu-ga = \n",
			  "proc/1/comm = init\n", "proc/812/comm = qemu-ga\n"},
		.drivers = {{"virtio_mmio", "built in"}, {"virtiofs", "missing"}, {"ptp_kvm", "missing"}},
		.tools = {{"qemu-ga", "yes yes no"}},
		.package = "virtiofs: kernel-modules and kernel-modules-extra",
		.families = "virtio",
		.way = "KVM",
	},
	{
		.title = "KVM seen from a container",
		.lines = {LINUX, "ns: pid: 4026532200\nuser: 4026531837", HYPERVISOR, KVM, DEBIAN, NO_MODULES,
			  "proc/1/comm = sh\n", DEVICE("virtio", "virtio0", "virtio:d00000010v00001AF4")},
		.drivers = {{"virtio_gpu", "unknown"}, {"ptp_kvm", "unknown"}},
		.families = "virtio",
		.way = "KVM",
	},
	{
		.title = "a device that was given to another driver",
		.lines = {LINUX, INITIAL, "cpuid: 1 0: 0 0 0 0", "etc/os-release = ID=alpine\n", NO_MODULES, DEP "\n",
			  DEVICE("pci", "0000:00:03.0", "pci:v00001AF4d00001041sv00001AF4sd00001041bc02sc00i00"),
			  BOUND("pci", "0000:00:03.0", "vfio-pci")},
		.drivers = {{"virtio_pci", "missing"}},
		.package = "virtio_pci: linux-lts, in the place of linux-virt",
		.families = "virtio",
		.way = "none",
	},
	{
		.title = "VirtualBox without its additions",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 40000001 786f4256 786f4256 786f4256", DEBIAN,
			  NO_MODULES, DEP "\n", "sys/class/dmi/id/product_name = VirtualBox\n",
			  DEVICE("pci", "0000:00:04.0", "pci:v000080EEd0000CAFEsv00000000sd00000000bc08sc80i00"),
			  "proc/1/comm = systemd\n"},
		.drivers = {{"vboxguest", "missing"}, {"vboxsf", "unknown"}},
		.tools = {{"VBoxService", "no no no"}},
		.package = "VBoxService: virtualbox-guest-utils",
		.families = "VirtualBox",
		.way = "none",
	},
	{
		.title = "VirtualBox with its additions",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 40000001 786f4256 786f4256 786f4256", DEBIAN,
			  "proc/self/", "sys/class/dmi/id/product_name = VirtualBox\n",
			  "proc/modules = vboxguest 45056 1 - Live 0x0\nvboxsf 45056 0 - Live 0x0\n", "sys/module/",
			  DEVICE("pci", "0000:00:04.0", "pci:v000080EEd0000CAFEsv00000000sd00000000bc08sc80i00"),
			  BOUND("pci", "0000:00:04.0", "vboxguest"),
			  DEVICE("pci", "0000:00:02.0", "pci:v000080EEd0000BEEFsv00000000sd00000000bc03sc00i00"),
			  DEP "kernel/drivers/gpu/drm/vboxvideo/vboxvideo.ko.zst: a\n", "usr/sbin/VBoxService = \n",
			  "usr/bin/VBoxControl = \n", "proc/1/comm = systemd\n", "proc/77/comm = VBoxService\n",
			  "dev/vboxguest = \n"},
		.drivers = {{"vboxguest", "loaded"}, {"vboxsf", "loaded"}, {"vboxvideo", "available"}},
		.tools = {{"VBoxService", "yes yes yes"}, {"VBoxControl", "yes no yes"}, {"mount.vboxsf", "no no yes"}},
		.package = "mount.vboxsf: virtualbox-guest-utils",
		.families = "VirtualBox",
		.way = "none",
	},
	{
		.title = "Hyper-V on openSUSE",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 4000000b 7263694d 666f736f 76482074",
			  "etc/os-release = ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n", "proc/self/",
			  "sys/module/",
			  "proc/modules = hv_vmbus 1 1 - Live 0x0\nhv_netvsc 1 1 - Live 0x0\nhv_utils 1 1 - Live 0x0\n",
			  DEVICE("acpi", "VMBUS:00", "acpi:VMBUS:"),
			  DEVICE("vmbus", "a", "vmbus:635161f83edfc546913ff2d2f965ed0e"),
			  DEVICE("vmbus", "b", "vmbus:e7f4a0a9455a964db8278a841e8c03e6"),
			  DEVICE("vmbus", "c", "vmbus:d96361baa104294db60572e2ffb1dc7f"),
			  "sys/bus/vmbus/drivers/hv_storvsc/",
			  DEVICE("vmbus", "d", "vmbus:dc7450528589e2468057a307dc18a502"), DEP "\n",
			  "proc/1/comm = systemd\n", "dev/vmbus/hv_kvp = \n", "proc/4/comm = hv_vss_daemon\n"},
		.drivers = {{"hv_vmbus", "loaded"},
			    {"hv_netvsc", "loaded"},
			    {"hv_utils", "loaded"},
			    {"hv_storvsc", "built in"},
			    {"hv_balloon", "missing"},
			    {"hv_sock", "unknown"}},
		.tools = {{"hv_kvp_daemon", "no no yes"}, {"hv_vss_daemon", "no yes no"}},
		.package = "hv_kvp_daemon: hyper-v",
		.families = "Hyper-V",
		.way = "Hyper-V",
	},
	{
		.title = "Hyper-V whose bus has no driver",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 4000000b 7263694d 666f736f 76482074", DEBIAN,
			  NO_MODULES, DEVICE("platform", "VMBUS:00", "acpi:VMBUS:"),
			  DEP "kernel/drivers/hv/hv_vmbus.ko:\n"},
		.drivers = {{"hv_vmbus", "available"},
			    {"hv_utils", "unknown"},
			    {"hv_storvsc", "unknown"},
			    {"hv_netvsc", "unknown"},
			    {"hv_balloon", "unknown"},
			    {"hyperv_keyboard", "unknown"},
			    {"hid_hyperv", "unknown"},
			    {"hyperv_drm", "unknown"},
			    {"pci_hyperv", "unknown"},
			    {"hv_sock", "unknown"}},
		.families = "Hyper-V",
		.way = "Hyper-V",
	},
	{
		.title = "VMware",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 40000010 61774d56 4d566572 65726177", DEBIAN,
			  "proc/self/", "sys/class/dmi/id/sys_vendor = VMware, Inc.\n", "sys/module/",
			  "proc/modules = vmw_vmci 1 1 - Live 0x0\nvmw_balloon 1 0 - Live 0x0\n",
			  DEVICE("pci", "0000:00:07.7", "pci:v000015ADd00000740sv000015ADsd00000740bc08sc80i00"),
			  DEVICE("pci", "0000:03:00.0", "pci:v000015ADd000007C0sv000015ADsd000007C0bc01sc07i02"),
			  DEVICE("pci", "0000:0b:00.0", "pci:v000015ADd000007B0sv000015ADsd000007B0bc02sc00i00"),
			  DEP
			  "kernel/drivers/scsi/vmw_pvscsi.ko.gz:\nkernel/net/vmw_vsock/vmw_vsock_vmci_transport.ko:\n",
			  "usr/bin/vmtoolsd = \n", "proc/1/comm = systemd\n"},
		.drivers = {{"vmw_vmci", "loaded"},
			    {"vmw_balloon", "loaded"},
			    {"vmw_pvscsi", "available"},
			    {"vmxnet3", "missing"},
			    {"vmw_vsock_vmci_transport", "available"}},
		.tools = {{"vmtoolsd", "yes no yes"},
			  {"VGAuthService", "no no yes"},
			  {"vmware-rpctool", "no no yes"},
			  {"vmhgfs-fuse", "no no yes"}},
		.package = "VGAuthService: open-vm-tools",
		.families = "VMware",
		.way = "VMware",
	},
	{
		.title = "Xen, fully virtualised",
		.lines = {LINUX, INITIAL, HYPERVISOR, "cpuid: 40000000 0: 40000005 566e6558 65584d4d 4d4d566e",
			  "etc/os-release = ID=alpine\n", "sys/hypervisor/type = xen\n", "proc/self/", "sys/module/",
			  "proc/modules = xen_netfront 1 1 - Live 0x0\nxenfs 1 1 - Live 0x0\nxen_privcmd 1 1 - Live "
			  "0x0\n",
			  DEVICE("pci", "0000:00:02.0", "pci:v00005853d00000001sv00005853sd00000001bcFFsc80i00"),
			  BOUND("pci", "0000:00:02.0", "xen-platform-pci"), "sys/bus/pci/drivers/xen-platform-pci/",
			  DEVICE("xen", "vif-0", "xen:vif"), DEVICE("xen", "vbd-51712", "xen:vbd"),
			  "sys/bus/xen/drivers/vbd/", "sys/class/misc/xen!evtchn/",
			  DEP "kernel/drivers/xen/xen-gntdev.ko:\n", "dev/xen/xenbus = \n", "proc/1/comm = init\n"},
		.drivers = {{"xen_netfront", "loaded"},
			    {"xen_blkfront", "built in"},
			    {"xen_platform_pci", "built in"},
			    {"xen_evtchn", "built in"},
			    {"xen_privcmd", "loaded"},
			    {"xen_gntdev", "available"},
			    {"xenfs", "loaded"}},
		.tools = {{"xe-daemon", "no no yes"}, {"xe-linux-distribution", "no no yes"}},
		.package = "xe-daemon: xe-guest-utilities",
		.families = "Xen",
		.way = "Xen",
	},
	{
		.title = "Firecracker's kernel without modules",
		.lines = {LINUX, INITIAL, HYPERVISOR, KVM, DEBIAN, "proc/self/", "sys/module/virtio_blk/parameters/",
			  DEVICE("virtio", "virtio0", "virtio:d00000002v00001AF4"),
			  BOUND("virtio", "virtio0", "virtio_blk"),
			  DEVICE("virtio", "virtio1", "virtio:d0000001Av00001AF4"),
			  "boot/config-6.1.0 = \n# CONFIG_PTP_1588_CLOCK_KVM is not set\n", "proc/1/comm = init\n"},
		.drivers = {{"virtio_blk", "built in"}, {"virtiofs", "missing"}, {"ptp_kvm", "missing"}},
		.families = "virtio",
		.way = "KVM",
	},
	{
		.title = "a program guest of this library, captured",
		.lines = {LINUX, HYPERVISOR, "cpuid: 40000000 0: 40000001 7662696c 69747269 6f73",
			  "cpuid: 40000001 0: 56530000 1 0 0", "proc/self/", "sys/bus/", "sys/module/",
			  "proc/1/comm = a\n"},
		.families = "",
		.way = "libvirtiso",
	},
	{
		.title = "a computer of this library",
		.lines = {LINUX, HYPERVISOR, KVM, "cpuid: 40000100 0: 40000102 7662696c 69747269 6f73",
			  "cpuid: 40000101 0: 0 1 0 0", "cpuid: 40000102 0: 1030610 d0100000 81000 3", NO_MODULES,
			  "sys/bus/", "sys/module/", "proc/1/comm = a\n"},
		.drivers = {{"ptp_kvm", "unknown"}},
		.families = "virtio",
		.way = "libvirtiso",
	},
	{
		.title = "nothing can be read",
		.lines = {"errors: EACCES cpuid\nEACCES /sys/bus\nEACCES /proc\nEACCES /sys/hypervisor/type\n"
			  "EACCES /sys/class/dmi/id/sys_vendor\nEACCES /sys/class/dmi/id/product_name\nEACCES uname"},
		.drivers = {{"*", "unknown"}},
		.families = "?virtio ?VirtualBox ?Hyper-V ?VMware ?Xen",
		.way = "unknown",
	},
};
const int guest_machine_count = sizeof(guest_machines) / sizeof(guest_machines[0]);

static int open_parent(int directory, const char *path)
{
	char part[256];
	for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdirat(directory, part, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
	return directory;
}

static void write_file(int directory, const char *path, int flags, const char *text)
{
	int fd = openat(directory, path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
}

static void make_line(int directory, const char *line)
{
	char path[256];
	const char *equals = strstr(line, " = "), *arrow = strstr(line, " -> "), *colon = strstr(line, ": ");
	if (equals || arrow) {
		snprintf(path, sizeof(path), "%.*s", (int)((equals ? equals : arrow) - line), line);
		open_parent(directory, path);
	}
	if (equals) {
		write_file(directory, path, O_TRUNC, equals + 3);
	} else if (arrow) {
		assert_int_equal(symlinkat(arrow + 4, directory, path), 0);
	} else if (line[strlen(line) - 1] == '/') {
		open_parent(directory, line);
	} else {
		assert_non_null(colon);
		snprintf(path, sizeof(path), "%.*s", (int)(colon - line), line);
		write_file(directory, path, O_APPEND, colon + 2);
		write_file(directory, path, O_APPEND, "\n");
	}
}

void guest_machine_make(const struct guest_machine *machine, const char *path)
{
	assert_int_equal(mkdir(path, 0755), 0);
	int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(directory >= 0);
	for (int i = 0; i < (int)(sizeof(machine->lines) / sizeof(machine->lines[0])) && machine->lines[i]; i++)
		make_line(directory, machine->lines[i]);
	close(directory);
}
