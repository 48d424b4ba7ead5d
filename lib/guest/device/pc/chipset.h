/* SPDX-License-Identifier: MIT */
/*
 * The bridges of a PC of the time before PCI Express: host bridge (82441FX) and bridge to the ISA bus (82371SB), with
 * the power management of the 82371AB beside. Datasheets: Intel 290549, 290550, 290562.
 */
#ifndef GUEST_DEVICE_PC_CHIPSET_H
#define GUEST_DEVICE_PC_CHIPSET_H

#include "guest/device/pc/pci.h"

enum {
	CHIPSET_HOST = PCI_FUNCTION(0, 0),
	CHIPSET_ISA = PCI_FUNCTION(1, 0),
	CHIPSET_IDE = PCI_FUNCTION(1, 1),
	CHIPSET_POWER = PCI_FUNCTION(1, 3),
};

struct chipset {
	struct pci_function host, isa, power;
	/* The firmware has written its last word into the memory where it lies, and protects it. */
	void (*sealed)(void *data);
	void *sealed_data;
};

/* Puts the functions on the bus; `power_ports` is where the registers of the power management are. */
void chipset_init(struct chipset *chipset, struct pci *pci, uint16_t power_ports);

#endif
