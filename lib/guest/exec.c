/* SPDX-License-Identifier: MIT */
#include "guest/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/elf.h"
#include "guest/files/open.h"
#include "guest/stack.h"
#include "guest/x86_64/signal_frame.h"

/* As Linux: a script's first line counts up to here, and so many scripts may have each other as interpreters. */
enum { SCRIPT_LINE = 256, SCRIPTS_MAX = 5 };

static int open_executable(struct program *program, const char *given, struct file **out_file, char **out_path)
{
	char path[PATH_MAX];
	struct spot spot;
	int r = *given ? view_join(program, AT_FDCWD, given, path) : -ENOENT;
	if (r == 0)
		r = view_find(program, AT_FDCWD, path, FIND_FOLLOW, &spot);
	if (r < 0)
		return r;
	r = S_ISREG(spot.st.st_mode) ? spot_permission(program, &spot, X_OK) : -EACCES;
	if (r == 0)
		r = open_spot(program, &spot, O_RDONLY, out_file);
	spot_release(&spot);
	if (r == 0 && !(*out_path = strdup(path))) {
		*out_file = file_unref(*out_file);
		r = -ENOMEM;
	}
	return r;
}

/* Splits the first line of a script into its interpreter and one argument, "" for none. False where it is no script. */
static bool parse_script(char *line, char **out_interpreter, char **out_argument)
{
	if (strncmp(line, "#!", 2) != 0)
		return false;
	line[strcspn(line, "\n")] = '\0';
	char *interpreter = line + 2 + strspn(line + 2, " \t");
	char *argument = interpreter + strcspn(interpreter, " \t");
	if (*argument)
		*argument++ = '\0';
	argument += strspn(argument, " \t");
	for (size_t n = strlen(argument); n > 0 && strchr(" \t", argument[n - 1]); n--)
		argument[n - 1] = '\0';
	*out_interpreter = interpreter;
	*out_argument = argument;
	return true;
}

/* The arguments of a script's interpreter: itself, its argument, the script, and what the script was given. */
static int rewrite_arguments(struct strings *argv, const char *interpreter, const char *argument, const char *script)
{
	struct strings new_argv = {0};
	int r = strings_add(&new_argv, interpreter);
	if (r == 0 && *argument)
		r = strings_add(&new_argv, argument);
	if (r == 0)
		r = strings_add(&new_argv, script);
	for (size_t i = 1; r == 0 && i < argv->count; i++)
		r = strings_add(&new_argv, argv->items[i]);
	if (r < 0) {
		strings_clear(&new_argv);
		return r;
	}
	strings_clear(argv);
	*argv = new_argv;
	return 0;
}

/* Replaces a script by its interpreter. 1 where that happened, 0 for another file, or a negative errno. */
static int follow_script(struct program *program, struct executable *executable)
{
	char line[SCRIPT_LINE + 1];
	char *interpreter, *argument;
	ssize_t n = file_read_at(executable->file, line, SCRIPT_LINE, 0);
	if (n < 0)
		return (int)n;
	line[n] = '\0';
	if (!parse_script(line, &interpreter, &argument))
		return 0;
	if (!*interpreter)
		return -ENOEXEC;
	int r = rewrite_arguments(&executable->argv, interpreter, argument, executable->path);
	if (r < 0)
		return r;
	executable->file = file_unref(executable->file);
	free(executable->path);
	executable->path = NULL;
	r = open_executable(program, interpreter, &executable->file, &executable->path);
	return r < 0 ? r : 1;
}

static int copy_arguments(struct strings *out, const struct strings *argv)
{
	int r = 0;
	for (size_t i = 0; r == 0 && i < argv->count; i++)
		r = strings_add(out, argv->items[i]);
	return r;
}

/* As execvp(3): the first candidate that can be opened; what could not be for its rights is remembered. */
static int open_candidate(struct program *program, const viso_command *command, struct executable *out)
{
	struct strings candidates = {0};
	int result = -ENOENT;
	int r = command_program_candidates(command, &candidates);
	for (size_t i = 0; r == 0 && i < candidates.count; i++) {
		int opened = open_executable(program, candidates.items[i], &out->file, &out->path);
		if (opened == 0)
			r = result = (out->script = strdup(candidates.items[i])) ? 0 : -ENOMEM;
		if (opened == 0)
			break;
		if (opened == -EACCES || candidates.count == 1)
			result = opened;
		else if (opened != -ENOENT && opened != -ENOTDIR)
			r = opened;
	}
	strings_clear(&candidates);
	return r < 0 ? r : result;
}

static int fail(int r, const char *name)
{
	switch (-r) {
	case ENOENT:
	case ENOTDIR:
		return error_fail(VISO_STAGE_EXEC, -r, name,
				  "%s is not in the root file system; add it by viso_root_add_program()", name);
	case EACCES:
		return error_fail(VISO_STAGE_EXEC, EACCES, name, "%s is no file that this user may execute", name);
	case ENOMEM:
		return error_memory();
	default:
		return error_fail(VISO_STAGE_EXEC, -r, name, NULL);
	}
}

int executable_find(struct program *program, const viso_command *command, struct executable *out)
{
	const char *name = command->argv.items[0];
	*out = (struct executable){0};
	int r = copy_arguments(&out->argv, &command->argv);
	if (r == 0)
		r = open_candidate(program, command, out);
	if (r < 0)
		return fail(r, name);
	for (int scripts = 0; (r = follow_script(program, out)) == 1; scripts++)
		if (scripts == SCRIPTS_MAX)
			return error_fail(VISO_STAGE_EXEC, ELOOP, name,
					  "%s: scripts whose interpreters are scripts, without an end", name);
	if (r == -ENOENT || r == -ENOTDIR)
		return error_fail(VISO_STAGE_EXEC, -r, name, "%s: its interpreter %s is not in the root file system",
				  name, out->argv.items[0]);
	if (r < 0)
		return fail(r, name);
	program->executable = strdup(out->file->path);
	return program->executable ? 0 : error_memory();
}

int executable_open(struct program *program, const char *path, const struct strings *argv, struct executable *out)
{
	*out = (struct executable){0};
	int r = copy_arguments(&out->argv, argv);
	if (r == 0)
		r = open_executable(program, path, &out->file, &out->path);
	if (r == 0)
		r = (out->script = strdup(path)) ? 0 : -ENOMEM;
	if (r < 0)
		return r;
	for (int scripts = 0; (r = follow_script(program, out)) == 1; scripts++)
		if (scripts == SCRIPTS_MAX)
			return -ELOOP;
	return r;
}

void executable_release(struct executable *executable)
{
	file_unref(executable->file);
	free(executable->path);
	free(executable->script);
	strings_clear(&executable->argv);
}

/* Where things lie; chosen anew for each start, as Linux does, to make attacks on the program harder. */
struct places {
	uint64_t stack_top;
	uint64_t mmap_base;
	uint64_t program;
	uint64_t heap_gap;
};

static const uint64_t stack_max = 1ull << 30;

static void choose_places(struct address_space *space, struct places *out)
{
	/* arch/x86/mm/mmap.c, fs/binfmt_elf.c: how many pages each may be moved by. */
	enum { STACK_BITS = 22, MMAP_BITS = 28, PROGRAM_BITS = 28, HEAP_BITS = 13 };
	uint64_t random[4] = {0};
	/* Without randomness the program runs all the same. */
	if (getrandom(random, sizeof(random), GRND_NONBLOCK) < 0)
		memset(random, 0, sizeof(random));
	if (space->stack_limit > stack_max)
		space->stack_limit = stack_max;
	const uint64_t gap = 128u << 20;
	out->stack_top = SPACE_END - random[0] % (1u << STACK_BITS) * GUEST_PAGE;
	out->mmap_base = out->stack_top - (space->stack_limit > gap ? space->stack_limit : gap) - gap -
			 random[1] % (1u << MMAP_BITS) * GUEST_PAGE;
	out->mmap_base &= ~(GUEST_PAGE - 1);
	out->program = 0x555555554000ull + random[2] % (1u << PROGRAM_BITS) * GUEST_PAGE;
	out->heap_gap = random[3] % (1u << HEAP_BITS) * GUEST_PAGE;
}

static int fail_map(int r, const char *path, const char *why)
{
	if (r == -ENOMEM)
		return error_fail(VISO_STAGE_GUEST, ENOMEM, path,
				  "%s cannot be loaded: the memory or address space limit is too low", path);
	return error_fail(VISO_STAGE_GUEST, -r, path, "%s cannot be loaded into a guest: %s", path, why);
}

static int map_interpreter(struct program *program, const char *path, struct elf_image *out)
{
	struct file *file;
	char *found = NULL;
	const char *why = "it cannot be read";
	int r = open_executable(program, path, &file, &found);
	if (r < 0)
		return error_fail(VISO_STAGE_EXEC, -r, path,
				  "%s, the interpreter of %s, is not in the root file system; "
				  "viso_root_add_program() adds a program with it",
				  path, program->executable);
	r = elf_map(program->space, file, 0, out, &why);
	file_unref(file);
	free(found);
	return r < 0 ? fail_map(r, path, why) : 0;
}

int executable_map(struct program *program, const struct executable *executable, const struct strings *env,
		   const struct processor *processor, uint64_t *out_entry, uint64_t *out_stack)
{
	struct elf_image image, interpreter = {0};
	struct places places;
	const char *why = "it cannot be read";
	struct address_space *space = program->space;

	choose_places(space, &places);
	space->mmap_base = places.mmap_base;
	int r = elf_map(space, executable->file, places.program, &image, &why);
	if (r < 0)
		return fail_map(r, executable->path, why);
	space->heap_start = space->heap_end = image.end + places.heap_gap;
	if (image.interpreter[0])
		r = map_interpreter(program, image.interpreter, &interpreter);
	if (r < 0)
		return r;

	struct stack_setting setting = {
		.argv = &executable->argv,
		.env = env,
		.path = executable->script,
		.program = &image,
		.interpreter_base = interpreter.base,
		.uid = program->uid,
		.gid = program->gid,
		.hwcap = processor->hwcap,
		.hwcap2 = processor->hwcap2,
		.signal_stack = frame_size_max(processor),
		.out_auxiliary = program->auxiliary,
	};
	if (getrandom(setting.random, sizeof(setting.random), 0) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, "getrandom", NULL);
	r = stack_build(space, &setting, places.stack_top, &program->image, out_stack);
	if (r == -E2BIG)
		return error_fail(VISO_STAGE_EXEC, E2BIG, executable->path,
				  "the arguments and environment are longer than a quarter of the stack limit");
	if (r < 0)
		return fail_map(-ENOMEM, executable->path, NULL);
	*out_entry = image.interpreter[0] ? interpreter.entry : image.entry;
	return 0;
}
