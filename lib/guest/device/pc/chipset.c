/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/chipset.h"

enum {
	INTEL = 0x8086,
	CLASS_HOST_BRIDGE = 0x0600,
	CLASS_ISA_BRIDGE = 0x0601,
	CLASS_OTHER_BRIDGE = 0x0680,
	/* Of the host bridge: how the segments from 0xc0000 on can be accessed. */
	PAM0 = 0x59,
	PAM_LAST = 0x5f,
	PAM0_BIOS_READ = 0x10,
	PAM0_BIOS_WRITE = 0x20,
	SMRAM = 0x72,
	/* Of the ISA bridge. */
	PIRQ_A = 0x60,
	/* Of the power management. */
	PM_BASE = 0x40,
	DEVICE_ACTIVITY_B = 0x58,
	APMC_ENABLE = 1 << 25,
	PM_IO_ENABLE = 0x80,
	SMBUS_BASE = 0x90,
};

/* All memory from 0xc0000 on is there and can be written: what the firmware copies there is there already. */
static void host_changed(void *data, unsigned offset)
{
	struct chipset *chipset = data;
	bool is_writable = chipset->host.config[PAM0] & PAM0_BIOS_WRITE;
	if (offset == PAM0 && !is_writable && chipset->sealed)
		chipset->sealed(chipset->sealed_data);
}

static void init_host(struct chipset *chipset)
{
	struct pci_function *host = &chipset->host;
	pci_identify(host, INTEL, 0x1237, CLASS_HOST_BRIDGE, 2);
	pci_put(host, PCI_CONFIG_COMMAND, 2, 0x0006);
	pci_put(host, PCI_CONFIG_STATUS, 2, 0x2280);
	pci_let_write(host, PCI_CONFIG_COMMAND, 2, 0x0102);
	for (unsigned offset = PAM0; offset <= PAM_LAST; offset++) {
		pci_put(host, offset, 1, offset == PAM0 ? PAM0_BIOS_READ | PAM0_BIOS_WRITE : 0x33);
		pci_let_write(host, offset, 1, 0xff);
	}
	pci_put(host, SMRAM, 1, 2);
	pci_let_write(host, SMRAM, 1, 0x78);
	host->changed = host_changed;
	host->data = chipset;
}

static void init_isa(struct pci_function *isa)
{
	pci_identify(isa, INTEL, 0x7000, CLASS_ISA_BRIDGE, 0);
	pci_put(isa, PCI_CONFIG_COMMAND, 2, 0x0007);
	pci_put(isa, PCI_CONFIG_STATUS, 2, 0x0200);
	pci_put(isa, PCI_CONFIG_HEADER, 1, 0x80); /* others follow in the same device */
	pci_put(isa, PIRQ_A, 4, 0x80808080);
	pci_let_write(isa, PIRQ_A, 4, 0x8f8f8f8f);
}

/* Its registers stay where they are, whatever is written. */
static void init_power(struct pci_function *power, uint16_t ports)
{
	pci_identify(power, INTEL, 0x7113, CLASS_OTHER_BRIDGE, 3);
	pci_put(power, PCI_CONFIG_STATUS, 2, 0x0280);
	pci_let_write(power, PCI_CONFIG_COMMAND, 2, 0x0001);
	pci_put(power, PCI_CONFIG_INTERRUPT_LINE, 1, 9);
	pci_put(power, PCI_CONFIG_INTERRUPT_PIN, 1, 1);
	pci_put(power, PM_BASE, 4, ports | 1u);
	/* As if firmware had set up its system management mode: there is none here. */
	pci_put(power, DEVICE_ACTIVITY_B, 4, APMC_ENABLE);
	pci_put(power, PM_IO_ENABLE, 1, 1);
	pci_put(power, SMBUS_BASE, 4, 1);
}

void chipset_init(struct chipset *chipset, struct pci *pci, uint16_t power_ports)
{
	*chipset = (struct chipset){0};
	init_host(chipset);
	init_isa(&chipset->isa);
	init_power(&chipset->power, power_ports);
	pci->functions[CHIPSET_HOST] = &chipset->host;
	pci->functions[CHIPSET_ISA] = &chipset->isa;
	pci->functions[CHIPSET_POWER] = &chipset->power;
}
