/* SPDX-License-Identifier: MIT */
#include "pc_support.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void pc_prepare(struct kernel_fixture *fixture)
{
	need_kvm();
	assert_ok(viso_guest_set_platform(fixture->guest, VISO_PLATFORM_PC));
}

void pc_need_firmware(void)
{
	skip_without(access("/usr/share/seabios/bios.bin", R_OK) == 0, "SeaBIOS (the package seabios)");
}

void pc_await_screen(struct kernel_fixture *fixture, viso_process *process, const char *text)
{
	static char screen[32 << 10];
	const struct timespec pause = {.tv_nsec = 50000000};
	for (;;) {
		int r = viso_guest_screen(fixture->guest, screen, sizeof(screen));
		if (r < 0 && viso_error_number() != ENODATA)
			fail_msg("%s; the last screen before \"%s\" came:\n%s", viso_error_message(), text, screen);
		if (r >= 0 && strstr(screen, text))
			return;
		nanosleep(&pause, NULL);
	}
}
