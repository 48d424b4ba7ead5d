/* SPDX-License-Identifier: MIT */
/* The lists are those of dpkg: /var/lib/dpkg/info/NAME.list or NAME:ARCH.list, one path in each line. */
#include "root/closure/package.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"
#include "root/closure/elf.h"
#include "root/closure/program.h"
#include "root/failure.h"
#include "root/manifest.h"
#include "root/path.h"
#include "root/source.h"

#define DPKG "/var/lib/dpkg"

enum { NAME_MAX_LENGTH = 128, LIST_MAX = 64 << 20, STATUS_MAX = 256 << 20 };

/* Debian policy, 5.6.7 "Package"; an architecture has the same letters. */
static size_t name_length(const char *text)
{
	size_t length = 0;
	while (islower((unsigned char)text[length]) || isdigit((unsigned char)text[length]) ||
	       (length && text[length] && strchr("+-.", text[length])))
		length++;
	return length;
}

bool package_is_name(const char *package)
{
	if (!package || strlen(package) > NAME_MAX_LENGTH)
		return false;
	size_t length = name_length(package);
	if (length < 2)
		return false;
	if (package[length] != ':')
		return !package[length];
	size_t architecture = name_length(package + length + 1);
	return architecture && !package[length + 1 + architecture];
}

/* Of several architectures the one of dpkg itself, which stands first in its list of them. */
static bool is_better(const struct source *source, const char *architecture, const char *best)
{
	_cleanup_free_ char *native = source_read(source, DPKG "/arch", 4096);
	size_t length = native ? strcspn(native, "\n") : 0;
	if (length && !strncmp(native, best, length) && !best[length])
		return false;
	if (length && !strncmp(native, architecture, length) && !architecture[length])
		return true;
	return strcmp(architecture, best) < 0;
}

/* Finds NAME:ARCH.list for a name without an architecture. False where there is none. `out` has NAME_MAX + 1 bytes. */
static bool find_architecture(const struct source *source, const char *package, char *out)
{
	size_t length = strlen(package);
	_cleanup_close_ int fd = source_open_directory(source, DPKG "/info");
	_cleanup_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return false;
	TAKE_FD(fd);
	out[0] = '\0';
	for (struct dirent *entry; (entry = readdir(dir));) {
		char *end = strrchr(entry->d_name, '.');
		if (strncmp(entry->d_name, package, length) != 0 || entry->d_name[length] != ':' || !end ||
		    strcmp(end, ".list") != 0)
			continue;
		*end = '\0';
		const char *architecture = entry->d_name + length + 1;
		if (!out[0] || is_better(source, architecture, out))
			strcpy(out, architecture);
	}
	return out[0];
}

/* After a removal dpkg keeps the list of a package for its settings. True where nothing says so. */
static bool is_installed(const struct source *source, const char *name)
{
	_cleanup_free_ char *status = source_read(source, DPKG "/status", STATUS_MAX);
	char line[NAME_MAX_LENGTH + 32];
	size_t length = strcspn(name, ":");
	snprintf(line, sizeof(line), "Package: %.*s\n", (int)length, name);
	bool found = false;
	for (const char *at = status; at && (at = strstr(at, line)); at++) {
		const char *end = strstr(at, "\n\n"), *state = strstr(at, "\nStatus: ");
		if ((at > status && at[-1] != '\n') || !state || (end && state > end))
			continue;
		found = true;
		size_t size = strcspn(state + 1, "\n");
		if (size > 10 && !memcmp(state + 1 + size - 10, " installed", 10))
			return true;
	}
	return !found;
}

static bool is_left_out(const char *path)
{
	static const char *const directories[] = {
		"/usr/share/doc",     "/usr/share/man",      "/usr/share/info", "/usr/share/locale",
		"/usr/share/lintian", "/usr/share/doc-base", "/usr/share/bug",  "/usr/share/gnome/help",
	};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		size_t length = strlen(directories[i]);
		if (!strncmp(path, directories[i], length) && (!path[length] || path[length] == '/'))
			return true;
	}
	return false;
}

static int add_link(struct manifest *manifest, const char *path)
{
	char text[PATH_MAX], parent[PATH_MAX];
	struct path_end end;
	if (source_readlink(manifest->source, path, text) < 0)
		return 0;
	strcpy(parent, path);
	path_pop(parent);
	int r = path_take(manifest, parent[0] ? parent : "/", &end);
	if (r < 0)
		return r;
	if (!strcmp(end.target, "/"))
		end.target[0] = '\0';
	const char *name = strrchr(path, '/') + 1;
	r = path_push(end.target, name, strlen(name));
	return r < 0 ? fail_path(-r, "add", path) : manifest_add_link(manifest, end.target, text, MANIFEST_KEEP);
}

enum contents { PLAIN, PROGRAM, SCRIPT, MODULE };

static enum contents examine(const struct source *source, const char *path)
{
	char head[ELF_MAGIC_SIZE];
	struct stat st;
	struct elf elf;
	_cleanup_close_ int fd = source_open_regular(source, path, &st);
	if (fd < 0 || pread(fd, head, sizeof(head), 0) != sizeof(head))
		return PLAIN;
	if (!elf_is_elf(head, sizeof(head)))
		return (st.st_mode & 0111) && head[0] == '#' && head[1] == '!' ? SCRIPT : PLAIN;
	/* Objects to be linked, kernel modules. */
	if (elf_read(fd, path, &elf) < 0)
		return PLAIN;
	bool is_program = elf.interpreter;
	bool is_module = elf.needed_count;
	elf_clear(&elf);
	/* libc.so.6 has an interpreter, and is executable only where the distribution wants it. */
	return is_program && (st.st_mode & 0111) ? PROGRAM : is_module ? MODULE : PLAIN;
}

static int add_needs(struct manifest *manifest, const char *path, unsigned providers_off)
{
	int r;
	switch (examine(manifest->source, path)) {
	case PROGRAM:
		return program_add(manifest, path, providers_off);
	case MODULE:
		return program_add_module(manifest, path, providers_off);
	case SCRIPT:
		r = program_add(manifest, path, providers_off);
		/* Packages have scripts for interpreters that they do not depend on. */
		if (r != -ENOENT && r != -EACCES && r != -ENOEXEC && r != -ELOOP)
			return r;
		log_warning("%s", viso_error_message());
		return 0;
	default:
		return 0;
	}
}

static int add_path(struct manifest *manifest, const char *path, unsigned providers_off)
{
	struct path_end end;
	struct stat st;
	/* What the administrator removed is no need of the package. */
	if (source_lstat(manifest->source, path, &st) < 0)
		return 0;
	if (S_ISLNK(st.st_mode))
		return add_link(manifest, path);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return 0;
	int r = path_take(manifest, path, &end);
	if (r < 0)
		return r;
	if (S_ISDIR(st.st_mode))
		return manifest_add_directory(manifest, end.target, st.st_mode & 01777, MANIFEST_KEEP);
	r = manifest_add_file(manifest, end.target, end.host, MANIFEST_KEEP);
	return r < 0 ? r : add_needs(manifest, end.host, providers_off);
}

static int add_list(struct manifest *manifest, char *list, unsigned providers_off)
{
	char *rest = list;
	int r = 0;
	for (char *path; r >= 0 && (path = strsep(&rest, "\n"));)
		if (path[0] == '/' && strlen(path) < PATH_MAX && strcmp(path, "/.") != 0 && !is_left_out(path))
			r = add_path(manifest, path, providers_off);
	return r;
}

int package_add(struct manifest *manifest, const char *package, unsigned providers_off)
{
	const struct source *source = manifest->source;
	char path[PATH_MAX], architecture[NAME_MAX + 1];
	if (!source_has_directory(source, DPKG "/info"))
		return error_fail(
			VISO_STAGE_ROOT, ENOENT, package,
			"there is no list of the package %s: %s/info is missing, and no other package manager "
			"is known",
			package, DPKG);
	snprintf(path, sizeof(path), DPKG "/info/%s.list", package);
	if (!source_has_file(source, path) && !strchr(package, ':') && find_architecture(source, package, architecture))
		snprintf(path, sizeof(path), DPKG "/info/%s:%s.list", package, architecture);
	_cleanup_free_ char *list = source_read(source, path, LIST_MAX);
	if (!list || !is_installed(source, package))
		return error_fail(VISO_STAGE_ROOT, ENOENT, package, "the package %s is not installed; install it",
				  package);
	const char *before = manifest_set_reason(manifest, "package %s", package);
	int r = add_list(manifest, list, providers_off);
	manifest_restore_reason(manifest, before);
	return r;
}
