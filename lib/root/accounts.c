/* SPDX-License-Identifier: MIT */
/*
 * The first user that is added puts /etc/passwd into the manifest, so that a file of that name which is added later is
 * refused, and the next ones replace its contents. Until then the standard text comes when the root is built.
 */
#include "root/accounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/handle.h"
#include "root/path.h"

enum { NAME_LENGTH_MAX = 32 };

/* What <virtiso/root.h> documents; the first stands for what has no closer one. */
static const int account_errors[] = {EINVAL, EEXIST, EBUSY, ENOMEM, ECHILD, 0};

/* The ids that commands have by default, and the one that the kernel shows for those that a user namespace does not
 * know. */
static const char standard_passwd[] = "root:x:0:0:root:/:/bin/sh\n"
				      "user:x:1000:1000:user:/:/bin/sh\n"
				      "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
static const char standard_group[] = "root:x:0:\n"
				     "user:x:1000:\n"
				     "nogroup:x:65534:\n";

static int add_standard(struct manifest *manifest, const char *target, const char *text)
{
	char place[PATH_MAX];
	int r = manifest_follow(manifest, target, false, place);
	if (r < 0)
		return r;
	char parent[PATH_MAX];
	strcpy(parent, place);
	path_pop(parent);
	const struct manifest_entry *entry = manifest_find(manifest, parent[0] ? parent : "/");
	/* Where something else stands at /etc, the root does without. */
	if (entry && entry->type != MANIFEST_DIRECTORY)
		return 0;
	return manifest_add_data(manifest, place, text, strlen(text), 0644, MANIFEST_KEEP);
}

int accounts_add_files(struct manifest *manifest)
{
	int r = add_standard(manifest, "/etc/passwd", standard_passwd);
	return r < 0 ? r : add_standard(manifest, "/etc/group", standard_group);
}

void accounts_clear(struct accounts *accounts)
{
	free(TAKE_PTR(accounts->passwd));
	free(TAKE_PTR(accounts->group));
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name of dots alone would be a directory to whoever makes a path of it. */
static bool is_name(const char *name)
{
	size_t length = strnlen(name, NAME_LENGTH_MAX + 1);
	if (!length || length > NAME_LENGTH_MAX || is_digit(name[0]) || name[0] == '-')
		return false;
	for (size_t i = 0; i < length; i++)
		if (!is_letter(name[i]) && !is_digit(name[i]) && !strchr("_-.", name[i]))
			return false;
	return strspn(name, ".") < length;
}

static bool is_path(const char *path)
{
	return path[0] == '/' && !strpbrk(path, ":\n") && strlen(path) < PATH_MAX;
}

static int check(const char *name, unsigned id, const char *function)
{
	if (!name || !is_name(name))
		return error_argument(function,
				      "the name is not 1 to 32 letters, digits, '_', '-' and '.', or begins with "
				      "a digit or '-'");
	/* chown(2) and setuid(2) take it for "as it was". */
	if (id == (unsigned)-1)
		return error_argument(function, "4294967295 is no id");
	return 0;
}

/* Whether a line of the text has this name, or this id in its third field. */
static int check_free(const char *text, const char *name, unsigned id, const char *file)
{
	size_t length = strlen(name);
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		unsigned other;
		if (!strncmp(line, name, length) && line[length] == ':')
			return error_fail(VISO_STAGE_ROOT, EEXIST, name, "%s of this root has %s already", file, name);
		if (sscanf(line, "%*[^:]:x:%u:", &other) == 1 && other == id)
			return error_fail(VISO_STAGE_ROOT, EEXIST, name,
					  "%s of this root has the id %u already, for %.*s", file, id,
					  (int)strcspn(line, ":"), line);
	}
	return 0;
}

/* Puts the text into the manifest, and becomes the owner of it: the last step of a transaction. */
static int put(struct manifest *manifest, const char *target, char **kept, char *text)
{
	char place[PATH_MAX];
	_cleanup_free_ char *owned = text;
	int r = manifest_follow(manifest, target, false, place);
	if (r < 0)
		return r;
	const struct manifest_entry *entry = manifest_find(manifest, place);
	if (*kept)
		r = manifest_replace_data(manifest, place, text, strlen(text));
	else if (entry)
		r = error_fail(VISO_STAGE_ROOT, EEXIST, target,
			       "%s was added to this root as a file; add the line to it", target);
	else {
		const char *before = manifest_set_reason(manifest, "named by the user");
		r = manifest_add_data(manifest, place, text, strlen(text), 0644, MANIFEST_REFUSE);
		manifest_restore_reason(manifest, before);
	}
	if (r < 0)
		return r;
	free(*kept);
	*kept = TAKE_PTR(owned);
	return 0;
}

static int add_user(viso_root *root, const char *name, unsigned uid, unsigned gid, const char *home, const char *shell)
{
	const char *before = root->accounts.passwd ? root->accounts.passwd : standard_passwd;
	char *text;
	int r = check_free(before, name, uid, "/etc/passwd");
	if (r < 0)
		return r;
	if (asprintf(&text, "%s%s:x:%u:%u:%s:%s:%s\n", before, name, uid, gid, name, home, shell) < 0)
		return error_memory();
	return put(&root->manifest, "/etc/passwd", &root->accounts.passwd, text);
}

int viso_root_add_user(viso_root *root, const char *name, unsigned uid, unsigned gid, const char *home,
		       const char *shell)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	home = home ? home : "/";
	shell = shell ? shell : "/bin/sh";
	r = check(name, uid, __func__);
	if (r >= 0 && gid == (unsigned)-1)
		r = error_argument(__func__, "4294967295 is no id");
	else if (r >= 0 && (!is_path(home) || !is_path(shell)))
		r = error_argument(__func__,
				   "the home or the shell is not an absolute path, or has a ':' or a newline");
	else if (r >= 0)
		r = add_user(root, name, uid, gid, home, shell);
	return root_end(root, mark, r, account_errors);
}

static int add_group(viso_root *root, const char *name, unsigned gid)
{
	const char *before = root->accounts.group ? root->accounts.group : standard_group;
	char *text;
	int r = check_free(before, name, gid, "/etc/group");
	if (r < 0)
		return r;
	if (asprintf(&text, "%s%s:x:%u:\n", before, name, gid) < 0)
		return error_memory();
	return put(&root->manifest, "/etc/group", &root->accounts.group, text);
}

int viso_root_add_group(viso_root *root, const char *name, unsigned gid)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	r = check(name, gid, __func__);
	if (r >= 0)
		r = add_group(root, name, gid);
	return root_end(root, mark, r, account_errors);
}
