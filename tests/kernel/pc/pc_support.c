/* SPDX-License-Identifier: MIT */
#include "pc_support.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
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

viso_process *pc_boot_patiently(struct kernel_fixture *fixture)
{
	enum { SECONDS = 240 };
	viso_process *process = NULL;
	viso_command *streams = viso_command_new("computer");
	assert_non_null(streams);
	alarm(SECONDS + 10);
	assert_ok(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(streams, 1 << 20));
	assert_ok(viso_command_set_timeout_ms(streams, SECONDS * 1000));
	assert_ok(viso_guest_boot(fixture->guest, streams, &process));
	viso_command_unref(streams);
	return process;
}

char *pc_kernel_path(const char *pattern)
{
	const char *directory = getenv("VISO_TEST_KERNELS");
	char *path;
	glob_t found;
	assert_true(asprintf(&path, "%s/%s", directory, pattern) > 0);
	assert_int_equal(glob(path, 0, NULL, &found), 0);
	free(path);
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}
