/* SPDX-License-Identifier: MIT */
/*
 * mkfs.erofs is a program of the host and works on the host's files: it runs in a jail whose root is the host's own,
 * for the launcher, the captured output and the end with its host. It needs all of the caller's rights, to read every
 * file.
 */
#include "image/erofs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <virtiso/command.h>
#include <virtiso/jail.h>
#include <virtiso/result.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

/* What it is to its images; any one will do that is always the same. */
#define IMAGE_UUID "7669736f-726f-4f74-8965-726f66730000"

enum { OUTPUT_MAX = 16 << 10 };

static void cleanup_command(viso_command **command)
{
	viso_command_unref(*command);
}

static void cleanup_root(viso_root **root)
{
	viso_root_unref(*root);
}

static void cleanup_jail(viso_jail **jail)
{
	viso_jail_unref(*jail);
}

static void cleanup_result(viso_result **result)
{
	viso_result_unref(*result);
}

static const char *find_program(void)
{
	static const char *const paths[] = {"/usr/local/sbin/mkfs.erofs", "/usr/local/bin/mkfs.erofs",
					    "/usr/sbin/mkfs.erofs",       "/usr/bin/mkfs.erofs",
					    "/sbin/mkfs.erofs",           "/bin/mkfs.erofs"};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		if (!access(paths[i], X_OK))
			return paths[i];
	error_fail(VISO_STAGE_IMAGE, ENOENT, "mkfs.erofs",
		   "there is no mkfs.erofs, which makes EROFS images; install the package erofs-utils");
	return NULL;
}

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
	strcpy(end, "/");
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
	int r = viso_command_set_user(command, geteuid(), getegid());
	/* It reads no standard input: there it finds the image, which has no name. */
	if (r >= 0)
		r = viso_command_set_stdio_fd(command, VISO_STDIN, fd);
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

static int run(viso_command *command, viso_result **out_result)
{
	_cleanup_(cleanup_root) viso_root *root = viso_root_new();
	_cleanup_(cleanup_jail) viso_jail *jail = viso_jail_new();
	if (!root || !jail)
		return -viso_error_number();
	int r = viso_root_use_directory(root, "/");
	if (r >= 0)
		r = viso_jail_set_root(jail, root);
	/* With it, it works as well, but for files that root may read by its capabilities only. */
	if (r >= 0 && viso_jail_set_hardening(jail, 0) < 0)
		log_debug("mkfs.erofs runs hardened: %s", viso_error_message());
	return r < 0 ? r : viso_sandbox_run(viso_jail_sandbox(jail), command, out_result);
}

/* The last line that it had to say. */
static int fail(const viso_result *result)
{
	size_t size;
	const char *text = viso_result_output(result, VISO_STDERR, &size);
	if (!text || !size)
		text = viso_result_output(result, VISO_STDOUT, &size);
	while (text && size && text[size - 1] == '\n')
		size--;
	size_t begin = size;
	while (text && begin && text[begin - 1] != '\n')
		begin--;
	return error_fail(VISO_STAGE_IMAGE, EIO, "mkfs.erofs", "mkfs.erofs failed (%s): %.*s",
			  viso_result_describe(result), (int)(size - begin), text && size ? text + begin : "");
}

int erofs_write(const struct listing *listing, const char *directory, bool as_it_is, int fd)
{
	const char *program = find_program();
	if (!program)
		return -viso_error_number();
	_cleanup_(cleanup_command) viso_command *command = viso_command_new(program);
	_cleanup_(cleanup_result) viso_result *result = NULL;
	if (!command)
		return -viso_error_number();
	int r = describe(command, listing, directory, as_it_is, fd);
	if (r >= 0)
		r = run(command, &result);
	if (r < 0)
		return r;
	if (viso_result_reason(result) != VISO_REASON_EXITED || viso_result_exit_code(result) != 0)
		return fail(result);
	return 0;
}
