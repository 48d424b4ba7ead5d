/* SPDX-License-Identifier: MIT */
/* The IDE controller of a PC (of the 82371SB): two channels of ATA at the ports where they have always been. */
#ifndef GUEST_DEVICE_PC_IDE_H
#define GUEST_DEVICE_PC_IDE_H

#include "guest/device/pc/ata.h"
#include "guest/device/pc/pci.h"

enum {
	IDE_DISKS_MAX = 4,
	/* Where the guest may put the registers of the bus master: they answer within these ports only. */
	IDE_WINDOW = 0xc000,
	IDE_WINDOW_SIZE = 0x4000,
};

struct ide {
	struct pci_function function;
	struct pci *pci;
	struct ata_channel channels[2];
};

void ide_init(struct ide *ide, struct pci *pci, const struct interrupt lines[2], const struct ram *ram);
void ide_release(struct ide *ide);

/* The next disk, of at most IDE_DISKS_MAX; borrowed. */
void ide_insert(struct ide *ide, unsigned number, struct disk *disk);
/* The same of a CD, of at least one sector. */
void ide_insert_cd(struct ide *ide, unsigned number, struct disk *disk);

/* False where something is at these ports already. */
bool ide_plug(struct ide *ide, struct bus *ports);

#endif
