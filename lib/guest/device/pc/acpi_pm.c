/* SPDX-License-Identifier: MIT */
#include "guest/device/pc/acpi_pm.h"

enum {
	TIMER_STATUS = 1 << 0,
	POWER_BUTTON = 1 << 8,
	STATUS_BITS = 0x8d31,
	ENABLE_BITS = 0x0521,
	SCI_ENABLE = 1 << 0,
	SLEEP_ENABLE = 1 << 13,
	CONTROL_BITS = 0x1c02, /* that stay as they are written */
	TIMER_HZ = 3579545,
	TIMER_HALF = 1 << 23, /* of its period: the most significant bit changes */
};

void acpi_pm_init(struct acpi_pm *pm, const struct interrupt *line, int64_t (*now)(void))
{
	*pm = (struct acpi_pm){.control = SCI_ENABLE, .line = *line, .now = now};
	pthread_mutex_init(&pm->lock, NULL);
}

void acpi_pm_release(struct acpi_pm *pm)
{
	pthread_mutex_destroy(&pm->lock);
}

static int64_t time_of(const struct acpi_pm *pm)
{
	return pm->now() + pm->offset;
}

static uint64_t ticks(const struct acpi_pm *pm)
{
	return (uint64_t)((unsigned __int128)(uint64_t)time_of(pm) * TIMER_HZ / 1000000000);
}

static void update(struct acpi_pm *pm)
{
	uint64_t halves = ticks(pm) / TIMER_HALF;
	if (halves != pm->halves)
		pm->status |= TIMER_STATUS;
	pm->halves = halves;
	interrupt_set(&pm->line, pm->status & pm->enable & ENABLE_BITS);
}

void acpi_pm_press_power_button(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	pm->status |= POWER_BUTTON;
	update(pm);
	pthread_mutex_unlock(&pm->lock);
}

int64_t acpi_pm_next(struct acpi_pm *pm)
{
	int64_t next = INT64_MAX;
	pthread_mutex_lock(&pm->lock);
	if (pm->enable & TIMER_STATUS)
		next = (int64_t)((unsigned __int128)(pm->halves + 1) * TIMER_HALF * 1000000000 / TIMER_HZ) + 1 -
		       pm->offset;
	pthread_mutex_unlock(&pm->lock);
	return next;
}

void acpi_pm_advance(struct acpi_pm *pm)
{
	pthread_mutex_lock(&pm->lock);
	update(pm);
	pthread_mutex_unlock(&pm->lock);
}

/* All of it, a byte each: so an access of any width finds what is there. */
static void fill(struct acpi_pm *pm, uint8_t registers[16])
{
	update(pm);
	bus_put(&registers[ACPI_PM_EVENT], 2, pm->status);
	bus_put(&registers[ACPI_PM_EVENT + 2], 2, pm->enable);
	bus_put(&registers[ACPI_PM_CONTROL], 2, pm->control);
	bus_put(&registers[ACPI_PM_CONTROL + 2], 2, 0);
	bus_put(&registers[ACPI_PM_TIMER], 4, ticks(pm) & (2 * TIMER_HALF - 1));
	bus_put(&registers[ACPI_PM_GENERAL], 2, 0);
	bus_put(&registers[ACPI_PM_GENERAL + 2], 2, pm->general_enable);
}

static void pm_read(void *device, uint64_t offset, void *data, unsigned size)
{
	struct acpi_pm *pm = device;
	uint8_t registers[16], *bytes = data;
	pthread_mutex_lock(&pm->lock);
	fill(pm, registers);
	pthread_mutex_unlock(&pm->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = offset + i < sizeof(registers) ? registers[offset + i] : 0;
}

/* Of a register of two bytes: what it becomes by one of them. */
static uint16_t with_byte(uint16_t old, uint64_t offset, uint8_t byte)
{
	return offset & 1 ? (uint16_t)((old & 0x00ff) | byte << 8) : (uint16_t)((old & 0xff00) | byte);
}

/* Whether the computer is to be switched off. */
static bool write_control(struct acpi_pm *pm, uint64_t offset, uint8_t byte)
{
	uint16_t value = with_byte(pm->control, offset, byte);
	pm->control = (uint16_t)((value & CONTROL_BITS) | SCI_ENABLE);
	return offset & 1 && value & SLEEP_ENABLE && (value >> 10 & 7) == ACPI_PM_OFF;
}

static bool write_byte(struct acpi_pm *pm, uint64_t offset, uint8_t byte)
{
	switch (offset & ~UINT64_C(1)) {
	case ACPI_PM_EVENT:
		/* Ones clear. */
		pm->status &= (uint16_t) ~(with_byte(0, offset, byte) & STATUS_BITS);
		return false;
	case ACPI_PM_EVENT + 2:
		pm->enable = with_byte(pm->enable, offset, byte) & ENABLE_BITS;
		return false;
	case ACPI_PM_CONTROL:
		return write_control(pm, offset, byte);
	case ACPI_PM_GENERAL + 2:
		pm->general_enable = with_byte(pm->general_enable, offset, byte);
		return false;
	default:
		return false;
	}
}

static void pm_write(void *device, uint64_t offset, const void *data, unsigned size)
{
	struct acpi_pm *pm = device;
	const uint8_t *bytes = data;
	bool is_off = false;
	pthread_mutex_lock(&pm->lock);
	update(pm);
	for (unsigned i = 0; i < size; i++)
		is_off |= write_byte(pm, offset + i, bytes[i]);
	update(pm);
	pthread_mutex_unlock(&pm->lock);
	pc_wake(&pm->wake);
	if (is_off && pm->power_off)
		pm->power_off(pm->data);
}

const struct bus_ops acpi_pm_ops = {.read = pm_read, .write = pm_write};

void acpi_pm_save(struct acpi_pm *pm, struct state_writer *out)
{
	pthread_mutex_lock(&pm->lock);
	update(pm);
	const uint64_t values[] = {pm->status, pm->enable, pm->control, pm->general_enable, (uint64_t)time_of(pm)};
	pthread_mutex_unlock(&pm->lock);
	state_put(out, values, sizeof(values));
}

int acpi_pm_load(struct acpi_pm *pm, struct state_reader *in)
{
	uint64_t values[5];
	if (!state_get(in, values, sizeof(values)) || values[0] & ~(uint64_t)STATUS_BITS ||
	    values[1] & ~(uint64_t)ENABLE_BITS || values[2] & ~(uint64_t)(CONTROL_BITS | SCI_ENABLE) ||
	    values[3] > UINT16_MAX || values[4] > INT64_MAX / 2)
		return state_damaged("power management");
	pthread_mutex_lock(&pm->lock);
	pm->status = (uint16_t)values[0];
	pm->enable = (uint16_t)values[1];
	pm->control = (uint16_t)values[2];
	pm->general_enable = (uint16_t)values[3];
	pm->offset = (int64_t)values[4] - pm->now();
	pm->halves = ticks(pm) / TIMER_HALF;
	update(pm);
	pthread_mutex_unlock(&pm->lock);
	return 0;
}
