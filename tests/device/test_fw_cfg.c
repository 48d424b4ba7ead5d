/* SPDX-License-Identifier: MIT */
/* What firmware learns of a PC. */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <virtiso/log.h>

#include "guest/device/pc/fw_cfg.h"
#include "guest/device/pc/smbios.h"
#include "ports.h"

static struct fw_cfg fw_cfg;

static int set_up(void **state)
{
	ports = (struct bus){0};
	fw_cfg_init(&fw_cfg);
	assert_ok(fw_cfg_add_number(&fw_cfg, FW_CFG_PROCESSORS, 3, 2));
	assert_ok(fw_cfg_add_file(&fw_cfg, "etc/one", "1", 1));
	assert_ok(fw_cfg_add_file(&fw_cfg, "etc/other", "other", 5));
	assert_ok(fw_cfg_add_directory(&fw_cfg));
	assert_true(bus_add(&ports, FW_CFG_PORTS, FW_CFG_PORT_COUNT, &fw_cfg_ops, &fw_cfg));
	assert_true(bus_add(&ports, FW_CFG_DEBUG_PORT, 1, &fw_cfg_debug_ops, &fw_cfg));
	return 0;
}

static int tear_down(void **state)
{
	fw_cfg_release(&fw_cfg);
	return 0;
}

static void expect(uint16_t key, const void *data, size_t size)
{
	const uint8_t *bytes = data;
	out(FW_CFG_PORTS, 2, key);
	for (size_t i = 0; i < size; i++)
		assert_int_equal(in8(FW_CFG_PORTS + 1), bytes[i]);
}

static void test_items(void **state)
{
	expect(FW_CFG_SIGNATURE, "QEMU\0\0", 6);
	expect(FW_CFG_ID, "\1\0\0\0", 4);
	expect(FW_CFG_PROCESSORS, "\3\0\0", 3);
	expect(0x7777, "\0\0", 2);
	expect(FW_CFG_DIRECTORY, "\0\0\0\2\0\0\0\1\0\x20\0\0etc/one\0", 20);
	expect(FW_CFG_FILES + 1, "other\0", 6);
	/* Writing data, or choosing by a byte, does nothing. */
	out8(FW_CFG_PORTS + 1, 0);
	out8(FW_CFG_PORTS, 0);
	assert_int_equal(in8(FW_CFG_PORTS + 1), 0);
	assert_int_equal(in8(FW_CFG_PORTS), 0xff);
}

static void test_silence(void **state)
{
	assert_int_equal(in8(FW_CFG_DEBUG_PORT), 0xe9);
	fw_cfg_silence(&fw_cfg);
	out(FW_CFG_PORTS, 2, FW_CFG_SIGNATURE);
	assert_int_equal(in8(FW_CFG_PORTS + 1), 0xff);
	assert_int_equal(in8(FW_CFG_DEBUG_PORT), 0xff);
}

static void remember(viso_log_level level, const char *message, void *data)
{
	char *last = data;
	snprintf(last, 256, "%s", message);
}

static void test_messages(void **state)
{
	char last[256] = "";
	assert_ok(viso_log_set_handler(VISO_LOG_DEBUG, remember, last, NULL));
	for (const char *at = "a \x1b\x80line\n"; *at; at++)
		out8(FW_CFG_DEBUG_PORT, (uint8_t)*at);
	assert_string_equal(last, "firmware: a line");
	for (int i = 0; i < 1000; i++)
		out8(FW_CFG_DEBUG_PORT, 'x');
	out8(FW_CFG_DEBUG_PORT, '\n');
	assert_int_equal(strlen(last), strlen("firmware: ") + FW_CFG_LINE_MAX);
	assert_ok(viso_log_set_handler(VISO_LOG_DEBUG, NULL, NULL, NULL));
}

static void test_too_many(void **state)
{
	int r = 0;
	for (int i = 0; r == 0 && i < FW_CFG_ITEMS_MAX; i++)
		r = fw_cfg_add_file(&fw_cfg, "etc/more", "", 0);
	assert_true(r < 0);
}

/* As dmidecode(8) walks them. */
static void test_smbios(void **state)
{
	uint8_t tables[SMBIOS_TABLES_MAX], entry[SMBIOS_ENTRY];
	size_t size = smbios_tables(tables), at = 0;
	int structures = 0, type = -1;
	smbios_entry(tables, size, entry);
	assert_int_equal(entry[0x16] | entry[0x17] << 8, size);
	while (at + 4 <= size) {
		type = tables[at];
		size_t next = at + tables[at + 1];
		while (next + 1 < size && (tables[next] || tables[next + 1]))
			next++;
		assert_int_equal(tables[at + 2] | tables[at + 3] << 8, structures);
		at = next + 2;
		structures++;
	}
	assert_int_equal(at, size);
	assert_int_equal(type, 127);
	assert_int_equal(structures, entry[0x1c]);
}

#define case_(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		case_(test_items), case_(test_silence), case_(test_messages), case_(test_too_many), case_(test_smbios),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
