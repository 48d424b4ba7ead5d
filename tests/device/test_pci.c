/* SPDX-License-Identifier: MIT */
/* The bus, the bridges and the power management of a PC. */
#include "support.h"

#include "guest/device/pc/acpi_pm.h"
#include "guest/device/pc/chipset.h"
#include "guest/device/pc/pci.h"
#include "ports.h"

static struct pci pci;
static struct chipset chipset;
static struct acpi_pm pm;
static struct line sci;
static int resets, offs, seals;

static void count(void *data)
{
	++*(int *)data;
}

static int set_up(void **state)
{
	ports = (struct bus){0};
	sci = (struct line){0};
	resets = offs = seals = 0;
	test_time = 1000000000;
	const struct interrupt line = line_of(&sci);
	pci_init(&pci);
	chipset_init(&chipset, &pci, 0x600);
	acpi_pm_init(&pm, &line, test_now);
	pci.reset = pm.power_off = chipset.sealed = count;
	pci.reset_data = &resets;
	pm.data = &offs;
	chipset.sealed_data = &seals;
	assert_true(bus_add(&ports, PCI_PORTS, PCI_PORT_COUNT, &pci_ops, &pci));
	assert_true(bus_add(&ports, 0x600, ACPI_PM_SIZE, &acpi_pm_ops, &pm));
	return 0;
}

static int tear_down(void **state)
{
	pci_release(&pci);
	acpi_pm_release(&pm);
	return 0;
}

static void choose(unsigned function, unsigned offset)
{
	out(0xcf8, 4, 0x80000000 | function << 8 | (offset & ~3u));
}

static uint32_t config(unsigned function, unsigned offset, unsigned size)
{
	choose(function, offset);
	return in((uint16_t)(0xcfc + (offset & 3)), size);
}

static void set_config(unsigned function, unsigned offset, unsigned size, uint32_t value)
{
	choose(function, offset);
	out((uint16_t)(0xcfc + (offset & 3)), size, value);
}

static void test_bridges_are_found(void **state)
{
	assert_int_equal(config(CHIPSET_HOST, 0, 4), 0x12378086);
	assert_int_equal(config(CHIPSET_ISA, 0, 4), 0x70008086);
	assert_int_equal(config(CHIPSET_ISA, 0x0e, 1), 0x80);
	assert_int_equal(config(CHIPSET_POWER, 0, 4), 0x71138086);
	assert_int_equal(config(CHIPSET_POWER, 0x40, 4), 0x601);
	assert_int_equal(config(CHIPSET_ISA, 0x0a, 2), 0x0601);
}

static void test_nothing_else_is_there(void **state)
{
	assert_int_equal(config(PCI_FUNCTION(2, 0), 0, 4), 0xffffffff);
	out(0xcf8, 4, 0x80010000); /* bus 1 */
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	out(0xcf8, 4, 0); /* not enabled */
	assert_int_equal(in(0xcfc, 4), 0xffffffff);
	/* Bytes do not change the address. */
	choose(CHIPSET_HOST, 0);
	out(0xcf8, 1, 0xff);
	out(0xcf8, 2, 0xffff);
	assert_int_equal(in(0xcf8, 4), 0x80000000);
	assert_int_equal(in(0xcfd, 4), 0xffffffff); /* beyond the data */
}

static void test_only_what_is_writable_changes(void **state)
{
	set_config(CHIPSET_HOST, 0, 4, 0);
	assert_int_equal(config(CHIPSET_HOST, 0, 4), 0x12378086);
	set_config(CHIPSET_ISA, 0x60, 1, 11);
	assert_int_equal(config(CHIPSET_ISA, 0x60, 4), 0x8080800b);
	set_config(CHIPSET_POWER, 0x40, 4, 0xb001);
	assert_int_equal(config(CHIPSET_POWER, 0x40, 4), 0x601);
}

static void test_firmware_seals_its_memory(void **state)
{
	set_config(CHIPSET_HOST, 0x59, 1, 0x30);
	assert_int_equal(seals, 0);
	set_config(CHIPSET_HOST, 0x58, 4, 0x33331000);
	assert_int_equal(seals, 1);
}

static void test_reset_register(void **state)
{
	out8(0xcf9, 0x02);
	assert_int_equal(resets, 0);
	assert_int_equal(in8(0xcf9), 0x02);
	out8(0xcf9, 0x06);
	assert_int_equal(resets, 1);
}

static void test_power_button(void **state)
{
	acpi_pm_press_power_button(&pm);
	assert_false(sci.level);
	assert_int_equal(in(0x600, 2), 0x0100);
	out(0x602, 2, 0x0100);
	assert_true(sci.level);
	out(0x600, 2, 0x0001); /* another one */
	assert_true(sci.level);
	out(0x600, 2, 0x0100);
	assert_false(sci.level);
	assert_int_equal(in(0x600, 2), 0);
	assert_int_equal(in(0x604, 2), 1); /* the operating system has the hardware */
}

static void test_switching_off(void **state)
{
	out(0x604, 2, 0x0001);
	out(0x604, 2, 0x2401); /* another sleep */
	out(0x604, 2, 0x0001);
	assert_int_equal(offs, 0);
	out(0x604, 2, 0x2001);
	assert_int_equal(offs, 1);
	/* By bytes, as by a word. */
	out8(0x605, 0x20);
	assert_int_equal(offs, 2);
}

static void test_timer(void **state)
{
	uint32_t before = in(0x608, 4);
	test_time += 1000000000;
	assert_int_equal((in(0x608, 4) - before) & 0xffffff, 3579545);
	assert_int_equal(in(0x608, 4) >> 24, 0);
	assert_int_equal(acpi_pm_next(&pm), INT64_MAX);
	out(0x600, 2, 0xffff);
	out(0x602, 2, 1);
	int64_t next = acpi_pm_next(&pm);
	assert_true(next > test_time && next <= test_time + 2350000000);
	test_time = next - 1000;
	acpi_pm_advance(&pm);
	assert_false(sci.level);
	test_time = next;
	acpi_pm_advance(&pm);
	assert_true(sci.level);
	assert_true(acpi_pm_next(&pm) > next);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_bridges_are_found),
		case_(test_nothing_else_is_there),
		case_(test_only_what_is_writable_changes),
		case_(test_firmware_seals_its_memory),
		case_(test_reset_register),
		case_(test_power_button),
		case_(test_switching_off),
		case_(test_timer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
