/* SPDX-License-Identifier: MIT */
/*
 * The PCI bus of a PC, by configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3), and the reset control
 * register that lies among its ports.
 */
#ifndef GUEST_DEVICE_PC_PCI_H
#define GUEST_DEVICE_PC_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/device/bus.h"
#include "guest/device/state.h"

enum { PCI_PORTS = 0xcf8, PCI_PORT_COUNT = 8, PCI_CONFIG_SIZE = 256 };

/* Of the configuration space. */
enum {
	PCI_CONFIG_VENDOR = 0x00,
	PCI_CONFIG_DEVICE = 0x02,
	PCI_CONFIG_COMMAND = 0x04,
	PCI_CONFIG_STATUS = 0x06,
	PCI_CONFIG_REVISION = 0x08,
	PCI_CONFIG_INTERFACE = 0x09,
	PCI_CONFIG_CLASS = 0x0a,
	PCI_CONFIG_HEADER = 0x0e,
	PCI_CONFIG_BAR = 0x10,
	PCI_CONFIG_INTERRUPT_LINE = 0x3c,
	PCI_CONFIG_INTERRUPT_PIN = 0x3d,
};

#define PCI_FUNCTION(device, function) ((device) << 3 | (function))

struct pci_function {
	uint8_t config[PCI_CONFIG_SIZE];
	uint8_t writable[PCI_CONFIG_SIZE]; /* which of its bits the guest can change */
	/* The byte at `offset` was written; with the lock of the bus held. NULL: nobody minds. */
	void (*changed)(void *data, unsigned offset);
	void *data;
};

struct pci {
	pthread_mutex_t lock; /* guards all that follows, and the configuration of the functions */
	uint32_t address;
	uint8_t reset_control;
	struct pci_function *functions[256]; /* of bus 0, by PCI_FUNCTION(); borrowed; NULL where there is none */
	void (*reset)(void *data);
	void *reset_data;
};

extern const struct bus_ops pci_ops; /* for PCI_PORTS */

void pci_init(struct pci *pci);
void pci_release(struct pci *pci);

/* Identifies a function; a class is base class and subclass. */
void pci_identify(struct pci_function *function, uint16_t vendor, uint16_t device, uint16_t class, uint8_t revision);

uint32_t pci_get(const struct pci_function *function, unsigned offset, unsigned size);
void pci_put(struct pci_function *function, unsigned offset, unsigned size, uint32_t value);
void pci_let_write(struct pci_function *function, unsigned offset, unsigned size, uint32_t bits);

/* The bus, with what was written to the functions; they must be the same. 0, or -EINVAL with the error set. */
void pci_save(struct pci *pci, struct state_writer *out);
int pci_load(struct pci *pci, struct state_reader *in);

#endif
