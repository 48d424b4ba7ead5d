/* SPDX-License-Identifier: MIT */
/* A PC that is frozen. Its firmware is a part of it: what is at the path now may be another one. */
#include "guest/kernel/pc/pc.h"

static int save_disks(struct pc *pc, struct state_writer *out)
{
	int r = 0;
	for (int i = 0; i < 2; i++)
		ata_save(&pc->ide.channels[i], out);
	for (unsigned i = 0; i < pc->disk_count && r == 0; i++)
		r = disk_save(pc->disks[i], out);
	return r;
}

static int load_disks(struct pc *pc, struct state_reader *in)
{
	int r = 0;
	for (int i = 0; i < 2 && r == 0; i++)
		r = ata_load(&pc->ide.channels[i], in);
	for (unsigned i = 0; i < pc->disk_count && r == 0; i++)
		r = disk_load(pc->disks[i], in);
	return r;
}

int pc_save(void *device, struct state_writer *out)
{
	struct pc *pc = device;
	state_put_number(out, pc->firmware_size);
	state_put(out, pc->firmware, pc->firmware_size);
	state_put(out, pc->video, VGA_MEMORY_SIZE);
	vga_save(&pc->vga, out);
	pci_save(&pc->pci, out);
	acpi_pm_save(&pc->pm, out);
	rtc_save(&pc->rtc, out);
	i8042_save(&pc->i8042, out);
	fw_cfg_save(&pc->fw_cfg, out);
	return save_disks(pc, out);
}

static int load_memory(struct pc *pc, struct state_reader *in)
{
	uint64_t size;
	if (!state_get_number(in, pc->firmware_size, &size) || size != pc->firmware_size ||
	    (size > 0 && !state_get(in, pc->firmware, size)) || !state_get(in, pc->video, VGA_MEMORY_SIZE))
		return state_damaged("firmware");
	return 0;
}

int pc_load(void *device, struct state_reader *in)
{
	struct pc *pc = device;
	int r = load_memory(pc, in);
	if (r == 0)
		r = vga_load(&pc->vga, in);
	if (r == 0)
		r = pci_load(&pc->pci, in);
	if (r == 0)
		r = acpi_pm_load(&pc->pm, in);
	if (r == 0)
		r = rtc_load(&pc->rtc, in);
	if (r == 0)
		r = i8042_load(&pc->i8042, in);
	if (r == 0)
		r = fw_cfg_load(&pc->fw_cfg, in);
	if (r == 0)
		r = load_disks(pc, in);
	pc_clock_wake(pc);
	return r;
}
