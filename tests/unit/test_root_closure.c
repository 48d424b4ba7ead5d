/* SPDX-License-Identifier: MIT */
/* What a program needs: compared with what its loader says, and run under a plain chroot. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/log.h"

static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
static int libraries_found;

static int count_library(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	const char *name = path + ftw->base;
	libraries_found += type == FTW_F && S_ISREG(st->st_mode) && (strstr(name, ".so.") || strstr(name, ".so")) &&
			   !strstr(path, "/etc/") && !strstr(path, "/lib-dynload/");
	return 0;
}

static int count_libraries(const char *path)
{
	libraries_found = 0;
	assert_int_equal(nftw(path, count_library, 16, FTW_PHYS), 0);
	return libraries_found;
}

/* Whether the root has each file that the loader names for `program`. How many different files they are. */
static int check_against_loader(const char *root, const char *program)
{
	char *list = root_shell_output("%s --list '%s'", loader, program);
	char *rest = list, *seen[256];
	int count = 0;
	for (char *line; (line = strsep(&rest, "\n"));) {
		char *path = strstr(line, "=> /") ? strstr(line, "=> /") + 3 : strchr(line, '/');
		if (!path || strstr(line, "linux-vdso"))
			continue;
		path[strcspn(path, " ")] = '\0';
		if (!root_same_file(root, path, path))
			print_error("%s: the root lacks %s\n", program, path);
		assert_true(root_same_file(root, path, path));
		char *real = realpath(path, NULL);
		bool is_new = true;
		for (int i = 0; i < count; i++)
			is_new &= strcmp(seen[i], real) != 0;
		if (is_new && count < 256)
			seen[count++] = real;
		else
			free(real);
	}
	for (int i = 0; i < count; i++)
		free(seen[i]);
	free(list);
	return count;
}

static void test_libraries_are_those_of_the_loader(void **state)
{
	static const char *const programs[] = {"/bin/bash", "/usr/bin/lua5.4", "/usr/bin/git", "/usr/bin/openssl",
					       "/usr/bin/gdb"};
	skip_without(access(loader, X_OK) == 0, "a glibc host");
	int compared = 0;
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (access(programs[i], X_OK) < 0)
			continue;
		viso_root *root = viso_root_new();
		/* What it loads by itself is another matter. */
		for (viso_provider provider = 0; viso_provider_name(provider); provider++)
			assert_ok(viso_root_set_provider(root, provider, 0));
		assert_ok(viso_root_add_program(root, programs[i]));
		assert_ok(viso_root_build(root));
		int count = check_against_loader(viso_root_path(root), programs[i]);
		assert_true(count >= 2);
		assert_int_equal(count_libraries(viso_root_path(root)), count);
		assert_true(root_same_file(viso_root_path(root), programs[i], programs[i]));
		viso_root_unref(root);
		compared++;
	}
	assert_true(compared > 0);
}

static void test_python_has_its_standard_library(void **state)
{
	skip_without(access("/usr/bin/python3", X_OK) == 0, "/usr/bin/python3");
	viso_root *root = root_with_program("/usr/bin/python3");
	const char *path = viso_root_path(root);
	check_against_loader(path, "/usr/bin/python3");
	char *version = root_shell_output(
		"/usr/bin/python3 -c 'import sys; print(\"%%d.%%d\" %% sys.version_info[:2], end=\"\")'");
	char *library = root_path_of("/usr/lib/python%s/test", version);
	struct stat st;
	assert_int_equal(root_lstat(path, library, &st), -1);
	free(library);
	library = root_path_of("/usr/lib/python%s/__pycache__", version);
	assert_int_equal(root_lstat(path, library, &st), 0);
	free(library);
	free(version);
	viso_root_unref(root);
}

static void test_python_runs_in_a_chroot(void **state)
{
	static const char program[] =
		"import json, ssl, sqlite3, ctypes, zoneinfo, hashlib, lzma, bz2, encodings.idna, decimal\n"
		"import asyncio, email, http.client, multiprocessing, xml.etree.ElementTree\n"
		"c = sqlite3.connect(':memory:')\n"
		"print(json.dumps(c.execute('select 6 * 7').fetchone()), ctypes.sizeof(ctypes.c_long))\n";
	skip_without(access("/usr/bin/python3", X_OK) == 0, "/usr/bin/python3");
	skip_without(geteuid() == 0, "root, to chroot");
	viso_root *root = root_with_program("/usr/bin/python3");
	const char *path = viso_root_path(root);
	char *output = NULL;
	int status = root_chroot_run(path, &output, (const char *[]){"/usr/bin/python3", "-c", program, NULL});
	assert_string_equal(output, "[42] 8\n");
	assert_int_equal(status, 0);
	free(output);

	/* The compiled modules are fresh: nothing is compiled again. */
	status = root_chroot_run(path, &output,
				 (const char *[]){"/usr/bin/python3", "-v", "-B", "-c", "import json", NULL});
	assert_int_equal(status, 0);
	assert_null(strstr(output, "bytecode is stale"));
	free(output);
	viso_root_unref(root);
}

/* An interpreter that lives in a prefix of its own, with its own library path. */
static void test_python_in_another_prefix(void **state)
{
	skip_without(access("/usr/bin/python3", X_OK) == 0 && access(loader, X_OK) == 0, "/usr/bin/python3");
	char *name = root_shell_output("basename $(readlink -f /usr/bin/python3) | tr -d '\\n'");
	char *prefix = root_path_of("%s/my prefix", root_scratch);
	assert_int_equal(
		root_shell("mkdir -p '%s/bin' '%s/lib' && cp /usr/bin/%s '%s/bin/' && ln -s %s '%s/bin/python' && "
			   "cp -r /usr/lib/%s '%s/lib/' && mkdir '%s/lib/%s/site-packages' && "
			   "touch '%s/lib/%s/site-packages/mine.py'",
			   prefix, prefix, name, prefix, name, prefix, name, prefix, prefix, name, prefix, name),
		0);
	char *program = root_path_of("%s/bin/python", prefix);
	viso_root *root = root_with_program(program);
	char *module = root_path_of("%s/lib/%s/json/__init__.py", prefix, name);
	assert_true(root_has_file(viso_root_path(root), module));
	free(module);
	module = root_path_of("%s/lib/%s/site-packages/mine.py", prefix, name);
	assert_false(root_has_file(viso_root_path(root), module));
	free(module);
	module = root_path_of("/usr/lib/%s/json/__init__.py", name);
	assert_false(root_has_file(viso_root_path(root), module));
	free(module);
	if (geteuid() == 0) {
		char *output;
		int status =
			root_chroot_run(viso_root_path(root), &output,
					(const char *[]){program, "-c", "import sys, ssl; print(sys.prefix)", NULL});
		assert_non_null(strstr(output, prefix));
		assert_int_equal(status, 0);
		free(output);
	}
	viso_root_unref(root);

	/* Without its library it could not start. */
	char *unknown = root_path_of("%s/bin/python3.99", prefix);
	assert_int_equal(root_shell("cp '%s/bin/%s' '%s'", prefix, name, unknown), 0);
	root = viso_root_new();
	assert_fails(viso_root_add_program(root, unknown), ENOENT, VISO_STAGE_ROOT, unknown);
	assert_non_null(strstr(viso_error_message(), "standard library"));
	viso_root_unref(root);
	free(unknown);
	free(program);
	free(prefix);
	free(name);
}

static void test_bash_runs_in_a_chroot(void **state)
{
	skip_without(geteuid() == 0, "root, to chroot");
	viso_root *root = root_with_program("bash");
	char *output;
	assert_int_equal(root_chroot_run(viso_root_path(root), &output,
					 (const char *[]){"/bin/bash", "-c", "echo $((6 * 7)); exit 3", NULL}),
			 3);
	assert_string_equal(output, "42\n");
	free(output);
	viso_root_unref(root);
}

static void test_lua_runs_in_a_chroot(void **state)
{
	skip_without(geteuid() == 0, "root, to chroot");
	skip_without(access("/usr/bin/lua5.4", X_OK) == 0, "lua5.4");
	viso_root *root = root_with_program("/usr/bin/lua5.4");
	char *output;
	assert_int_equal(root_chroot_run(viso_root_path(root), &output,
					 (const char *[]){"/usr/bin/lua5.4", "-e", "print(6 * 7)", NULL}),
			 0);
	assert_string_equal(output, "42\n");
	free(output);
	viso_root_unref(root);
}

static void test_static_program_needs_nothing(void **state)
{
	skip_without(access("/bin/busybox", X_OK) == 0, "busybox-static");
	viso_root *root = root_with_program("/bin/busybox");
	assert_true(root_same_file(viso_root_path(root), "/bin/busybox", "/bin/busybox"));
	assert_int_equal(count_libraries(viso_root_path(root)), 0);
	assert_false(root_has_file(viso_root_path(root), "/etc/ld.so.cache"));
	if (geteuid() == 0)
		assert_int_equal(
			root_chroot_run(viso_root_path(root), NULL, (const char *[]){"/bin/busybox", "true", NULL}), 0);
	viso_root_unref(root);
}

static void test_links_to_a_program_stay_links(void **state)
{
	char *program = root_path_of("%s/dir/link one", root_scratch);
	assert_int_equal(
		root_shell("cd '%s' && mkdir dir dir/deep && ln -s deep/two 'dir/link one' && ln -s ../../three "
			   "dir/deep/two && ln -s $(readlink -f /bin/sh) three",
			   root_scratch),
		0);
	viso_root *root = root_with_program(program);
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), program, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_true(root_same_file(viso_root_path(root), program, "/bin/sh"));
	if (geteuid() == 0)
		assert_int_equal(
			root_chroot_run(viso_root_path(root), NULL, (const char *[]){program, "-c", "exit 4", NULL}),
			4);
	viso_root_unref(root);
	free(program);
}

static void test_path_with_dots(void **state)
{
	viso_root *root = root_with_program("/usr/lib/.././//bin/../bin/bash");
	assert_true(root_has_file(viso_root_path(root), "/usr/bin/bash"));
	assert_true(root_has_file(viso_root_path(root), "/usr/lib/.././bin/../bin/bash"));
	viso_root_unref(root);
}

static void test_bad_programs(void **state)
{
	char *path = root_path_of("%s/x", root_scratch);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_program(root, "/no/such"), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_add_program(root, "no-such-program"), ENOENT, VISO_STAGE_ROOT, "no-such-program");
	assert_fails(viso_root_add_program(root, "/etc"), EACCES, VISO_STAGE_ROOT, "/etc");
	assert_fails(viso_root_add_program(root, "/dev/null"), EACCES, VISO_STAGE_ROOT, "/dev/null");
	assert_fails(viso_root_add_program(root, "/etc/passwd"), EACCES, VISO_STAGE_ROOT, "/etc/passwd");
	assert_fails(viso_root_add_program(root, "/etc/passwd/x"), ENOENT, VISO_STAGE_ROOT, "/etc/passwd/x");
	root_write_text(path, "no program", 0755);
	assert_fails(viso_root_add_program(root, path), ENOEXEC, VISO_STAGE_ROOT, path);
	root_write_text(path, "", 0755);
	assert_fails(viso_root_add_program(root, path), ENOEXEC, VISO_STAGE_ROOT, path);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("y", path), 0);
	assert_fails(viso_root_add_program(root, path), ENOENT, VISO_STAGE_ROOT, path);
	assert_non_null(strstr(viso_error_message(), "/y"));
	char *other = root_path_of("%s/y", root_scratch);
	assert_int_equal(symlink("x", other), 0);
	assert_fails(viso_root_add_program(root, path), ELOOP, VISO_STAGE_ROOT, root_scratch);
	assert_fails(viso_root_add_program(root, "/lib/x86_64-linux-gnu/libm.so.6"), EACCES, VISO_STAGE_ROOT, "libm");
	assert_ok(viso_root_build(root));
	/* Nothing of all that is in the root. */
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), root_scratch, &st), -1);
	viso_root_unref(root);
	free(other);
	free(path);
}

static void test_script_brings_its_interpreter(void **state)
{
	static const struct {
		const char *text;
		const char *needs[2];
	} scripts[] = {
		{"#!/bin/bash\n", {"/bin/bash"}},
		{"#! \t/bin/bash -e\n", {"/bin/bash"}},
		{"#!/bin/bash", {"/bin/bash"}},
		{"#!/usr/bin/env bash\nexit 0\n", {"/usr/bin/env", "/usr/bin/bash"}},
		{"#!/usr/bin/env -S bash -e\n", {"/usr/bin/env", "/usr/bin/bash"}},
		{"#!/usr/bin/env -S -i -u HOME A=b bash -e\n", {"/usr/bin/env", "/usr/bin/bash"}},
		{"#!/usr/bin/env -vSbash\n", {"/usr/bin/env", "/usr/bin/bash"}},
		{"#!/usr/bin/env --split-string=bash -e\n", {"/usr/bin/env", "/usr/bin/bash"}},
	};
	char *path = root_path_of("%s/a script", root_scratch);
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		root_write_text(path, scripts[i].text, 0755);
		viso_root *root = root_with_program(path);
		assert_true(root_has_file(viso_root_path(root), path));
		for (int j = 0; j < 2 && scripts[i].needs[j]; j++)
			assert_true(root_has_file(viso_root_path(root), scripts[i].needs[j]));
		if (geteuid() == 0)
			assert_int_equal(root_chroot_run(viso_root_path(root), NULL, (const char *[]){path, NULL}), 0);
		viso_root_unref(root);
	}
	free(path);
}

static void test_script_of_a_script(void **state)
{
	char *outer = root_path_of("%s/outer", root_scratch);
	char *inner = root_path_of("%s/inner", root_scratch);
	char *line = root_path_of("#!%s\n", inner);
	root_write_text(outer, line, 0755);
	root_write_text(inner, "#!/bin/sh\nexit 5\n", 0755);
	viso_root *root = root_with_program(outer);
	assert_true(root_has_file(viso_root_path(root), inner));
	assert_true(root_has_file(viso_root_path(root), "/bin/sh"));
	if (geteuid() == 0)
		assert_int_equal(root_chroot_run(viso_root_path(root), NULL, (const char *[]){outer, NULL}), 5);
	viso_root_unref(root);
	free(line);

	/* A script that is its own interpreter, by itself and through env. */
	line = root_path_of("#!%s\n", outer);
	root_write_text(outer, line, 0755);
	root = viso_root_new();
	assert_fails(viso_root_add_program(root, outer), ELOOP, VISO_STAGE_ROOT, outer);
	free(line);
	line = root_path_of("#!/usr/bin/env %s\n", outer);
	root_write_text(outer, line, 0755);
	assert_fails(viso_root_add_program(root, outer), ELOOP, VISO_STAGE_ROOT, outer);
	viso_root_unref(root);
	free(line);
	free(inner);
	free(outer);
}

static void test_script_without_its_interpreter(void **state)
{
	static const struct {
		const char *text;
		int error;
		const char *object;
	} scripts[] = {
		{"#!/no/such/interpreter\n", ENOENT, "/no"},
		{"#!/usr/bin/env no-such-program\n", ENOENT, "no-such-program"},
		{"#!/usr/bin/env bash -e\n", ENOENT, "bash -e"},
		{"#!bash\n", ENOENT, "bash"},
		{"#!\n", ENOEXEC, "script"},
		{"#!   \n", ENOEXEC, "script"},
	};
	char *path = root_path_of("%s/script", root_scratch);
	viso_root *root = viso_root_new();
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		root_write_text(path, scripts[i].text, 0755);
		assert_fails(viso_root_add_program(root, path), scripts[i].error, VISO_STAGE_ROOT, scripts[i].object);
		assert_non_null(strstr(viso_error_message(), path));
	}
	char *line = malloc(400);
	memset(line, 'x', 400);
	memcpy(line, "#!/", 3);
	line[399] = '\0';
	root_write_text(path, line, 0755);
	assert_fails(viso_root_add_program(root, path), ENOEXEC, VISO_STAGE_ROOT, path);
	viso_root_unref(root);
	free(line);
	free(path);
}

/* Compiles a program of two libraries: prog needs liba.so, which needs libb.so. `flags` are the linker's of prog and of
 * liba. */
static void compile(const char *compiler, const char *directory, const char *program_flags, const char *library_flags)
{
	assert_int_equal(root_shell("cd '%s' && mkdir -p lib && "
				    "echo 'int b(void) { return 6; }' >b.c && "
				    "echo 'int b(void); int a(void) { return 7 * b(); }' >a.c && "
				    "echo 'int a(void); int main(void) { return a() == 42 ? 9 : 1; }' >prog.c && "
				    "%s -shared -fPIC -o lib/libb.so b.c && "
				    "%s -shared -fPIC -o lib/liba.so a.c -Llib -lb %s && "
				    "%s -o prog prog.c -Llib -la -Wl,-rpath-link,lib %s",
				    directory, compiler, compiler, library_flags, compiler, program_flags),
			 0);
}

static void expect_runs(const char *program)
{
	viso_root *root = root_with_program(program);
	if (geteuid() == 0) {
		char *output;
		/* glibc finds $ORIGIN through /proc, which a plain chroot does not have. */
		char *proc = root_path_of("%s/proc", viso_root_path(root));
		assert_int_equal(root_shell("mount -t proc proc '%s'", proc), 0);
		int status = root_chroot_run(viso_root_path(root), &output, (const char *[]){program, NULL});
		assert_int_equal(root_shell("umount '%s'", proc), 0);
		assert_string_equal(output, "");
		assert_int_equal(status, 9);
		free(output);
		free(proc);
	}
	char *library = root_path_of("%s/lib/libb.so", root_scratch);
	assert_true(root_has_file(viso_root_path(root), library));
	free(library);
	viso_root_unref(root);
}

static void test_runpath_and_rpath(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *program = root_path_of("%s/prog", root_scratch);
	/* RPATH is inherited by what the program needs, RUNPATH is not. */
	compile("cc", root_scratch, "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'", "");
	expect_runs(program);
	compile("cc", root_scratch, "-Wl,--enable-new-dtags,-rpath,'${ORIGIN}/lib'", "-Wl,-rpath,'$ORIGIN'");
	expect_runs(program);
	compile("cc", root_scratch, "-Wl,--enable-new-dtags,-rpath,'/no/such:$ORIGIN/lib'", "");
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libb.so");
	assert_non_null(strstr(viso_error_message(), "libb.so"));
	assert_non_null(strstr(viso_error_message(), "liba.so"));
	viso_root_unref(root);
	free(program);
}

static void test_lib_and_platform_tokens(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	char *lib = root_shell_output("%s --list-diagnostics | sed -n 's/^dl_dst_lib=\"\\(.*\\)\"/\\1/p' | tr -d '\\n'",
				      loader);
	skip_without(lib[0], "a loader that knows --list-diagnostics");
	char *program = root_path_of("%s/prog", root_scratch);
	compile("cc", root_scratch, "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/deep/$LIB'", "");
	assert_int_equal(root_shell("cd '%s' && mkdir -p 'deep/%s' && cp lib/* 'deep/%s/'", root_scratch, lib, lib), 0);
	viso_root *root = root_with_program(program);
	char *library = root_path_of("%s/deep/%s/libb.so", root_scratch, lib);
	assert_true(root_has_file(viso_root_path(root), library));
	viso_root_unref(root);
	free(library);

	compile("cc", root_scratch, "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/for/${PLATFORM}'", "");
	assert_int_equal(
		root_shell("cd '%s' && mkdir -p for/x86_64 for/haswell && cp lib/* for/x86_64/ && cp lib/* for/haswell",
			   root_scratch),
		0);
	root = root_with_program(program);
	library = root_path_of("%s/for/x86_64/libb.so", root_scratch);
	assert_true(root_has_file(viso_root_path(root), library));
	free(library);
	viso_root_unref(root);
	free(program);
	free(lib);
}

static void test_variants_for_processors(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	char *program = root_path_of("%s/prog", root_scratch);
	compile("cc", root_scratch, "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'", "");
	assert_int_equal(root_shell("cd '%s/lib' && mkdir -p glibc-hwcaps/x86-64-v3 glibc-hwcaps/x86-64-v4 && "
				    "cp libb.so glibc-hwcaps/x86-64-v3/ && cp libb.so glibc-hwcaps/x86-64-v4/ && "
				    "cp liba.so glibc-hwcaps/x86-64-v4/",
				    root_scratch),
			 0);
	viso_root *root = root_with_program(program);
	static const char *const files[] = {"liba.so", "libb.so", "glibc-hwcaps/x86-64-v3/libb.so",
					    "glibc-hwcaps/x86-64-v4/libb.so", "glibc-hwcaps/x86-64-v4/liba.so"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *path = root_path_of("%s/lib/%s", root_scratch, files[i]);
		assert_true(root_has_file(viso_root_path(root), path));
		free(path);
	}
	viso_root_unref(root);
	free(program);
}

static void test_missing_and_damaged_libraries(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *program = root_path_of("%s/prog", root_scratch);
	char *library = root_path_of("%s/lib/libb.so", root_scratch);
	compile("cc", root_scratch, "-Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'", "");
	viso_root *root = viso_root_new();
	root_write_text(library, "\177ELF", 0644);
	assert_fails(viso_root_add_program(root, program), ENOEXEC, VISO_STAGE_ELF, library);
	root_write_text(library, "no library", 0644);
	assert_fails(viso_root_add_program(root, program), ENOEXEC, VISO_STAGE_ELF, library);
	assert_int_equal(unlink(library), 0);
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libb.so");
	assert_non_null(strstr(viso_error_message(), "/lib/liba.so"));
	assert_int_equal(mkfifo(library, 0644), 0);
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libb.so");
	assert_int_equal(unlink(library), 0);
	assert_int_equal(symlink("libb.so", library), 0);
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libb.so");
	viso_root_unref(root);
	free(library);
	free(program);
}

static void test_missing_loader(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *program = root_path_of("%s/prog", root_scratch);
	compile("cc", root_scratch, "-Wl,--dynamic-linker,/no/such/ld.so -Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'",
		"");
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "/no");
	assert_non_null(strstr(viso_error_message(), program));
	compile("cc", root_scratch, "-Wl,--dynamic-linker,ld.so -Wl,--disable-new-dtags,-rpath,'$ORIGIN/lib'", "");
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "ld.so");
	viso_root_unref(root);
	free(program);
}

static void test_program_for_another_machine(void **state)
{
	char *path = root_path_of("%s/other", root_scratch);
	size_t size;
	char *data = root_read_file("/bin/sh", &size);
	viso_root *root = viso_root_new();
	/* Its loader is not for the machine that the program says it is for. */
	data[18] ^= 0x55; /* e_machine */
	root_write_file(path, data, size, 0755);
	assert_fails(viso_root_add_program(root, path), ENOEXEC, VISO_STAGE_ELF, "/ld-");
	assert_non_null(strstr(viso_error_message(), path));
	data[18] ^= 0x55;
	data[4] = 1; /* ELFCLASS32: the sizes of its headers are not those of its class */
	root_write_file(path, data, size, 0755);
	assert_fails(viso_root_add_program(root, path), ENOEXEC, VISO_STAGE_ELF, path);
	viso_root_unref(root);
	free(data);
	free(path);
}

static void test_musl_program(void **state)
{
	skip_without(root_shell("musl-gcc --version >/dev/null 2>&1") == 0, "musl-gcc of musl-tools");
	char *program = root_path_of("%s/prog", root_scratch);
	/* musl hands a RUNPATH on to libraries of libraries. */
	compile("musl-gcc", root_scratch, "-Wl,--enable-new-dtags,-rpath,'$ORIGIN/lib'", "");
	expect_runs(program);
	viso_root *root = root_with_program(program);
	assert_true(root_has_file(viso_root_path(root), "/lib/ld-musl-x86_64.so.1"));
	assert_false(root_has_file(viso_root_path(root), "/etc/ld.so.cache"));
	assert_int_equal(root_has_file(viso_root_path(root), "/etc/ld-musl-x86_64.path"),
			 access("/etc/ld-musl-x86_64.path", F_OK) == 0);
	viso_root_unref(root);
	free(program);
}

static void test_static_pie(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *program = root_path_of("%s/prog", root_scratch);
	assert_int_equal(root_shell("cd '%s' && echo 'int main(void) { return 9; }' >p.c && cc -static-pie -o prog p.c",
				    root_scratch),
			 0);
	viso_root *root = root_with_program(program);
	assert_int_equal(count_libraries(viso_root_path(root)), 0);
	viso_root_unref(root);
	/* A shared library that may be executed is no program. */
	assert_int_equal(root_shell("cd '%s' && cc -shared -Wl,--no-as-needed -o prog p.c", root_scratch), 0);
	root = viso_root_new();
	assert_fails(viso_root_add_program(root, program), ENOEXEC, VISO_STAGE_ELF, program);
	viso_root_unref(root);
	free(program);
}

static void test_own_files_come_before_those_of_programs(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/etc/ld.so.conf", "# mine\n", 7, 0644));
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/etc/ld.so.conf", &st), 0);
	assert_int_equal(st.st_size, 7);
	viso_root_unref(root);
}

#define root_test(name) cmocka_unit_test_setup_teardown(name, root_set_up, root_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		root_test(test_libraries_are_those_of_the_loader),
		root_test(test_python_has_its_standard_library),
		root_test(test_python_runs_in_a_chroot),
		root_test(test_python_in_another_prefix),
		root_test(test_bash_runs_in_a_chroot),
		root_test(test_lua_runs_in_a_chroot),
		root_test(test_static_program_needs_nothing),
		root_test(test_links_to_a_program_stay_links),
		root_test(test_path_with_dots),
		root_test(test_bad_programs),
		root_test(test_script_brings_its_interpreter),
		root_test(test_script_of_a_script),
		root_test(test_script_without_its_interpreter),
		root_test(test_runpath_and_rpath),
		root_test(test_lib_and_platform_tokens),
		root_test(test_variants_for_processors),
		root_test(test_missing_and_damaged_libraries),
		root_test(test_missing_loader),
		root_test(test_program_for_another_machine),
		root_test(test_musl_program),
		root_test(test_static_pie),
		root_test(test_own_files_come_before_those_of_programs),
	};
	return cmocka_run_group_tests_name("root_closure", tests, NULL, NULL);
}
