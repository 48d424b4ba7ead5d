/* SPDX-License-Identifier: MIT */
#include "root/closure/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso/root.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/closure/closure.h"
#include "root/closure/collected.h"
#include "root/closure/script.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/provider/provider.h"
#include "root/source.h"

enum {
	/* As many interpreters of interpreters as the kernel takes: exec_binprm() in fs/exec.c. */
	SCRIPTS_MAX = 5,
	/* env starts a program anew, and with it the kernel's count. */
	PROGRAMS_MAX = 16,
};

/* How a program was reached. */
struct chain {
	int scripts;  /* interpreters of interpreters, one after the other */
	int programs; /* all of them */
	unsigned providers_off;
};

static int add(struct manifest *manifest, const char *path, struct chain chain);

/* Finds a name in the directories of the PATH that a command has by default. `out` has PATH_MAX bytes. */
static int find_in_path(const struct source *source, const char *name, char *out)
{
	static const char *const directories[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
						  "/usr/bin",        "/sbin",          "/bin"};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		struct stat st;
		if (snprintf(out, PATH_MAX, "%s/%s", directories[i], name) >= PATH_MAX)
			break;
		if (!source_stat(source, out, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111))
			return 0;
	}
	return error_fail(VISO_STAGE_ROOT, ENOENT, name,
			  "there is no program %s in the directories of the default PATH; give its absolute path",
			  name);
}

/* Opens the program and reads its first bytes; they are SCRIPT_HEAD_SIZE at most. The number of them, or a negative
 * errno. */
static ssize_t read_head(const struct source *source, const char *path, char *head)
{
	struct stat st;
	/* Not by opening: that would have an effect on a device. */
	int r = source_lstat(source, path, &st);
	if (r < 0)
		return fail_path(-r, "find", path);
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EACCES, path, "%s is no program: it is not a regular file", path);
	if (!(st.st_mode & 0111))
		return error_fail(VISO_STAGE_ROOT, EACCES, path, "%s is not executable; chmod +x it", path);
	_cleanup_close_ int fd = source_open_regular(source, path, &st);
	if (fd < 0)
		return fail_path(-fd, "open", path);
	ssize_t size = pread(fd, head, SCRIPT_HEAD_SIZE, 0);
	return size < 0 ? fail_path(errno, "read", path) : size;
}

static int add_elf(struct manifest *manifest, const char *named, const char *host, struct chain chain)
{
	_cleanup_(closure_clear) struct closure closure;
	closure_init(&closure, manifest);
	closure.named = named;
	closure.for_script = chain.programs > 0;
	closure.providers_off = chain.providers_off;
	int r = closure_add_program(&closure, host);
	return r < 0 ? r : providers_add(&closure, host, chain.providers_off);
}

/* `script` is what needs the program; NULL for the user. */
static int add_with_reason(struct manifest *manifest, const char *path, struct chain chain, const char *script)
{
	const char *before = script ? manifest_set_reason(manifest, "interpreter of %s", script)
				    : manifest_set_reason(manifest, "program %s", path);
	int r = add(manifest, path, chain);
	manifest_restore_reason(manifest, before);
	return r;
}

/* The interpreter, or what env shall find, of a script; the error names both. */
static int add_for_script(struct manifest *manifest, const char *script, const char *program, struct chain chain)
{
	char found[PATH_MAX];
	int r = 0;
	if (strchr(program, '/'))
		r = program[0] == '/'
			    ? 0
			    : error_fail(VISO_STAGE_ROOT, ENOENT, program, "'%s' is not an absolute path", program);
	else
		r = find_in_path(manifest->source, program, found);
	if (r >= 0)
		r = add_with_reason(manifest, strchr(program, '/') ? program : found, chain, script);
	if (r < 0 && r != -ENOMEM)
		return error_fail(viso_error_stage(), -r, viso_error_object(), "%s, which the script %s needs: %s",
				  program, script, viso_error_message());
	return r;
}

static int add_script(struct manifest *manifest, const char *path, const struct script *script, struct chain chain)
{
	struct chain next = chain;
	next.scripts++;
	next.programs++;
	if (next.scripts > SCRIPTS_MAX || next.programs > PROGRAMS_MAX)
		return error_fail(VISO_STAGE_ROOT, ELOOP, path,
				  "%s is a script of a script of a script ...: no end is found", path);
	/* The kernel does not look for an interpreter in the PATH. */
	if (script->interpreter[0] != '/')
		return error_fail(VISO_STAGE_ROOT, ENOENT, script->interpreter,
				  "the interpreter '%s' of the script %s is not an absolute path", script->interpreter,
				  path);
	int r = add_for_script(manifest, path, script->interpreter, next);
	if (r < 0 || !script->program[0])
		return r;
	next.scripts = 0;
	return add_for_script(manifest, path, script->program, next);
}

static int add(struct manifest *manifest, const char *path, struct chain chain)
{
	struct path_end end;
	char head[SCRIPT_HEAD_SIZE];
	struct script script;
	int r = path_take(manifest, path, &end);
	if (r < 0)
		return r;
	ssize_t size = read_head(manifest->source, end.host, head);
	if (size < 0)
		return (int)size;
	r = manifest_add_file(manifest, end.target, end.host, MANIFEST_KEEP);
	if (r < 0)
		return r;
	if (elf_is_elf(head, (size_t)size))
		return add_elf(manifest, path, end.host, chain);
	if (script_parse(head, (size_t)size, &script))
		return add_script(manifest, end.host, &script, chain);
	return error_fail(VISO_STAGE_ROOT, ENOEXEC, path, "%s is neither an ELF program nor a script with a #! line",
			  path);
}

int program_add(struct manifest *manifest, const char *program, unsigned providers_off)
{
	char found[PATH_MAX];
	int r = program[0] == '/' ? 0 : find_in_path(manifest->source, program, found);
	return r < 0 ? r
		     : add_with_reason(manifest, program[0] == '/' ? program : found,
				       (struct chain){.providers_off = providers_off}, NULL);
}

int program_add_helper(struct manifest *manifest, const char *program, unsigned providers_off)
{
	return add(manifest, program, (struct chain){.providers_off = providers_off});
}

int program_add_library(struct manifest *manifest, const char *library, unsigned providers_off)
{
	const char *program = manifest->collected->first_program;
	_cleanup_(closure_clear) struct closure closure;
	closure_init(&closure, manifest);
	if (library[0] == '/' && !source_has_file(manifest->source, library))
		return error_fail(VISO_STAGE_ROOT, ENOENT, library, "there is no file %s", library);
	int r = closure_add_program(&closure, program);
	if (r >= 0)
		r = closure_add_dlopened(&closure, NULL, library);
	if (r == 1 && library[0] == '/')
		return error_fail(VISO_STAGE_ELF, ENOEXEC, library,
				  "%s is not a library that %s can load: it is for another machine, or cannot be read",
				  library, program);
	if (r == 1)
		return error_fail(VISO_STAGE_ROOT, ENOENT, library,
				  "the loader of %s finds no library %s; give its absolute path", program, library);
	/* The program's own runtime is there already. */
	return r < 0 ? r : providers_add(&closure, program, providers_off | 1u << VISO_PROVIDER_RUNTIME);
}

int program_add_module(struct manifest *manifest, const char *path, unsigned providers_off)
{
	char shell[PATH_MAX];
	const char *program = manifest->collected->first_program;
	_cleanup_(closure_clear) struct closure closure;
	closure_init(&closure, manifest);
	closure.named = path;
	closure.providers_off = providers_off;
	/* Any program of the tree tells how its loader searches. */
	if (!program && source_realpath(manifest->source, "/bin/sh", shell) >= 0)
		program = shell;
	if (!program)
		return 0;
	int r = closure_add_loose(&closure, program, path);
	return r < 0 ? r : providers_add(&closure, path, providers_off);
}
