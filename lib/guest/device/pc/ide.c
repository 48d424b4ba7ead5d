/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/ide.h"

#include "guest/device/pc/chipset.h"

enum {
	CLASS_IDE = 0x0101,
	BAR_MASTER = PCI_CONFIG_BAR + 4 * 4,
	MASTER_SIZE = 16,
	TIMING = 0x40, /* a word for each channel, with the bit that enables it */
	TIMING_ENABLED = 0x8000,
	COMMAND_IO = 1,
};

static void init_function(struct pci_function *function)
{
	pci_identify(function, 0x8086, 0x7010, CLASS_IDE, 0);
	pci_put(function, PCI_CONFIG_INTERFACE, 1, 0x80); /* ports as ever, with a bus master */
	pci_put(function, PCI_CONFIG_STATUS, 2, 0x0280);
	pci_put(function, PCI_CONFIG_COMMAND, 2, 0x0005);
	pci_let_write(function, PCI_CONFIG_COMMAND, 2, 0x0005);
	pci_put(function, BAR_MASTER, 4, IDE_WINDOW | 1);
	pci_let_write(function, BAR_MASTER, 4, 0xfffffff0);
	pci_put(function, TIMING, 4, (uint32_t)TIMING_ENABLED << 16 | TIMING_ENABLED);
	pci_let_write(function, TIMING, 4, 0xffffffff);
	pci_let_write(function, 0x44, 1, 0xff);
}

void ide_init(struct ide *ide, struct pci *pci, const struct interrupt lines[2], const struct ram *ram)
{
	ide->pci = pci;
	init_function(&ide->function);
	for (int i = 0; i < 2; i++)
		ata_init(&ide->channels[i], &lines[i], ram);
	pci->functions[CHIPSET_IDE] = &ide->function;
}

void ide_release(struct ide *ide)
{
	for (int i = 0; i < 2; i++)
		ata_release(&ide->channels[i]);
}

void ide_insert(struct ide *ide, unsigned number, struct disk *disk)
{
	ata_insert(&ide->channels[number / 2], number % 2, disk, number, false);
}

void ide_insert_cd(struct ide *ide, unsigned number, struct disk *disk)
{
	ata_insert(&ide->channels[number / 2], number % 2, disk, number, true);
}

/* The channel whose bus master is there, and where in its registers; NULL where none is, or the access crosses. */
static struct ata_channel *master_at(struct ide *ide, uint64_t offset, unsigned size, unsigned *out_offset)
{
	pthread_mutex_lock(&ide->pci->lock);
	bool is_on = pci_get(&ide->function, PCI_CONFIG_COMMAND, 2) & COMMAND_IO;
	uint64_t base = pci_get(&ide->function, BAR_MASTER, 4) & 0xfffffff0;
	pthread_mutex_unlock(&ide->pci->lock);
	uint64_t port = IDE_WINDOW + offset;
	if (!is_on || port < base || port - base + size > MASTER_SIZE)
		return NULL;
	*out_offset = (unsigned)(port - base) % 8;
	return *out_offset + size > 8 ? NULL : &ide->channels[(port - base) / 8];
}

static void window_read(void *device, uint64_t offset, void *data, unsigned size)
{
	unsigned at;
	struct ata_channel *channel = master_at(device, offset, size, &at);
	if (channel)
		ata_master_read(channel, at, data, size);
}

static void window_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	unsigned at;
	struct ata_channel *channel = master_at(device, offset, size, &at);
	if (channel)
		ata_master_write(channel, at, data, size);
}

static const struct bus_ops window_ops = {.read = window_read, .write = window_write};

bool ide_plug(struct ide *ide, struct bus *ports)
{
	return bus_add(ports, 0x1f0, ATA_COMMAND_PORTS, &ata_command_ops, &ide->channels[0]) &&
	       bus_add(ports, 0x3f6, 1, &ata_control_ops, &ide->channels[0]) &&
	       bus_add(ports, 0x170, ATA_COMMAND_PORTS, &ata_command_ops, &ide->channels[1]) &&
	       bus_add(ports, 0x376, 1, &ata_control_ops, &ide->channels[1]) &&
	       bus_add(ports, IDE_WINDOW, IDE_WINDOW_SIZE, &window_ops, ide);
}
