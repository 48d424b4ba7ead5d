/* SPDX-License-Identifier: MIT */
/* Screen, keyboard and power button. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso/guest_pc.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/contained/computer.h"
#include "guest/guest.h"
#include "guest/kernel/kernel.h"
#include "guest/kernel/pc/pc.h"

static int fail_platform(const char *function)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, function,
			  "%s: the computer has none; choose VISO_PLATFORM_PC by viso_guest_set_platform()", function);
}

static int check(viso_guest *guest, const char *function)
{
	int r = handle_check(guest ? &guest->sandbox.handle : NULL, function);
	return r < 0 ? r : sandbox_check_use(&guest->sandbox, function);
}

static int read_screen(struct machine *machine, void *data)
{
	char *text = data;
	if (!machine->pc)
		return fail_platform("viso_guest_screen");
	int r = vga_text(&machine->pc->vga, text);
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "viso_guest_screen", "the screen shows a picture, not text");
	return r;
}

/* As much as fits, without a part of a character at the end. */
static void put_text(char *buffer, size_t size, const char *text, size_t length)
{
	if (size == 0)
		return;
	size_t fits = length < size ? length : size - 1;
	while (fits < length && fits > 0 && ((unsigned char)text[fits] & 0xc0) == 0x80)
		fits--;
	memcpy(buffer, text, fits);
	buffer[fits] = '\0';
}

int viso_guest_screen(viso_guest *guest, char *buffer, size_t size)
{
	int r = check(guest, __func__);
	if (r < 0)
		return r;
	if (!buffer && size > 0)
		return error_argument(__func__, "buffer is NULL");
	_cleanup_free_ char *text = malloc(VGA_TEXT_MAX);
	if (!text)
		return error_memory();
	r = kernel_use_machine(guest, __func__, read_screen, text);
	if (r >= 0)
		put_text(buffer, size, text, (size_t)r);
	return r;
}

static int type(struct machine *machine, void *data)
{
	const char *text = data;
	if (!machine->pc)
		return fail_platform("viso_guest_type");
	int r = i8042_type(&machine->pc->i8042, text, strlen(text));
	if (r == -EINVAL)
		return error_argument("viso_guest_type", "the text has a character that no key gives");
	if (r < 0)
		return error_fail(VISO_STAGE_GUEST, -r, "viso_guest_type",
				  "the guest has not taken the keys that were typed before; wait for it");
	return r;
}

int viso_guest_type(viso_guest *guest, const char *text)
{
	int r = check(guest, __func__);
	if (r < 0)
		return r;
	if (!text)
		return error_argument(__func__, "text is NULL");
	return kernel_use_machine(guest, __func__, type, (void *)text);
}

static int press(viso_guest *guest, const char *function, enum computer_call call,
		 int (*use)(struct machine *machine, void *data))
{
	int64_t value;
	int r = check(guest, function);
	if (r == 0 && kernel_ask_contained(guest, function, call, NULL, &value))
		return (int)value;
	return r < 0 ? r : kernel_use_machine(guest, function, use, NULL);
}

static int press_power_button(struct machine *machine, void *data)
{
	if (!machine->press_power_button)
		return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, "viso_guest_press_power_button",
				  "the computer has no power button");
	machine->press_power_button(machine);
	return 0;
}

int viso_guest_press_power_button(viso_guest *guest)
{
	return press(guest, __func__, COMPUTER_POWER_BUTTON, press_power_button);
}

static int press_reset_button(struct machine *machine, void *data)
{
	machine_reset(machine);
	return 0;
}

int viso_guest_press_reset_button(viso_guest *guest)
{
	return press(guest, __func__, COMPUTER_RESET_BUTTON, press_reset_button);
}
