/* SPDX-License-Identifier: MIT */
/* The commands of viso-jail. jail.py and jail.lua show the same calls in Python and Lua. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jail.h"

/* Of main() alone: whether errors of the library are printed as JSON. */
static bool json;

int fail(void)
{
	if (json) {
		print_error();
		return -1;
	}
	fputs("viso-jail: ", stderr);
	print_safely(stderr, viso_error_message());
	fputc('\n', stderr);
	return -1;
}

int complain(const char *message, const char *what)
{
	fprintf(stderr, "viso-jail: %s: %s\n", what, message);
	return -1;
}

static void print_usage(void)
{
	printf("usage: viso-jail plan   [RECIPE]...\n"
	       "       viso-jail build  [RECIPE]... DIR\n"
	       "       viso-jail update [RECIPE]... DIR\n"
	       "       viso-jail verify [--json] DIR\n"
	       "       viso-jail list   [--json] DIR\n"
	       "       viso-jail pack   [--json] DIR FILE\n"
	       "       viso-jail remove [--json] DIR\n"
	       "       viso-jail exec   [OPTION]... DIR [--] COMMAND [ARGUMENT]...\n"
	       "\n"
	       "plan prints what would be in the jail, and why. build makes it in DIR, update\n"
	       "brings DIR to a changed recipe or changed programs. verify compares DIR with its\n"
	       "record, list prints the record, remove removes what was built and leaves other\n"
	       "files alone. pack writes DIR as an initramfs, or as an EROFS image where FILE\n"
	       "ends in .erofs. exec runs a program in the jail.\n"
	       "\n"
	       "RECIPE: what the jail contains\n%s\n"
	       "OPTION: how the program runs\n%s\n"
	       "The exit code is 0, 1 where verify finds a difference or remove leaves something,\n"
	       "125 for an error; of exec that of COMMAND, 128 + N when signal N ended it, 124\n"
	       "when its time was over.\n",
	       recipe_usage, exec_usage);
}

/* The directory as the library wants it: absolute. It need not be there yet. To be freed; NULL after complaining. */
static char *absolute(const char *path)
{
	char cwd[PATH_MAX], *result = NULL;
	if (path[0] == '/')
		result = strdup(path);
	else if (!getcwd(cwd, sizeof(cwd)) || asprintf(&result, "%s/%s", cwd, path) < 0)
		result = NULL;
	if (!result)
		complain(strerror(errno), path);
	return result;
}

/* Each command gets what follows the options, and returns the exit code, or -1 where the library has failed. */

static int plan(struct recipe *recipe, char **directory)
{
	viso_manifest *manifest = NULL;
	if (viso_root_plan(recipe->root, &manifest) < 0)
		return -1;
	print_manifest(manifest, PRINT_ALL, recipe->json);
	viso_manifest_unref(manifest);
	return 0;
}

static int make(struct recipe *recipe, const char *directory, int (*call)(viso_root *))
{
	if (viso_root_set_path(recipe->root, directory) < 0)
		return -1;
	if (!recipe->json && !recipe->quiet && progress_show(recipe->root) < 0)
		return EXIT_OWN_ERROR;
	int r = call(recipe->root);
	progress_end();
	return r;
}

static int build(struct recipe *recipe, char **arguments)
{
	viso_manifest *manifest = NULL;
	if (make(recipe, arguments[0], viso_root_build) < 0 || viso_root_manifest(recipe->root, &manifest) < 0)
		return -1;
	if (!recipe->quiet)
		print_count("entries", (int)viso_manifest_count(manifest), arguments[0], recipe->json);
	viso_manifest_unref(manifest);
	return 0;
}

static int update(struct recipe *recipe, char **arguments)
{
	if (recipe->is_empty) {
		complain("say what it shall contain, as for build; what is not said is removed", arguments[0]);
		return EXIT_OWN_ERROR;
	}
	int changed = make(recipe, arguments[0], viso_root_update);
	if (changed >= 0 && !recipe->quiet)
		print_count("changed", changed, arguments[0], recipe->json);
	return changed < 0 ? -1 : 0;
}

static int verify(struct recipe *recipe, char **arguments)
{
	viso_manifest *manifest = NULL;
	if (viso_root_use_directory(recipe->root, arguments[0]) < 0)
		return -1;
	int differences = viso_root_verify(recipe->root, &manifest);
	if (differences < 0)
		return -1;
	print_manifest(manifest, PRINT_DIFFERENCES, recipe->json);
	viso_manifest_unref(manifest);
	return differences > 0;
}

static int list(struct recipe *recipe, char **arguments)
{
	viso_manifest *manifest = NULL;
	if (viso_root_use_directory(recipe->root, arguments[0]) < 0 || viso_root_manifest(recipe->root, &manifest) < 0)
		return -1;
	print_manifest(manifest, PRINT_ALL, recipe->json);
	viso_manifest_unref(manifest);
	return 0;
}

static int pack(struct recipe *recipe, char **arguments)
{
	int r;
	const char *end = strrchr(arguments[1], '.');
	viso_image_format format = end && !strcmp(end, ".erofs") ? VISO_IMAGE_EROFS : VISO_IMAGE_INITRAMFS;
	if (viso_root_use_directory(recipe->root, arguments[0]) < 0)
		return -1;
	r = viso_image_write(recipe->root, format, arguments[1]);
	if (r == 0 && recipe->json)
		print_file(arguments[1], arguments[0]);
	return r;
}

static int remove_jail(struct recipe *recipe, char **arguments)
{
	if (viso_root_use_directory(recipe->root, arguments[0]) < 0)
		return -1;
	int left = viso_root_remove(recipe->root);
	if (left > 0 && !recipe->quiet)
		print_count("left", left, arguments[0], recipe->json);
	return left < 0 ? -1 : left > 0;
}

enum { ARGUMENTS_MAX = 2 };

static const struct command {
	const char *name;
	int arguments;
	int (*call)(struct recipe *recipe, char **arguments);
} commands[] = {
	{"plan", 0, plan}, {"build", 1, build}, {"update", 1, update},      {"verify", 1, verify},
	{"list", 1, list}, {"pack", 2, pack},   {"remove", 1, remove_jail},
};

static int run(const struct command *command, int argc, char **argv)
{
	struct recipe recipe = {.root = viso_root_new()};
	static const char *const wanted[] = {"there is something behind the options",
					     "a directory is wanted behind the options, and nothing else",
					     "a directory and a file are wanted behind the options, and nothing else"};
	char *arguments[ARGUMENTS_MAX] = {NULL};
	int status = EXIT_OWN_ERROR;

	if (!recipe.root)
		fail();
	else if (recipe_parse(&recipe, argc, argv) == 0) {
		bool right = argc - optind == command->arguments;
		for (int i = 0; right && i < command->arguments; i++)
			right = (arguments[i] = absolute(argv[optind + i])) != NULL;
		status = right ? command->call(&recipe, arguments) : EXIT_OWN_ERROR;
		if (argc - optind != command->arguments)
			complain(wanted[command->arguments], command->name);
		if (status < 0) {
			fail();
			status = EXIT_OWN_ERROR;
		}
	}
	for (int i = 0; i < ARGUMENTS_MAX; i++)
		free(arguments[i]);
	viso_root_unref(recipe.root);
	return status;
}

/* What getopt_long() prints begins with the name of this program. */
static char **named(char **argv)
{
	argv[1] = argv[0];
	return argv + 1;
}

int main(int argc, char **argv)
{
	if (argc == 1) {
		complain("a command is wanted, such as build; see viso-jail --help", argv[0]);
		return EXIT_OWN_ERROR;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_usage();
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		int version = viso_version();
		printf("viso-jail of libvirtiso %d.%d.%d\n", version >> 16, version >> 8 & 255, version & 255);
		return 0;
	}
	/* Anywhere: the first error may come before it. Not behind exec, where it may be the program's own. */
	for (int i = 2; strcmp(argv[1], "exec") != 0 && i < argc; i++)
		json |= !strcmp(argv[i], "--json");
	if (!strcmp(argv[1], "exec"))
		return exec_in_jail(argc - 1, named(argv));
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return run(&commands[i], argc - 1, named(argv));
	complain("no such command; see viso-jail --help", argv[1]);
	return EXIT_OWN_ERROR;
}
