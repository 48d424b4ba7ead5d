/* SPDX-License-Identifier: MIT */
/* The inside of a root: paths, the manifest, damaged ELF files and caches, the removal of hostile trees. */
#include "test_root_support.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "core/remove_tree.h"
#include "root/build/copy.h"
#include "root/closure/collected.h"
#include "root/closure/elf.h"
#include "root/closure/ld_cache.h"
#include "root/closure/ld_cache_write.h"
#include "root/closure/library_search.h"
#include "root/closure/machine.h"
#include "root/closure/script.h"
#include "root/failure.h"
#include "root/manifest.h"
#include "root/path.h"
#include "root/source.h"

static char *scratch;
static const struct source host = {.fd = -1};
static const struct elf_kind host_kind = {.machine = EM_X86_64, .size = ELFCLASS64, .order = ELFDATA2LSB};

static int set_up(void **state)
{
	support_set_temporary(NULL);
	scratch = support_temporary_directory();
	return 0;
}

static int tear_down(void **state)
{
	support_remove_tree(scratch);
	free(scratch);
	return 0;
}

static void test_paths_are_cleaned(void **state)
{
	static const struct {
		const char *path, *clean;
	} paths[] = {
		{"/", "/"},       {"//", "/"},        {"/.", "/"},        {"/a//b/./c/", "/a/b/c"},
		{"/...", "/..."}, {"/a/.b", "/a/.b"}, {"/ /\n", "/ /\n"}, {"/..a", "/..a"},
		{"a", NULL},      {"/a/..", NULL},    {"/../a", NULL},    {"", NULL},
	};
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		char out[PATH_MAX];
		int r = path_clean(paths[i].path, out);
		assert_int_equal(r, paths[i].clean ? 0 : -EINVAL);
		if (paths[i].clean)
			assert_string_equal(out, paths[i].clean);
	}
}

static void test_manifest_sorts_directories_first(void **state)
{
	struct manifest manifest = {0};
	manifest_mark(&manifest);
	assert_ok(manifest_add_file(&manifest, "/a/b/c", "/etc/passwd", MANIFEST_REFUSE));
	assert_ok(manifest_add_file(&manifest, "/a-b", "/etc/passwd", MANIFEST_REFUSE));
	assert_ok(manifest_add_link(&manifest, "/a/z", "b", MANIFEST_REFUSE));
	assert_ok(manifest_add_file(&manifest, "/a/b-", "/etc/passwd", MANIFEST_REFUSE));
	struct manifest_entry **sorted = manifest_sorted(&manifest);
	for (size_t i = 0; i < manifest.count; i++) {
		char parent[PATH_MAX];
		strcpy(parent, sorted[i]->target);
		path_pop(parent);
		bool found = i == 0;
		for (size_t j = 0; j < i; j++)
			found |= !strcmp(sorted[j]->target, parent[0] ? parent : "/");
		assert_true(found);
	}
	free(sorted);
	manifest_clear(&manifest);
}

static void test_manifest_rolls_back(void **state)
{
	struct manifest manifest = {0};
	char name[32];
	manifest_mark(&manifest);
	assert_ok(manifest_add_file(&manifest, "/a/b", "/x", MANIFEST_REFUSE));
	size_t mark = manifest_mark(&manifest);
	assert_ok(manifest_add_directory(&manifest, "/a", 0700, MANIFEST_REFUSE));
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "/n/%d", i);
		assert_ok(manifest_add_file(&manifest, name, "/x", MANIFEST_REFUSE));
	}
	assert_int_equal(manifest_find(&manifest, "/a")->mode, 0700);
	manifest_rollback(&manifest, mark);
	assert_int_equal(manifest.count, mark);
	assert_null(manifest_find(&manifest, "/n/7"));
	assert_non_null(manifest_find(&manifest, "/a/b"));
	assert_int_equal(manifest_find(&manifest, "/a")->mode, 0755);
	assert_true(manifest_find(&manifest, "/a")->implied);
	manifest_clear(&manifest);
}

static void test_manifest_follows_its_links(void **state)
{
	struct manifest manifest = {0};
	char out[PATH_MAX];
	manifest_mark(&manifest);
	assert_ok(manifest_add_link(&manifest, "/bin", "usr/bin", MANIFEST_REFUSE));
	assert_ok(manifest_add_link(&manifest, "/usr/bin/up", "../../../../etc", MANIFEST_REFUSE));
	assert_ok(manifest_add_link(&manifest, "/one", "/two", MANIFEST_REFUSE));
	assert_ok(manifest_add_link(&manifest, "/two", "one", MANIFEST_REFUSE));
	assert_ok(manifest_follow(&manifest, "/bin/up/x", true, out));
	assert_string_equal(out, "/etc/x");
	assert_ok(manifest_follow(&manifest, "/bin/up", false, out));
	assert_string_equal(out, "/usr/bin/up");
	assert_ok(manifest_follow(&manifest, "/one", false, out));
	assert_string_equal(out, "/one");
	assert_fails(manifest_follow(&manifest, "/one", true, out), ELOOP, VISO_STAGE_ROOT, "/one");
	assert_fails(manifest_add_file(&manifest, "/bin/x", "/y", MANIFEST_REFUSE), EEXIST, VISO_STAGE_ROOT, "/bin");
	manifest_clear(&manifest);
}

static void test_only_documented_errnos_leave(void **state)
{
	static const int documented[] = {EACCES, ENOENT, ENOMEM, 0};
	assert_int_equal(only_documented(0, documented), 0);
	fail_path(ENOENT, "find", "/x");
	assert_int_equal(only_documented(-ENOENT, documented), -ENOENT);
	static const int pairs[][2] = {{EMFILE, ENOMEM}, {ENOTDIR, ENOENT}, {EPERM, EACCES}, {EIO, EACCES}};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		fail_path(pairs[i][0], "find", "/x");
		assert_fails(only_documented(-pairs[i][0], documented), pairs[i][1], VISO_STAGE_ROOT, "/x");
		assert_non_null(strstr(viso_error_message(), strerrordesc_np(pairs[i][0])));
	}
}

static int memory_file(void)
{
	int fd = memfd_create("elf", MFD_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Reads a file that may be anything. What elf_read() may return. */
static void read_anything(int fd)
{
	struct elf elf;
	int r = elf_read(fd, "subject", &elf);
	if (r < 0) {
		assert_true(r == -ENOEXEC || r == -EIO || r == -ENOMEM);
		assert_int_equal(viso_error_number(), -r);
		assert_int_equal(viso_error_stage(), r == -ENOMEM ? VISO_STAGE_MEMORY : VISO_STAGE_ELF);
	} else {
		assert_true(r == 0 || r == 1);
		/* Every name can be read to its end. */
		size_t total = elf.soname ? strlen(elf.soname) : 0;
		for (size_t i = 0; i < elf.needed_count; i++)
			total += strlen(elf.needed[i]);
		assert_true(total < (1u << 30));
		elf_clear(&elf);
	}
}

/* The parts of a program that elf_read() looks at, moved together into a small file. */
static size_t small_elf(unsigned char *out, size_t max)
{
	char *source = root_path_of("%s/s.c", scratch), *target = root_path_of("%s/s", scratch);
	root_write_text(source, "int main(void) { return 0; }\n", 0644);
	assert_int_equal(
		root_shell("cd '%s' && cc -s -Wl,-z,noseparate-code -Wl,--disable-new-dtags,-rpath,/r -o s s.c",
			   scratch),
		0);
	size_t size;
	char *data = root_read_file(target, &size);
	assert_true(size <= max);
	memcpy(out, data, size);
	free(data);
	free(source);
	free(target);
	return size;
}

static void test_truncated_elf_files(void **state)
{
	static unsigned char data[65536];
	skip_without(root_have_compiler(), "a C compiler");
	size_t size = small_elf(data, sizeof(data));
	int fd = memory_file();
	assert_int_equal(write(fd, data, size), size);
	struct elf elf;
	assert_ok(elf_read(fd, "whole", &elf));
	assert_non_null(elf.interpreter);
	assert_true(elf.needed_count >= 1);
	assert_string_equal(elf.rpath, "/r");
	elf_clear(&elf);
	for (size_t cut = size; cut-- > 0;) {
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		read_anything(fd);
	}
	/* All of it is needed up to the headers. */
	assert_int_equal(pwrite(fd, data, 63, 0), 63);
	assert_int_equal(elf_read(fd, "cut", &elf), -ENOEXEC);
	assert_int_equal(pwrite(fd, data, 64, 0), 64);
	assert_int_equal(elf_read(fd, "cut", &elf), -ENOEXEC);
	close(fd);
}

static void test_corrupted_elf_files(void **state)
{
	static unsigned char data[65536];
	static const unsigned char values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
	skip_without(root_have_compiler(), "a C compiler");
	size_t size = small_elf(data, sizeof(data));
	int fd = memory_file();
	assert_int_equal(write(fd, data, size), size);
	/* The headers and what follows them: the interpreter's name, the strings; and the dynamic section near the end.
	 */
	for (size_t at = 0; at < size; at = at == 2047 && size > 8192 ? size - 4096 : at + 1)
		for (size_t i = 0; i < sizeof(values); i++) {
			assert_int_equal(pwrite(fd, &values[i], 1, (off_t)at), 1);
			read_anything(fd);
			assert_int_equal(pwrite(fd, &data[at], 1, (off_t)at), 1);
		}
	/* Whole fields of the headers: extreme offsets and sizes. */
	static const uint64_t numbers[] = {0, UINT64_MAX, INT64_MAX, (uint64_t)1 << 63, UINT32_MAX, 4096};
	for (size_t at = 0; at < 2048; at += 8)
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
			assert_int_equal(pwrite(fd, &numbers[i], 8, (off_t)at), 8);
			read_anything(fd);
			assert_int_equal(pwrite(fd, &data[at], 8, (off_t)at), 8);
		}
	close(fd);
}

static void put16(unsigned char *at, unsigned value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

static void put_segment(unsigned char *at, uint32_t type, uint32_t offset, uint32_t size)
{
	put32(at, type);
	put32(at + 4, offset);
	put32(at + 8, 0x10000 + offset); /* p_vaddr */
	put32(at + 16, size);
	put32(at + 28, 4);
}

enum { BIG_SIZE = 1024, BIG_NOTE = 512 };

/* By hand, a program for a machine of the other class and byte order: PowerPC with 32 bits. `note` has 128 bytes. */
static void make_big_endian(unsigned char *elf, const char *note)
{
	static const unsigned char ident[] = {0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2MSB, EV_CURRENT};
	static const uint32_t dynamic[] = {
		DT_NEEDED,     1,        DT_NEEDED, 11,         DT_RUNPATH,    21,      DT_STRTAB,
		0x10000 + 384, DT_STRSZ, 26,        DT_FLAGS_1, DF_1_NODEFLIB, DT_NULL, 0};
	memset(elf, 0, BIG_SIZE);
	memcpy(elf, ident, sizeof(ident));
	put16(elf + 16, ET_EXEC);
	put16(elf + 18, EM_PPC);
	put32(elf + 20, EV_CURRENT);
	put32(elf + 28, 52); /* e_phoff */
	put16(elf + 42, 32); /* e_phentsize */
	put16(elf + 44, 4);  /* e_phnum */
	put_segment(elf + 52, PT_LOAD, 0, BIG_SIZE);
	put_segment(elf + 84, PT_INTERP, 192, 13);
	put_segment(elf + 116, PT_DYNAMIC, 256, sizeof(dynamic));
	put_segment(elf + 148, PT_NOTE, BIG_NOTE, 128);
	memcpy(elf + 192, "/lib/ld.so.1", 13);
	for (size_t i = 0; i < sizeof(dynamic) / sizeof(dynamic[0]); i++)
		put32(elf + 256 + 4 * i, dynamic[i]);
	memcpy(elf + 384, "\0libc.so.6\0libm.so.6\0/opt", 26);
	memcpy(elf + BIG_NOTE, note, 128);
}

static void test_program_of_another_class_and_byte_order(void **state)
{
	static const char note[128] = "\0\0\0\4\0\0\0\5\0\0\0\1GNU\0abcde\0\0\0" /* padded to 4 bytes */
				      "\0\0\0\4\0\0\0\3\x40\x7c\x0c\x0a"
				      "FDO\0[]\0\0";
	unsigned char data[BIG_SIZE];
	struct elf elf;
	int fd = memory_file();
	make_big_endian(data, note);
	assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
	assert_ok(elf_read(fd, "big", &elf));
	assert_int_equal(elf.kind.machine, EM_PPC);
	assert_int_equal(elf.kind.size, ELFCLASS32);
	assert_int_equal(elf.kind.order, ELFDATA2MSB);
	assert_string_equal(elf.interpreter, "/lib/ld.so.1");
	assert_int_equal(elf.needed_count, 2);
	assert_string_equal(elf.needed[0], "libc.so.6");
	assert_string_equal(elf.needed[1], "libm.so.6");
	assert_string_equal(elf.runpath, "/opt");
	assert_true(elf.no_default_directories);
	assert_int_equal(elf.dlopen_notes.count, 1);
	assert_string_equal(elf.dlopen_notes.items[0], "[]");
	elf_clear(&elf);
	assert_int_equal(elf_read_kind(fd, "big", &host_kind, &elf), 1);
	for (size_t at = 0; at < sizeof(data); at++) {
		static const unsigned char values[] = {0x00, 0x7f, 0x80, 0xff};
		for (size_t i = 0; i < sizeof(values); i++) {
			assert_int_equal(pwrite(fd, &values[i], 1, (off_t)at), 1);
			read_anything(fd);
		}
		assert_int_equal(pwrite(fd, &data[at], 1, (off_t)at), 1);
	}
	for (off_t cut = sizeof(data); cut-- > 0;) {
		assert_int_equal(ftruncate(fd, cut), 0);
		read_anything(fd);
	}
	close(fd);
}

static void test_order_of_the_cache(void **state)
{
	/* Ascending; ldconfig -p shows the entries the other way round. */
	static const char *const names[] = {"",          "lib.so",     "libA.so",     "libBrokenLocale.so.1",
					    "liba.so",   "liba.so.1",  "liba.so.1.9", "liba.so.1.10",
					    "liba.so.2", "liba.so.10", "liba2.so",    "liba10.so",
					    "libz.so"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(names[0]); j++) {
			int order = ld_cache_compare(names[i], names[j]);
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	skip_without(access("/etc/ld.so.cache", R_OK) == 0, "/etc/ld.so.cache");
	struct ld_cache cache;
	struct ld_cache_entry entry, next;
	ld_cache_load(&cache, &host, "/etc/ld.so.cache");
	for (size_t i = 0; i + 1 < cache.count; i++) {
		assert_true(ld_cache_entry(&cache, i, &entry) && ld_cache_entry(&cache, i + 1, &next));
		assert_true(ld_cache_compare(entry.name, next.name) >= 0);
	}
	ld_cache_clear(&cache);
}

static void test_cache_that_is_written(void **state)
{
	struct collected collected = {0};
	struct manifest manifest = {.source = &host, .collected = &collected};
	char *path = root_path_of("%s/x", scratch), *variant = root_path_of("%s/glibc-hwcaps/v9/x", scratch);
	struct library libraries[] = {
		{.name = (char *)"libviso-x.so.1",
		 .path = path,
		 .flags = 0x0503,
		 .big_endian = true,
		 .is_private = true},
		{.name = (char *)"libviso-x.so.1",
		 .path = variant,
		 .flags = 0x0503,
		 .big_endian = true,
		 .is_private = true},
		{.name = (char *)"libgone.so", .path = (char *)"/gone/libgone.so", .flags = 0x0503, .big_endian = true},
	};
	manifest_mark(&manifest);
	for (size_t i = 0; i < 3; i++)
		assert_ok(collected_add(&collected, &libraries[i]));
	assert_ok(collected_add(&collected, &libraries[0]));
	assert_int_equal(collected.count, 3);
	assert_ok(manifest_add_file(&manifest, path, "/etc/passwd", MANIFEST_REFUSE));
	assert_ok(manifest_add_file(&manifest, variant, "/etc/passwd", MANIFEST_REFUSE));
	struct ld_cache_files files, again;
	assert_ok(ld_cache_make(&manifest, &files));
	assert_ok(ld_cache_make(&manifest, &again));
	assert_int_equal(files.size, again.size);
	assert_memory_equal(files.cache, again.cache, files.size);
	ld_cache_files_clear(&again);
	char *line = root_path_of("%s\n", scratch);
	assert_string_equal(files.config, line);
	free(line);

	struct ld_cache cache;
	struct ld_cache_entry entry;
	ld_cache_parse(&cache, files.cache, files.size);
	files.cache = NULL;
	assert_int_equal(cache.count, 2);
	assert_true(cache.swapped);
	assert_true(ld_cache_entry(&cache, 0, &entry));
	assert_string_equal(entry.path, variant);
	assert_false(entry.baseline);
	assert_true(ld_cache_entry(&cache, 1, &entry));
	assert_string_equal(entry.path, path);
	assert_int_equal(entry.flags, 0x0503);
	assert_true(entry.baseline);
	ld_cache_clear(&cache);
	ld_cache_files_clear(&files);
	manifest_clear(&manifest);
	collected_clear(&collected);
	free(path);
	free(variant);
}

static void test_cache_of_the_loader(void **state)
{
	skip_without(access("/etc/ld.so.cache", R_OK) == 0, "/etc/ld.so.cache");
	struct ld_cache cache;
	ld_cache_load(&cache, &host, "/etc/ld.so.cache");
	cache.flags = machine_cache_flags(&host_kind);
	assert_true(cache.count > 0);
	size_t position = 0;
	bool baseline;
	const char *path = ld_cache_next(&cache, "libc.so.6", &position, &baseline);
	assert_non_null(path);
	assert_int_equal(access(path, R_OK), 0);
	position = 0;
	assert_null(ld_cache_next(&cache, "libc.so", &position, &baseline));
	ld_cache_clear(&cache);
	ld_cache_load(&cache, &host, "/no/such/cache");
	assert_int_equal(cache.count, 0);
}

static void test_damaged_caches(void **state)
{
	skip_without(access("/etc/ld.so.cache", R_OK) == 0, "/etc/ld.so.cache");
	size_t size, position;
	bool baseline;
	char *whole = root_read_file("/etc/ld.so.cache", &size);
	struct ld_cache cache;
	for (size_t cut = 0; cut < size; cut += cut < 256 ? 1 : 997) {
		/* A block of its own, so that a read beyond it is seen. */
		char *copy = malloc(cut ? cut : 1);
		memcpy(copy, whole, cut);
		ld_cache_parse(&cache, copy, cut);
		for (position = 0; ld_cache_next(&cache, "libc.so.6", &position, &baseline);)
			;
		ld_cache_clear(&cache);
	}
	for (size_t at = 0; at < 4096 && at < size; at++) {
		char *copy = malloc(size);
		memcpy(copy, whole, size);
		copy[at] = (char)0xff;
		ld_cache_parse(&cache, copy, size);
		for (position = 0; ld_cache_next(&cache, "libc.so.6", &position, &baseline);)
			;
		ld_cache_clear(&cache);
	}
	/* Behind the older format, as glibc before 2.32 writes it. */
	static const char old[32] = "ld.so-1.7.0\0\1\0\0";
	char *copy = malloc(size + sizeof(old));
	memcpy(copy, old, sizeof(old));
	memcpy(copy + sizeof(old), whole, size);
	ld_cache_parse(&cache, copy, size + sizeof(old));
	position = 0;
	assert_non_null(ld_cache_next(&cache, "libc.so.6", &position, &baseline));
	ld_cache_clear(&cache);
	free(whole);
}

static void test_loaders_know_their_directories(void **state)
{
	struct loader loader;
	assert_ok(loader_init(&loader, &host, &host_kind, "/lib64/ld-linux-x86-64.so.2",
			      "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"));
	assert_string_equal(loader.lib, "lib/x86_64-linux-gnu");
	assert_string_equal(loader.directories.items[0], "/lib/x86_64-linux-gnu");
	assert_string_equal(loader.directories.items[1], "/usr/lib/x86_64-linux-gnu");
	loader_clear(&loader);
	assert_ok(loader_init(&loader, &host, &host_kind, "/lib64/ld-linux-x86-64.so.2",
			      "/usr/lib64/ld-linux-x86-64.so.2"));
	assert_string_equal(loader.lib, "lib64");
	loader_clear(&loader);
	assert_ok(loader_init(&loader, &host, &host_kind, "/opt/c/lib/ld.so", "/opt/c/lib/ld.so"));
	assert_string_equal(loader.lib, "lib");
	assert_string_equal(loader.directories.items[0], "/opt/c/lib");
	loader_clear(&loader);
	assert_ok(loader_init(&loader, &host, &host_kind, "/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-x86_64.so.1"));
	assert_string_equal(loader.musl_path, "/etc/ld-musl-x86_64.path");
	assert_true(loader_is_built_in(&loader, "libc.so"));
	assert_false(loader_is_built_in(&loader, "libcrypt.so"));
	loader_clear(&loader);
	assert_ok(loader_init(&loader, &host, &host_kind, "/opt/m/lib/ld-musl-none.so.1",
			      "/opt/m/lib/ld-musl-none.so.1"));
	assert_string_equal(loader.musl_path, "/opt/m/etc/ld-musl-none.path");
	assert_string_equal(loader.directories.items[0], "/lib");
	loader_clear(&loader);
	/* A loader in the top directory has no directory to speak of. */
	assert_ok(loader_init(&loader, &host, &host_kind, "/ld.so", "/ld.so"));
	loader_clear(&loader);
}

static void test_first_lines_of_scripts(void **state)
{
	static const struct {
		const char *head, *interpreter, *program;
	} scripts[] = {
		{"#!/bin/sh\n", "/bin/sh", ""},
		{"#!/bin/sh", "/bin/sh", ""},
		{"#!\t/bin/sh \t -x \n", "/bin/sh", ""},
		{"#!/usr/bin/env python3\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env  python3 \t\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env python3 -u\n", "/usr/bin/env", "python3 -u"},
		{"#!/usr/bin/env -S python3 -u\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -Spython3\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -vS A=1 -u B python3\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env --split-string=python3 x\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -S\n", "/usr/bin/env", ""},
		{"#!/usr/bin/env -S -u\n", "/usr/bin/env", ""},
		{"#!/usr/bin/env\n", "/usr/bin/env", ""},
		{"#!/usr/bin/env -i\n", "/usr/bin/env", ""},
		{"#!/usr/bin/envy x\n", "/usr/bin/envy", ""},
		{"#!\n", NULL, NULL},
		{"#! \n/bin/sh\n", NULL, NULL},
		{"#", NULL, NULL},
		{"", NULL, NULL},
		{" #!/bin/sh\n", NULL, NULL},
	};
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		struct script script;
		bool good = script_parse(scripts[i].head, strlen(scripts[i].head), &script);
		assert_int_equal(good, scripts[i].interpreter != NULL);
		if (good) {
			assert_string_equal(script.interpreter, scripts[i].interpreter);
			assert_string_equal(script.program, scripts[i].program);
		}
	}
}

static void test_copies_are_equal(void **state)
{
	static const size_t sizes[] = {0, 1, 4095, 65536, 65537, 300000, 1 << 20};
	atomic_bool cancelled = false;
	struct settings settings = {0};
	struct progress progress = {.settings = &settings, .cancelled = &cancelled};
	struct copier copier = {.progress = &progress};
	char sum[SUM_TEXT], expected[SUM_TEXT];
	char *source_path = root_path_of("%s/source", scratch), *target_path = root_path_of("%s/target", scratch);
	char *data = malloc(1 << 20);
	for (size_t i = 0; i < 1 << 20; i++)
		data[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		root_write_file(source_path, data, sizes[i], 0644);
		int source = open(source_path, O_RDONLY | O_CLOEXEC);
		int target = open(target_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		struct stat st;
		assert_int_equal(fstat(source, &st), 0);
		assert_int_equal(copy_contents(&copier, source, target, &st, i % 2 ? sum : NULL), 0);
		sum_data(data, sizes[i], expected);
		if (i % 2)
			assert_string_equal(sum, expected);
		close(source);
		close(target);
		size_t size;
		char *copy = root_read_file(target_path, &size);
		assert_int_equal(size, sizes[i]);
		assert_memory_equal(copy, data, size);
		free(copy);
	}
	/* To another file system. */
	int source = open(source_path, O_RDONLY | O_CLOEXEC), target = memory_file();
	struct stat st;
	assert_int_equal(fstat(source, &st), 0);
	assert_int_equal(copy_contents(&copier, source, target, &st, NULL), 0);
	char *map = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, target, 0);
	assert_memory_equal(map, data, 1 << 20);
	munmap(map, 1 << 20);
	close(source);
	close(target);
	copier_clear(&copier);
	free(data);
	free(source_path);
	free(target_path);
}

static bool is_empty(const char *path)
{
	int entries = 0;
	DIR *dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		entries++;
	closedir(dir);
	return entries == 2;
}

static void test_removal_follows_no_link(void **state)
{
	char *tree = root_path_of("%s/tree", scratch);
	assert_int_equal(
		root_shell(
			"cd '%s' && mkdir tree kept && echo x >kept/file && ln -s ../kept tree/link && "
			"ln -s '%s/kept' tree/absolute && ln -s .. tree/up && mkdir tree/a && ln -s . tree/a/self && "
			"mkfifo tree/a/fifo && ln kept/file tree/hard",
			scratch, scratch),
		0);
	assert_int_equal(remove_tree(tree), 0);
	assert_int_equal(access(tree, F_OK), -1);
	char *kept = root_path_of("%s/kept/file", scratch);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(symlink("kept", tree), 0);
	assert_true(remove_tree(tree) < 0);
	assert_int_equal(access(kept, F_OK), 0);
	free(kept);
	free(tree);
}

static void test_removal_of_a_very_deep_tree(void **state)
{
	enum { DEPTH = 5000 };
	char *tree = root_path_of("%s/tree", scratch);
	assert_int_equal(mkdir(tree, 0755), 0);
	int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(fd, "d", 0755), 0);
		if (i % 100 == 0) {
			assert_int_equal(mkdirat(fd, "e", 0755), 0);
			assert_int_equal(symlinkat("..", fd, "viso-0"), 0);
		}
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(fd);
		fd = next;
	}
	close(fd);
	int fds = support_count_fds();
	assert_int_equal(remove_tree(tree), 0);
	assert_int_equal(support_count_fds(), fds);
	assert_int_equal(access(tree, F_OK), -1);
	free(tree);
}

static int remove_closed(void *argument)
{
	const char *directory = argument;
	if (root_shell("cd '%s' && mkdir -p tree/a/b/c tree/d/e && touch tree/a/b/c/file tree/d/e/file && "
		       "chmod 0 tree/a/b/c tree/d/e && chmod 0500 tree/a/b tree/d && chmod 0 tree/a && chmod 0111 tree",
		       directory) != 0)
		return 2;
	char *tree = root_path_of("%s/tree", directory);
	return remove_tree(tree) == 0 && access(tree, F_OK) < 0 ? 0 : 1;
}

static void test_removal_of_closed_directories(void **state)
{
	assert_int_equal(chmod(scratch, 0777), 0);
	assert_int_equal(root_in_child(true, remove_closed, scratch), 0);
}

static int remove_around_a_mount(void *argument)
{
	const char *directory = argument;
	char *mount_point = root_path_of("%s/tree/a/mounted", directory);
	char *kept = root_path_of("%s/kept", directory);
	char *tree = root_path_of("%s/tree", directory);
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    root_shell("mkdir -p '%s' '%s' && touch '%s/file' '%s/tree/a/other'", mount_point, kept, kept, directory) !=
		    0)
		return 77;
	/* A bind mount: the same file system, which a comparison of device numbers would not notice. */
	if (mount(kept, mount_point, NULL, MS_BIND, NULL) < 0)
		return 77;
	int r = remove_tree(tree);
	if (r != -EBUSY && r != -EXDEV && r != -ENOTEMPTY)
		return 1;
	if (root_shell("test -e '%s/file' && ! test -e '%s/tree/a/other'", kept, directory) != 0)
		return 2;
	return umount(mount_point) == 0 && remove_tree(tree) == 0 ? 0 : 3;
}

static void test_removal_does_not_enter_mounts(void **state)
{
	skip_without(geteuid() == 0, "root, to mount");
	int r = root_in_child(false, remove_around_a_mount, scratch);
	skip_without(r != 77, "a mount namespace");
	assert_int_equal(r, 0);
}

static void test_removal_of_what_cannot_be_removed(void **state)
{
	char *tree = root_path_of("%s/tree", scratch);
	assert_int_equal(remove_tree(tree), -ENOENT);
	skip_without(geteuid() == 0, "root, for an immutable file");
	assert_int_equal(
		root_shell("mkdir -p '%s/a/b' && touch '%s/a/b/file' '%s/a/other' '%s/c'", tree, tree, tree, tree), 0);
	skip_without(root_shell("chattr +i '%s/a/b/file' 2>/dev/null", tree) == 0,
		     "a file system with immutable files");
	assert_int_equal(remove_tree(tree), -EPERM);
	/* Everything else is gone. */
	assert_int_equal(root_shell("test $(find '%s' -type f | wc -l) = 1", tree), 0);
	assert_int_equal(root_shell("chattr -R -i '%s'", tree), 0);
	assert_int_equal(remove_tree(tree), 0);
	assert_true(is_empty(scratch));
	free(tree);
}

#define inside_test(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		inside_test(test_paths_are_cleaned),
		inside_test(test_manifest_sorts_directories_first),
		inside_test(test_manifest_rolls_back),
		inside_test(test_manifest_follows_its_links),
		inside_test(test_only_documented_errnos_leave),
		inside_test(test_truncated_elf_files),
		inside_test(test_corrupted_elf_files),
		inside_test(test_program_of_another_class_and_byte_order),
		inside_test(test_order_of_the_cache),
		inside_test(test_cache_that_is_written),
		inside_test(test_cache_of_the_loader),
		inside_test(test_damaged_caches),
		inside_test(test_loaders_know_their_directories),
		inside_test(test_first_lines_of_scripts),
		inside_test(test_copies_are_equal),
		inside_test(test_removal_follows_no_link),
		inside_test(test_removal_of_a_very_deep_tree),
		inside_test(test_removal_of_closed_directories),
		inside_test(test_removal_does_not_enter_mounts),
		inside_test(test_removal_of_what_cannot_be_removed),
	};
	return cmocka_run_group_tests_name("root_inside", tests, NULL, NULL);
}
