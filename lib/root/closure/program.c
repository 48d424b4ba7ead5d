/* SPDX-License-Identifier: MIT */
#include "root/closure/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/beneath.h"
#include "core/cleanup.h"
#include "core/error.h"
#include "root/closure/closure.h"
#include "root/failure.h"
#include "root/path.h"
#include "root/provider/provider.h"
#include "root/closure/script.h"

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
static int find_in_path(const char *name, char *out)
{
	static const char *const directories[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin",
						  "/usr/bin",        "/sbin",          "/bin"};
	for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
		struct stat st;
		if (snprintf(out, PATH_MAX, "%s/%s", directories[i], name) >= PATH_MAX)
			break;
		if (!stat(out, &st) && S_ISREG(st.st_mode) && (st.st_mode & 0111))
			return 0;
	}
	return error_fail(VISO_STAGE_ROOT, ENOENT, name,
			  "there is no program %s in the directories of the default PATH; give its absolute path",
			  name);
}

/* Opens the program and reads its first bytes; they are SCRIPT_HEAD_SIZE at most. The number of them, or a negative
 * errno. */
static ssize_t read_head(const char *path, char *head)
{
	struct stat st;
	/* Not by opening: that would have an effect on a device. */
	if (lstat(path, &st) < 0)
		return fail_path(errno, "find", path);
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_ROOT, EACCES, path, "%s is no program: it is not a regular file", path);
	if (!(st.st_mode & 0111))
		return error_fail(VISO_STAGE_ROOT, EACCES, path, "%s is not executable; chmod +x it", path);
	_cleanup_close_ int fd = open_regular(path, &st);
	if (fd < 0)
		return fail_path(-fd, "open", path);
	ssize_t size = pread(fd, head, SCRIPT_HEAD_SIZE, 0);
	return size < 0 ? fail_path(errno, "read", path) : size;
}

static int add_elf(struct manifest *manifest, const char *host, unsigned providers_off)
{
	_cleanup_(closure_clear) struct closure closure;
	closure_init(&closure, manifest);
	int r = closure_add_program(&closure, host);
	return r < 0 ? r : providers_add(&closure, host, providers_off);
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
		r = find_in_path(program, found);
	if (r >= 0)
		r = add(manifest, strchr(program, '/') ? program : found, chain);
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
	ssize_t size = read_head(end.host, head);
	if (size < 0)
		return (int)size;
	r = manifest_add_file(manifest, end.target, end.host, MANIFEST_KEEP);
	if (r < 0)
		return r;
	if (elf_is_elf(head, (size_t)size))
		return add_elf(manifest, end.host, chain.providers_off);
	if (script_parse(head, (size_t)size, &script))
		return add_script(manifest, end.host, &script, chain);
	return error_fail(VISO_STAGE_ROOT, ENOEXEC, path, "%s is neither an ELF program nor a script with a #! line",
			  path);
}

int program_add(struct manifest *manifest, const char *program, unsigned providers_off)
{
	char found[PATH_MAX];
	int r = program[0] == '/' ? 0 : find_in_path(program, found);
	return r < 0 ? r : add(manifest, program[0] == '/' ? program : found,
			     (struct chain){.providers_off = providers_off});
}
