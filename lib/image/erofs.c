/* SPDX-License-Identifier: MIT */
/* Images by mkfs.erofs, a program of the host. It needs all of the caller's rights, to read every file. */
#include "image/erofs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/command.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "sandbox/host_program.h"

/* What it is to its images; any one will do that is always the same. */
#define IMAGE_UUID "7669736f-726f-4f74-8965-726f66730000"

enum { OUTPUT_MAX = 16 << 10 };

static int add_option(viso_command *command, const char *option, const char *value)
{
	_cleanup_free_ char *text = NULL;
	if (asprintf(&text, "%s%s", option, value) < 0) {
		text = NULL;
		return error_memory();
	}
	return viso_command_add_arg(command, text);
}

/* What lies beneath a directory, as a regular expression of regcomp(3). */
static int exclude_beneath(viso_command *command, const char *path)
{
	_cleanup_free_ char *text = malloc(2 * strlen(path) + sizeof("^/"));
	if (!text)
		return error_memory();
	char *end = text;
	*end++ = '^';
	for (; *path; path++) {
		if (strchr("\\^.[]$()|*+?{}", *path))
			*end++ = '\\';
		*end++ = *path;
	}
	*end++ = '/';
	*end = '\0';
	return add_option(command, "--exclude-regex=", text);
}

static int exclude(viso_command *command, const struct listing *listing)
{
	int r = viso_command_add_arg(command, "--exclude-path=.viso");
	for (size_t i = 0; r >= 0 && i < listing->left_out.count; i++)
		r = add_option(command, "--exclude-path=", listing->left_out.items[i]);
	for (size_t i = 0; r >= 0 && i < listing->mounts.count; i++)
		r = exclude_beneath(command, listing->mounts.items[i]);
	return r;
}

/*
 * The latest time that the image shall have: mkfs.erofs takes it for the time of the image, and for that of all that is
 * newer, which is what was made when the root was built.
 */
static int set_time(viso_command *command, const struct listing *listing)
{
	char text[3 * sizeof(int64_t)];
	int64_t now = time(NULL), newest = 0;
	for (size_t i = 0; i < listing->count; i++)
		if (listing->entries[i].mtime > newest && listing->entries[i].mtime <= now)
			newest = listing->entries[i].mtime;
	snprintf(text, sizeof(text), "%" PRId64, newest);
	return viso_command_set_env(command, "SOURCE_DATE_EPOCH", text);
}

static int describe(viso_command *command, const struct listing *listing, const char *directory, bool as_it_is, int fd)
{
	/* It reads no standard input: there it finds the image, which has no name. */
	int r = viso_command_set_stdio_fd(command, VISO_STDIN, fd);
	if (r >= 0)
		r = viso_command_capture(command, OUTPUT_MAX);
	if (r >= 0)
		r = set_time(command, listing);
	if (r >= 0)
		r = viso_command_add_arg(command, "--quiet");
	if (r >= 0)
		r = add_option(command, "-U", IMAGE_UUID);
	/* In a tree that root built, owners are those that the root says. */
	if (r >= 0 && !as_it_is && (!listing->has_owners || geteuid() != 0))
		r = viso_command_add_arg(command, "--all-root");
	if (r >= 0)
		r = exclude(command, listing);
	if (r >= 0)
		r = viso_command_add_arg(command, "/proc/self/fd/0");
	return r < 0 ? r : viso_command_add_arg(command, directory);
}

int erofs_write(const struct listing *listing, const char *directory, bool as_it_is, int fd)
{
	char program[HOST_PROGRAM_PATH_MAX];
	if (!host_program_find("mkfs.erofs", program))
		return error_fail(VISO_STAGE_IMAGE, ENOENT, "mkfs.erofs",
				  "there is no mkfs.erofs, which makes EROFS images; install the package erofs-utils");
	_cleanup_(cleanup_host_command) viso_command *command = host_program_command(program);
	_cleanup_(cleanup_host_result) viso_result *result = NULL;
	if (!command)
		return -viso_error_number();
	int r = describe(command, listing, directory, as_it_is, fd);
	if (r >= 0)
		r = host_program_run(command, &result);
	return r < 0 ? r : host_program_check(result, VISO_STAGE_IMAGE, EIO, "mkfs.erofs");
}
