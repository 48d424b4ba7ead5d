/* SPDX-License-Identifier: MIT */
/*
 * The kernel modules of guests. Aliases are those of the modules themselves: MODULE_DEVICE_TABLE in their sources,
 * PCI ids of include/linux/pci_ids.h, virtio ids of include/uapi/linux/virtio_ids.h, class ids of the VMBus of
 * include/linux/hyperv.h.
 */
#include "machine/drivers/drivers.h"

#define VIRTIO(id) "virtio:d" id "v*"
#define PCI(vendor, device) "pci:v0000" vendor "d0000" device "sv*"
#define ACPI(id) "acpi*:" id ":*"
#define TREE(compatible) "of:N*T*C" compatible "*"

/* clang-format off */
const struct module modules[] = {
	{"virtio_pci", VISO_FAMILY_VIRTIO, "virtio devices on PCI", "VIRTIO_PCI", {"pci:v00001AF4d000010[0-7]?sv*"}, {"pci/virtio-pci"}},
	{"virtio_mmio", VISO_FAMILY_VIRTIO, "virtio devices in memory", "VIRTIO_MMIO",
	 {ACPI("LNRO0005"), TREE("virtio,mmio"), "platform:virtio-mmio"}, {"platform/virtio-mmio"}},
	{"virtio_net", VISO_FAMILY_VIRTIO, "network devices", "VIRTIO_NET", {VIRTIO("00000001")}},
	{"virtio_blk", VISO_FAMILY_VIRTIO, "disks", "VIRTIO_BLK", {VIRTIO("00000002")}},
	{"virtio_console", VISO_FAMILY_VIRTIO, "consoles and ports of agents", "VIRTIO_CONSOLE", {VIRTIO("00000003")}},
	{"virtio_rng", VISO_FAMILY_VIRTIO, "random numbers of the host", "HW_RANDOM_VIRTIO", {VIRTIO("00000004")}},
	{"virtio_balloon", VISO_FAMILY_VIRTIO, "memory given back to the host", "VIRTIO_BALLOON", {VIRTIO("00000005")}},
	{"virtio_scsi", VISO_FAMILY_VIRTIO, "SCSI disks", "SCSI_VIRTIO", {VIRTIO("00000008")}},
	{"9pnet_virtio", VISO_FAMILY_VIRTIO, "directories of the host by 9P", "NET_9P_VIRTIO", {VIRTIO("00000009")}},
	{"virtio_gpu", VISO_FAMILY_VIRTIO, "graphics", "DRM_VIRTIO_GPU", {VIRTIO("00000010")}},
	{"virtio_input", VISO_FAMILY_VIRTIO, "keyboards and mice", "VIRTIO_INPUT", {VIRTIO("00000012")}},
	{"vmw_vsock_virtio_transport", VISO_FAMILY_VIRTIO, "sockets between host and guest", "VIRTIO_VSOCKETS", {VIRTIO("00000013")}},
	{"virtio_crypto", VISO_FAMILY_VIRTIO, "ciphers", "CRYPTO_DEV_VIRTIO", {VIRTIO("00000014")}},
	{"virtio_mem", VISO_FAMILY_VIRTIO, "memory that comes and goes", "VIRTIO_MEM", {VIRTIO("00000018")}},
	{"virtiofs", VISO_FAMILY_VIRTIO, "directories of the host", "VIRTIO_FS", {VIRTIO("0000001A")}},
	{"virtio_pmem", VISO_FAMILY_VIRTIO, "files of the host as memory", "VIRTIO_PMEM", {VIRTIO("0000001B")}},
	{"ptp_kvm", VISO_FAMILY_VIRTIO, "the host's clock", "PTP_1588_CLOCK_KVM", .by_hypervisor = true},
	{"pvpanic_mmio", VISO_FAMILY_VIRTIO, "telling the host of a panic", "PVPANIC_MMIO", {ACPI("QEMU0001"), TREE("qemu,pvpanic-mmio")},
	 {"platform/pvpanic-mmio"}},
	{"pvpanic_pci", VISO_FAMILY_VIRTIO, "telling the host of a panic", "PVPANIC_PCI", {PCI("1B36", "0011")}, {"pci/pvpanic-pci"}},
	{"qemu_fw_cfg", VISO_FAMILY_VIRTIO, "files from QEMU's command line", "FW_CFG_SYSFS", {ACPI("QEMU0002"), TREE("qemu,fw-cfg-mmio")},
	 {"platform/fw_cfg"}},
	{"vmgenid", VISO_FAMILY_VIRTIO, "new random numbers in each clone", "VMGENID", {ACPI("VMGENCTR"), ACPI("VM_GEN_COUNTER"),
	 TREE("microsoft,vmgenid")}, {"platform/vmgenid", "acpi/vmgenid"}},

	{"vboxguest", VISO_FAMILY_VIRTUALBOX, "the host's services: time, clipboard, shared folders", "VBOXGUEST", {PCI("80EE", "CAFE")}},
	{"vboxsf", VISO_FAMILY_VIRTUALBOX, "shared folders", "VBOXSF_FS", .follows = "vboxguest"},
	{"vboxvideo", VISO_FAMILY_VIRTUALBOX, "graphics", "DRM_VBOXVIDEO", {PCI("80EE", "BEEF")}},

	{"hv_vmbus", VISO_FAMILY_HYPERV, "the bus of all others", "HYPERV", {ACPI("VMBUS"), ACPI("VMBus"), TREE("microsoft,vmbus")},
	 {"platform/hv_vmbus", "acpi/hv_vmbus", "platform/vmbus"}},
	{"hv_utils", VISO_FAMILY_HYPERV, "shutdown, time, heartbeat, key-value pairs, backup", "HYPERV_UTILS",
	 {"vmbus:31600b0e13523449818b38d90ced39db", "vmbus:30e62795aed07b49adcee80ab0175caf", "vmbus:394f16571591784eab55382f3bd5422d",
	  "vmbus:e7f4a0a9455a964db8278a841e8c03e6", "vmbus:292efa3523ea364296ae3a6ebacba440", "vmbus:e34bd134e4dec8419ae76b174977c192"}},
	{"hv_storvsc", VISO_FAMILY_HYPERV, "disks", "HYPERV_STORAGE",
	 {"vmbus:d96361baa104294db60572e2ffb1dc7f", "vmbus:32264132cb86a2449b5c50d1417354f5", "vmbus:4acc9b2f6900f34ab76b6fd0be528cda"}},
	{"hv_netvsc", VISO_FAMILY_HYPERV, "network devices", "HYPERV_NET", {"vmbus:635161f83edfc546913ff2d2f965ed0e"}},
	{"hv_balloon", VISO_FAMILY_HYPERV, "memory that comes and goes", "HYPERV_BALLOON", {"vmbus:dc7450528589e2468057a307dc18a502"}},
	{"hyperv_keyboard", VISO_FAMILY_HYPERV, "the keyboard", "HYPERV_KEYBOARD", {"vmbus:6dad12f9172bea48bd65f927a61c7684"}},
	{"hid_hyperv", VISO_FAMILY_HYPERV, "the mouse", "HID_HYPERV_MOUSE", {"vmbus:9eb6a8cf4a5bc04cb98b8ba1a1f3f95a"}},
	{"hyperv_drm", VISO_FAMILY_HYPERV, "graphics", "DRM_HYPERV", {"vmbus:02780ada77e3ac4a8e770558eb1073f8", PCI("1414", "5353")}},
	{"pci_hyperv", VISO_FAMILY_HYPERV, "PCI devices passed on", "PCI_HYPERV", {"vmbus:1df6c444444400449d52802e27ede19f"}, {"vmbus/hv_pci"}},
	{"hv_sock", VISO_FAMILY_HYPERV, "sockets between host and guest", "HYPERV_VSOCKETS", .follows = "hv_vmbus"},

	{"vmw_vmci", VISO_FAMILY_VMWARE, "messages between host and guest", "VMWARE_VMCI", {PCI("15AD", "0740")}},
	{"vmw_vsock_vmci_transport", VISO_FAMILY_VMWARE, "sockets between host and guest", "VMWARE_VMCI_VSOCKETS", .follows = "vmw_vmci"},
	{"vmw_balloon", VISO_FAMILY_VMWARE, "memory given back to the host", "VMWARE_BALLOON", .by_hypervisor = true},
	{"vmw_pvscsi", VISO_FAMILY_VMWARE, "disks", "VMWARE_PVSCSI", {PCI("15AD", "07C0")}},
	{"vmxnet3", VISO_FAMILY_VMWARE, "network devices", "VMXNET3", {PCI("15AD", "07B0")}},
	{"vmwgfx", VISO_FAMILY_VMWARE, "graphics", "DRM_VMWGFX", {PCI("15AD", "0405"), PCI("15AD", "0406")}},

	{"xen_blkfront", VISO_FAMILY_XEN, "disks", "XEN_BLKDEV_FRONTEND", {"xen:vbd"}, {"xen/vbd"}},
	{"xen_netfront", VISO_FAMILY_XEN, "network devices", "XEN_NETDEV_FRONTEND", {"xen:vif"}, {"xen/vif"}},
	{"xen_pcifront", VISO_FAMILY_XEN, "PCI devices passed on", "XEN_PCIDEV_FRONTEND", {"xen:pci"}, {"xen/pcifront"}},
	{"xen_scsifront", VISO_FAMILY_XEN, "SCSI devices", "XEN_SCSI_FRONTEND", {"xen:vscsi"}, {"xen/scsifront"}},
	{"9pnet_xen", VISO_FAMILY_XEN, "directories of the host by 9P", "NET_9P_XEN", {"xen:9pfs"}, {"xen/9pfs"}},
	{"xen_platform_pci", VISO_FAMILY_XEN, "Xen's devices in a fully virtualised guest", "XEN_PVHVM_GUEST", {PCI("5853", "0001")},
	 {"pci/xen-platform-pci"}},
	{"xen_evtchn", VISO_FAMILY_XEN, "events, for programs", "XEN_DEV_EVTCHN", .by_hypervisor = true, .sign = "/sys/class/misc/xen!evtchn"},
	{"xen_privcmd", VISO_FAMILY_XEN, "hypercalls, for programs", "XEN_PRIVCMD", .by_hypervisor = true, .sign = "/sys/class/misc/xen!privcmd"},
	{"xen_gntdev", VISO_FAMILY_XEN, "shared memory, for programs", "XEN_GNTDEV", .by_hypervisor = true, .sign = "/sys/class/misc/xen!gntdev"},
	{"xenfs", VISO_FAMILY_XEN, "/proc/xen", "XENFS", .by_hypervisor = true},
};
/* clang-format on */
const size_t module_count = sizeof(modules) / sizeof(modules[0]);
