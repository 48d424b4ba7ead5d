/* SPDX-License-Identifier: MIT */
/*
 * Which headers and files are those of the C library tells the package manager, where that is dpkg. On other systems
 * all of /usr/include comes, without the C++ that a compiler brings by itself.
 */
#include "root/provider/c_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/strings.h"
#include "root/provider/runtime.h"
#include "root/source.h"

enum {
	SCRIPT_MAX = 4096,
	LIST_MAX = 1 << 20,
	/* libc_nonshared.a and the empty archives of libraries that became part of libc are smaller, libc.a is not. */
	ARCHIVE_MAX = 65536,
};

static const char packages_directory[] = "/var/lib/dpkg/info";

/* The directory of a name without one, as ld(1) would find it; "" where it is nowhere. */
static void find_library(struct closure *closure, const char *name, char *out)
{
	const char *const directories[] = {closure->loader.lib, "lib64", "lib"};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		if ((runtime_path(out, "/%s/%s", directories[i], name) &&
		     source_has_file(closure->manifest->source, out)) ||
		    (runtime_path(out, "/usr/%s/%s", directories[i], name) &&
		     source_has_file(closure->manifest->source, out)))
			return;
	out[0] = '\0';
}

/* A word of a linker script: the path or name of a file, or something of the language. */
static int add_word(struct closure *closure, const char *word)
{
	char path[PATH_MAX] = "";
	if (word[0] == '/')
		runtime_path(path, "%s", word);
	else if (strstr(word, ".so"))
		find_library(closure, word, path);
	int r = path[0] ? runtime_add_file(closure, path) : 0;
	return r > 0 && strstr(path, ".so") ? runtime_add_module(closure, path) : r;
}

/* "Implicit Linker Scripts" in ld's manual: GROUP ( libgcc_s.so.1 -lgcc ). */
static int add_script(struct closure *closure, const char *path)
{
	_cleanup_free_ char *text = source_read(closure->manifest->source, path, SCRIPT_MAX);
	if (!text || (!strstr(text, "GROUP") && !strstr(text, "INPUT")))
		return 0;
	int r = 0;
	char *rest = text;
	for (char *word; r >= 0 && (word = strtok_r(rest, " \t\r\n(),;", &rest));)
		r = add_word(closure, word);
	return r;
}

static bool is_linked(const char *name)
{
	return !strncmp(name, "lib", 3) && runtime_ends_with(name, ".so");
}

int linker_scripts_add(struct closure *closure, const char *directory)
{
	_cleanup_(strings_clear) struct strings names = {0};
	char path[PATH_MAX];
	int r = runtime_read_names(closure, directory, &names);
	for (size_t i = 0; r >= 0 && i < names.count; i++)
		if (is_linked(names.items[i]) && runtime_path(path, "%s/%s", directory, names.items[i]))
			r = add_script(closure, path);
	return r;
}

/* One file of the C library; headers, or what is linked with. */
static int add_part(struct closure *closure, const char *path)
{
	struct stat st;
	if (strncmp(path, "/usr/include/", 13) != 0 && strncmp(path, "/usr/lib", 8) != 0)
		return 0;
	if (runtime_ends_with(path, ".a") &&
	    (source_stat(closure->manifest->source, path, &st) < 0 || st.st_size > ARCHIVE_MAX))
		return 0;
	int r = runtime_add_file(closure, path);
	if (r <= 0 || !is_linked(runtime_name(path)))
		return r;
	r = runtime_add_module(closure, path);
	return r < 0 ? r : add_script(closure, path);
}

/* The lines of a package's list of files; changes them. */
static int add_list(struct closure *closure, char *list)
{
	int r = 0;
	char *rest = list;
	for (char *line; r >= 0 && (line = strtok_r(rest, "\n", &rest));)
		r = add_part(closure, line);
	return r;
}

/* ":amd64.list" of the list "libc6-dev:amd64.list"; NULL where it is that of another package. */
static const char *after_package(const char *list)
{
	static const char *const names[] = {"libc6-dev", "libc6.1-dev", "musl-dev"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t length = strlen(names[i]);
		if (!strncmp(list, names[i], length) && (list[length] == ':' || list[length] == '.') &&
		    runtime_ends_with(list + length, ".list"))
			return list + length;
	}
	return NULL;
}

/* The list of the package whose C library is for this triplet; `out_end` is what follows its name in that of the list.
 */
static char *read_list(struct closure *closure, const char *triplet, char *out_end)
{
	_cleanup_(strings_clear) struct strings lists = {0};
	char path[PATH_MAX], start_file[PATH_MAX];
	if (!runtime_path(start_file, "/usr/lib/%s/crt1.o\n", triplet) ||
	    runtime_read_names(closure, packages_directory, &lists) < 0)
		return NULL;
	for (size_t i = 0; i < lists.count; i++) {
		const char *end = after_package(lists.items[i]);
		if (!end || !runtime_path(path, "%s/%s", packages_directory, lists.items[i]))
			continue;
		_cleanup_free_ char *text = source_read(closure->manifest->source, path, LIST_MAX);
		if (text && strstr(text, start_file)) {
			strcpy(out_end, end);
			return TAKE_PTR(text);
		}
	}
	return NULL;
}

/* 1; 0 where dpkg knows of no C library for this triplet; or a negative errno. */
static int add_by_packages(struct closure *closure, const char *triplet)
{
	/* The headers of the kernel, and those of crypt(3), which are included by those of the C library. */
	static const char *const others[] = {"linux-libc-dev", "libcrypt-dev"};
	char end[NAME_MAX + 1], path[PATH_MAX];
	_cleanup_free_ char *list = read_list(closure, triplet, end);
	int r = list ? add_list(closure, list) : 0;
	for (size_t i = 0; list && r >= 0 && i < sizeof(others) / sizeof(others[0]); i++) {
		if (!runtime_path(path, "%s/%s%s", packages_directory, others[i], end))
			continue;
		_cleanup_free_ char *other = source_read(closure->manifest->source, path, LIST_MAX);
		r = other ? add_list(closure, other) : 0;
	}
	return r < 0 ? r : list != NULL;
}

static bool leave_out(const char *name, int depth, bool is_directory)
{
	(void)depth;
	return is_directory && !strcmp(name, "c++");
}

static int add_by_names(struct closure *closure, const char *triplet)
{
	static const char *const names[] = {
		"crt1.o",       "Scrt1.o",      "gcrt1.o",          "rcrt1.o",       "crti.o",
		"crtn.o",       "libc.so",      "libc_nonshared.a", "libm.so",       "libdl.a",
		"libpthread.a", "librt.a",      "libdl.so",         "libpthread.so", "librt.so",
		"libutil.a",    "libresolv.so", "libcrypt.so",      "libmvec.so",
	};
	char directories[][PATH_MAX] = {"", "/usr/lib64", "/usr/lib"};
	char path[PATH_MAX];
	if (!runtime_path(directories[0], "/usr/lib/%s", triplet))
		return 0;
	int r = runtime_add_tree(closure, "/usr/include", leave_out);
	for (size_t i = 0; r >= 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		for (size_t j = 0; r >= 0 && j < sizeof(names) / sizeof(names[0]); j++)
			if (runtime_path(path, "%s/%s", directories[i], names[j]))
				r = add_part(closure, path);
	return r;
}

int c_library_add(struct closure *closure, const char *triplet)
{
	int r = add_by_packages(closure, triplet);
	if (r == 0)
		r = add_by_names(closure, triplet);
	return r < 0 ? r : 0;
}
