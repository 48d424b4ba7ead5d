/* SPDX-License-Identifier: MIT */
/*
 * The words of systemd-detect-virt(1), where it has one; else those of virt-what(1) with hyphens; else the product's
 * own.
 */
#include "machine/layers/products.h"

static const struct product_facts products[PRODUCTS] = {
	[PRODUCT_KVM] = {"kvm", "KVM", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_QEMU_TCG] = {"qemu", "QEMU without hardware virtualisation", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_XEN] = {"xen", "Xen", VISO_LAYER_HYPERVISOR, 3},
	[PRODUCT_MICROSOFT] = {"microsoft", "Microsoft Hyper-V", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_VIRTUAL_PC] = {"virtualpc", "Microsoft Virtual PC", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_VMWARE] = {"vmware", "VMware", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_ORACLE] = {"oracle", "Oracle VirtualBox", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_PARALLELS] = {"parallels", "Parallels", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_BHYVE] = {"bhyve", "bhyve of FreeBSD", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_OPENBSD_VMM] = {"vmm", "vmm of OpenBSD", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_NVMM] = {"nvmm", "NVMM of NetBSD", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_HAXM] = {"haxm", "Intel HAXM", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_ACRN] = {"acrn", "ACRN", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_QNX] = {"qnx", "QNX Hypervisor", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_SRE] = {"sre", "Lockheed Martin SRE", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_APPLE] = {"apple", "Apple Virtualization", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_UNISYS] = {"unisys-spar", "Unisys s-Par", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_JAILHOUSE] = {"jailhouse", "Jailhouse", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_EVMM] = {"evmm", "Intel eVMM", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_BOCHS] = {"bochs", "Bochs", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_UML] = {"uml", "User-mode Linux", VISO_LAYER_HYPERVISOR, 5},
	[PRODUCT_ZVM] = {"zvm", "IBM z/VM", VISO_LAYER_HYPERVISOR, 1},
	[PRODUCT_LPAR] = {"lpar", "IBM Z logical partition", VISO_LAYER_HYPERVISOR, 0},
	[PRODUCT_POWERVM] = {"powervm", "IBM PowerVM", VISO_LAYER_HYPERVISOR, 0},
	[PRODUCT_POWERVM_LX86] = {"powervm-lx86", "IBM PowerVM Lx86", VISO_LAYER_HYPERVISOR, 5},
	[PRODUCT_LDOMS] = {"ldoms", "Oracle VM Server for SPARC", VISO_LAYER_HYPERVISOR, 2},
	[PRODUCT_VIRTAGE] = {"virtage", "Hitachi Virtage", VISO_LAYER_HYPERVISOR, 0},
	[PRODUCT_VM_OTHER] = {"vm-other", "a hypervisor that is not known", VISO_LAYER_HYPERVISOR, 2},

	[PRODUCT_QEMU] = {"qemu", "QEMU", VISO_LAYER_MONITOR, 0},
	[PRODUCT_FIRECRACKER] = {"firecracker", "Firecracker", VISO_LAYER_MONITOR, 0},
	[PRODUCT_CLOUD_HYPERVISOR] = {"cloud-hypervisor", "Cloud Hypervisor", VISO_LAYER_MONITOR, 0},
	[PRODUCT_CROSVM] = {"crosvm", "crosvm", VISO_LAYER_MONITOR, 0},
	[PRODUCT_KVMTOOL] = {"kvmtool", "kvmtool", VISO_LAYER_MONITOR, 0},
	[PRODUCT_STRATOVIRT] = {"stratovirt", "StratoVirt", VISO_LAYER_MONITOR, 0},
	[PRODUCT_LIBVIRTISO] = {"libvirtiso", "libvirtiso", VISO_LAYER_MONITOR, 0},

	[PRODUCT_AMAZON] = {"amazon", "Amazon EC2", VISO_LAYER_CLOUD, 0},
	[PRODUCT_GOOGLE] = {"google", "Google Compute Engine", VISO_LAYER_CLOUD, 0},
	[PRODUCT_AZURE] = {"azure", "Microsoft Azure", VISO_LAYER_CLOUD, 0},
	[PRODUCT_ALIBABA] = {"alibaba", "Alibaba Cloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_ORACLE_CLOUD] = {"oracle-cloud", "Oracle Cloud Infrastructure", VISO_LAYER_CLOUD, 0},
	[PRODUCT_IBM_CLOUD] = {"ibm-cloud", "IBM Cloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_TENCENT] = {"tencent", "Tencent Cloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_HUAWEI] = {"huawei", "Huawei Cloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_DIGITALOCEAN] = {"digitalocean", "DigitalOcean", VISO_LAYER_CLOUD, 0},
	[PRODUCT_HETZNER] = {"hetzner", "Hetzner Cloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_SCALEWAY] = {"scaleway", "Scaleway", VISO_LAYER_CLOUD, 0},
	[PRODUCT_VULTR] = {"vultr", "Vultr", VISO_LAYER_CLOUD, 0},
	[PRODUCT_UPCLOUD] = {"upcloud", "UpCloud", VISO_LAYER_CLOUD, 0},
	[PRODUCT_EXOSCALE] = {"exoscale", "Exoscale", VISO_LAYER_CLOUD, 0},
	[PRODUCT_AKAMAI] = {"akamai", "Akamai (Linode)", VISO_LAYER_CLOUD, 0},
	[PRODUCT_OUTSCALE] = {"outscale", "3DS Outscale", VISO_LAYER_CLOUD, 0},
	[PRODUCT_CLOUDSIGMA] = {"cloudsigma", "CloudSigma", VISO_LAYER_CLOUD, 0},
	[PRODUCT_CLOUDSTACK] = {"cloudstack", "Apache CloudStack", VISO_LAYER_CLOUD, 0},
	[PRODUCT_OPENSTACK] = {"openstack", "OpenStack", VISO_LAYER_CLOUD, 0},
	[PRODUCT_SMARTOS] = {"smartos", "SmartOS", VISO_LAYER_CLOUD, 0},
	[PRODUCT_ZSTACK] = {"zstack", "ZStack", VISO_LAYER_CLOUD, 0},
	[PRODUCT_KUBEVIRT] = {"kubevirt", "KubeVirt", VISO_LAYER_CLOUD, 0},
	[PRODUCT_NUTANIX] = {"nutanix-ahv", "Nutanix AHV", VISO_LAYER_CLOUD, 0},
	[PRODUCT_OVIRT] = {"ovirt", "oVirt", VISO_LAYER_CLOUD, 0},
	[PRODUCT_RHEV] = {"rhev", "Red Hat Virtualization", VISO_LAYER_CLOUD, 0},
	[PRODUCT_REDHAT] = {"redhat", "Red Hat hypervisor", VISO_LAYER_CLOUD, 0},

	[PRODUCT_SEV] = {"sev", "AMD SEV", VISO_LAYER_CONFIDENTIAL, 0},
	[PRODUCT_SEV_ES] = {"sev-es", "AMD SEV-ES", VISO_LAYER_CONFIDENTIAL, 0},
	[PRODUCT_SEV_SNP] = {"sev-snp", "AMD SEV-SNP", VISO_LAYER_CONFIDENTIAL, 0},
	[PRODUCT_TDX] = {"tdx", "Intel TDX", VISO_LAYER_CONFIDENTIAL, 0},
	[PRODUCT_PROTVIRT] = {"protvirt", "IBM Secure Execution", VISO_LAYER_CONFIDENTIAL, 0},
	[PRODUCT_CCA] = {"cca", "Arm CCA", VISO_LAYER_CONFIDENTIAL, 0},

	[PRODUCT_WSL] = {"wsl", "Windows Subsystem for Linux", VISO_LAYER_CONTAINER, 0},
	[PRODUCT_KUBERNETES] = {"kubernetes", "Kubernetes", VISO_LAYER_CONTAINER, 1},
	[PRODUCT_OPENVZ] = {"openvz", "OpenVZ", VISO_LAYER_CONTAINER, 1},
	[PRODUCT_VSERVER] = {"linux-vserver", "Linux-VServer", VISO_LAYER_CONTAINER, 1},
	[PRODUCT_ILLUMOS_LX] = {"illumos-lx", "LX zone of illumos", VISO_LAYER_CONTAINER, 1},
	[PRODUCT_LXC] = {"lxc", "LXC", VISO_LAYER_CONTAINER, 2},
	[PRODUCT_LXC_LIBVIRT] = {"lxc-libvirt", "LXC of libvirt", VISO_LAYER_CONTAINER, 2},
	[PRODUCT_NSPAWN] = {"systemd-nspawn", "systemd-nspawn", VISO_LAYER_CONTAINER, 2},
	[PRODUCT_RKT] = {"rkt", "rkt", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_POUCH] = {"pouch", "Pouch", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_GARDEN] = {"garden", "Cloud Foundry Garden", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_DOCKER] = {"docker", "Docker", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_PODMAN] = {"podman", "Podman", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_CRIO] = {"cri-o", "CRI-O", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_CONTAINERD] = {"containerd", "containerd", VISO_LAYER_CONTAINER, 3},
	[PRODUCT_APPTAINER] = {"apptainer", "Apptainer or Singularity", VISO_LAYER_CONTAINER, 4},
	[PRODUCT_FLATPAK] = {"flatpak", "Flatpak", VISO_LAYER_CONTAINER, 4},
	[PRODUCT_FIREJAIL] = {"firejail", "Firejail", VISO_LAYER_CONTAINER, 4},
	[PRODUCT_GVISOR] = {"gvisor", "gVisor", VISO_LAYER_CONTAINER, 4},
	[PRODUCT_PROOT] = {"proot", "PRoot", VISO_LAYER_CONTAINER, 5},
	[PRODUCT_CONTAINER_OTHER] = {"container-other", "a container that is not known", VISO_LAYER_CONTAINER, 3},

	[PRODUCT_CHROOT] = {"chroot", "chroot", VISO_LAYER_CHROOT, 0},
};

const struct product_facts *product_facts(enum product product)
{
	return &products[product];
}

enum product product_other(viso_layer_kind kind)
{
	switch (kind) {
	case VISO_LAYER_HYPERVISOR:
		return PRODUCT_VM_OTHER;
	case VISO_LAYER_CONTAINER:
		return PRODUCT_CONTAINER_OTHER;
	case VISO_LAYER_CHROOT:
		return PRODUCT_CHROOT;
	default:
		return PRODUCTS;
	}
}
