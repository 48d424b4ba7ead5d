/* SPDX-License-Identifier: MIT */
/* A bar that fills, with the path that is being made. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "jail.h"

enum { BAR = 30, WIDTH_MAX = 500 };

static bool drawn;

static int terminal_width(void)
{
	struct winsize size;
	bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > BAR + 20;
	return !known ? 80 : size.ws_col < WIDTH_MAX ? size.ws_col : WIDTH_MAX;
}

/* Returning something else than 0 would cancel the build. */
static int draw(uint64_t done, uint64_t total, const char *path, void *userdata)
{
	static const char full[] = "##############################";
	static int last = -1;
	int percent = total ? (int)(100 * (double)done / (double)total) : 100;
	int length = BAR * percent / 100;
	int room = terminal_width() - BAR - 12;

	/* A terminal is slower than the build: it need not see every file. */
	if (percent == last)
		return 0;
	last = percent;
	drawn = true;
	fprintf(stderr, "\r[%-*.*s] %3d %%  ", BAR, length, full, percent);
	/* Names of files may contain what a terminal would obey. */
	for (int i = 0; i < room; i++)
		fputc(!*path ? ' ' : *path < ' ' || *path == 0x7f ? '?' : *path, stderr), path += *path != '\0';
	fflush(stderr);
	return 0;
}

int progress_show(viso_root *root)
{
	if (!isatty(STDERR_FILENO))
		return 0;
	return viso_root_set_progress_handler(root, draw, NULL, NULL) < 0 ? fail() : 0;
}

void progress_end(void)
{
	if (drawn)
		fputs("\n", stderr);
	drawn = false;
}
