/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/pci.h"

enum { ADDRESS_BITS = 0x80fffffc, ADDRESS_ENABLE = 1u << 31, RESET_HARD = 2, RESET_NOW = 4 };

void pci_init(struct pci *pci)
{
	*pci = (struct pci){0};
	pthread_mutex_init(&pci->lock, NULL);
}

void pci_release(struct pci *pci)
{
	pthread_mutex_destroy(&pci->lock);
}

uint32_t pci_get(const struct pci_function *function, unsigned offset, unsigned size)
{
	return (uint32_t)bus_get(&function->config[offset], size);
}

void pci_put(struct pci_function *function, unsigned offset, unsigned size, uint32_t value)
{
	bus_put(&function->config[offset], size, value);
}

void pci_let_write(struct pci_function *function, unsigned offset, unsigned size, uint32_t bits)
{
	bus_put(&function->writable[offset], size, bits);
}

void pci_identify(struct pci_function *function, uint16_t vendor, uint16_t device, uint16_t class, uint8_t revision)
{
	*function = (struct pci_function){0};
	pci_put(function, PCI_CONFIG_VENDOR, 2, vendor);
	pci_put(function, PCI_CONFIG_DEVICE, 2, device);
	pci_put(function, PCI_CONFIG_CLASS, 2, class);
	pci_put(function, PCI_CONFIG_REVISION, 1, revision);
	pci_let_write(function, PCI_CONFIG_INTERRUPT_LINE, 1, 0xff);
}

/* What the address that is set leads to: bus 0 only. */
static struct pci_function *addressed(const struct pci *pci)
{
	if (!(pci->address & ADDRESS_ENABLE) || (pci->address >> 16 & 0xff) != 0)
		return NULL;
	return pci->functions[pci->address >> 8 & 0xff];
}

static void read_data(struct pci *pci, unsigned byte, void *data, unsigned size)
{
	const struct pci_function *function = addressed(pci);
	if (function)
		bus_put(data, size, pci_get(function, (pci->address & 0xfc) + byte, size));
}

static void write_data(struct pci *pci, unsigned byte, const uint8_t *data, unsigned size)
{
	struct pci_function *function = addressed(pci);
	unsigned offset = (pci->address & 0xfc) + byte;
	for (unsigned i = 0; function && i < size; i++) {
		uint8_t mask = function->writable[offset + i];
		uint8_t *value = &function->config[offset + i];
		*value = (uint8_t)((*value & ~mask) | (data[i] & mask));
		if (function->changed && mask)
			function->changed(function->data, offset + i);
	}
}

static void pci_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct pci *pci = device;
	pthread_mutex_lock(&pci->lock);
	if (offset == 0 && size == 4)
		bus_put(data, 4, pci->address);
	else if (offset == 1 && size == 1)
		bus_put(data, 1, pci->reset_control);
	else if (offset >= 4 && size <= 4)
		read_data(pci, (unsigned)offset - 4, data, size);
	pthread_mutex_unlock(&pci->lock);
}

/* The reset control register of the PIIX, which FADT tells of, too. Whether it is to be reset. */
static bool write_reset(struct pci *pci, uint8_t value)
{
	bool is_reset = value & RESET_NOW && !(pci->reset_control & RESET_NOW);
	pci->reset_control = value & RESET_HARD;
	return is_reset;
}

static void pci_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct pci *pci = device;
	bool is_reset = false;
	pthread_mutex_lock(&pci->lock);
	if (offset == 0 && size == 4)
		pci->address = (uint32_t)bus_get(data, 4) & ADDRESS_BITS;
	else if (offset == 1 && size == 1)
		is_reset = write_reset(pci, (uint8_t)bus_get(data, 1));
	else if (offset >= 4 && size <= 4)
		write_data(pci, (unsigned)offset - 4, data, size);
	pthread_mutex_unlock(&pci->lock);
	if (is_reset && pci->reset)
		pci->reset(pci->reset_data);
}

const struct bus_ops pci_ops = {.read = pci_read, .write = pci_write};

enum { FUNCTIONS = 256 };

void pci_save(struct pci *pci, struct state_writer *out)
{
	pthread_mutex_lock(&pci->lock);
	state_put_number(out, pci->address);
	state_put_number(out, pci->reset_control);
	for (unsigned i = 0; i < FUNCTIONS; i++)
		if (pci->functions[i])
			state_put(out, pci->functions[i]->config, PCI_CONFIG_SIZE);
	pthread_mutex_unlock(&pci->lock);
}

/* What the guest cannot write stays as it is. */
static bool load_function(struct pci_function *function, struct state_reader *in)
{
	uint8_t config[PCI_CONFIG_SIZE];
	if (!state_get(in, config, sizeof(config)))
		return false;
	for (unsigned i = 0; i < PCI_CONFIG_SIZE; i++) {
		uint8_t mask = function->writable[i];
		function->config[i] = (uint8_t)((function->config[i] & ~mask) | (config[i] & mask));
	}
	return true;
}

int pci_load(struct pci *pci, struct state_reader *in)
{
	uint64_t address, reset_control;
	bool is_good = state_get_number(in, ADDRESS_BITS, &address) && state_get_number(in, RESET_HARD, &reset_control);
	pthread_mutex_lock(&pci->lock);
	for (unsigned i = 0; i < FUNCTIONS && is_good; i++)
		is_good = !pci->functions[i] || load_function(pci->functions[i], in);
	if (is_good) {
		pci->address = (uint32_t)address & ADDRESS_BITS;
		pci->reset_control = reset_control & RESET_HARD;
	}
	pthread_mutex_unlock(&pci->lock);
	return is_good ? 0 : state_damaged("PCI bus");
}
