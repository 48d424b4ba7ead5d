/* SPDX-License-Identifier: MIT */
/* Options that say what a jail contains. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jail.h"

const char recipe_usage[] = "  --program PATH       a program with all that it needs; a path or a name\n"
			    "  --library PATH       a library that it loads by itself: a plugin\n"
			    "  --package NAME       an installed package with all its files\n"
			    "  --file PATH[=IN]     a file, at the path IN of the jail or at the same one\n"
			    "  --directory PATH[=IN]  a directory with all that is below it\n"
			    "  --device PATH        a device, such as /dev/tty\n"
			    "  --user NAME:UID:GID  a user of /etc/passwd; may go on with :HOME:SHELL\n"
			    "  --group NAME:GID     a group of /etc/group\n"
			    "  --from DIR           take everything from another tree; must come first\n"
			    "  --archive FILE       begin with what a tar archive contains\n"
			    "  --image DIR[=REF]    begin with an image of an OCI image layout; must come first\n"
			    "  --without RULE       leave out what a rule adds: dlopen_notes nss gconv pam\n"
			    "                       openssl locale zoneinfo certificates runtime; for what follows\n"
			    "  --copy METHOD        auto, reflink, bytes or hardlink\n"
			    "  --store DIR          share contents with other jails\n"
			    "  --keep WHAT          keep setuid or capabilities\n"
			    "  --json               print JSON\n"
			    "  --quiet              print no progress\n";

/* Splits "left=right" in place; the right part, or NULL. */
static char *split(char *text, char at)
{
	char *right = strchr(text, at);
	if (right)
		*right++ = '\0';
	return right;
}

/* A number from the list `names`, or -1. */
static int find_name(const char *name, const char *const *names)
{
	for (int i = 0; names[i]; i++)
		if (!strcmp(name, names[i]))
			return i;
	return complain("no such choice; see viso-jail --help", name);
}

static int parse_id(const char *text, unsigned *out_id)
{
	char *end;
	errno = 0;
	unsigned long id = text ? strtoul(text, &end, 10) : 0;
	if (!text || errno || *text < '0' || *text > '9' || *end || id > UINT32_MAX)
		return complain("a number is wanted here", text ? text : "nothing");
	*out_id = (unsigned)id;
	return 0;
}

static int add_user(viso_root *root, char *name)
{
	char *uid = split(name, ':'), *gid = uid ? split(uid, ':') : NULL, *home = gid ? split(gid, ':') : NULL;
	char *shell = home ? split(home, ':') : NULL;
	unsigned user, group;
	if (parse_id(uid, &user) < 0 || parse_id(gid, &group) < 0)
		return -1;
	return viso_root_add_user(root, name, user, group, home, shell) < 0 ? fail() : 0;
}

static int add_group(viso_root *root, char *name)
{
	char *gid = split(name, ':');
	unsigned group;
	if (parse_id(gid, &group) < 0)
		return -1;
	return viso_root_add_group(root, name, group) < 0 ? fail() : 0;
}

static int without(viso_root *root, const char *rule)
{
	for (int i = 0; viso_provider_name((viso_provider)i); i++)
		if (!strcmp(rule, viso_provider_name((viso_provider)i)))
			return viso_root_set_provider(root, (viso_provider)i, 0) < 0 ? fail() : 0;
	return complain("no such rule; see viso-jail --help", rule);
}

static int set_copy(viso_root *root, const char *method)
{
	static const char *const names[] = {"auto", "reflink", "bytes", "hardlink", NULL};
	int number = find_name(method, names);
	if (number < 0)
		return -1;
	return viso_root_set_copy_method(root, (viso_copy_method)number) < 0 ? fail() : 0;
}

static int set_keep(viso_root *root, const char *what)
{
	static const char *const names[] = {"nothing", "setuid", "capabilities", NULL};
	static unsigned keep;
	int number = find_name(what, names);
	if (number < 0)
		return -1;
	keep |= (unsigned)number;
	return viso_root_set_keep(root, keep) < 0 ? fail() : 0;
}

static int apply(struct recipe *recipe, int option, char *value)
{
	viso_root *root = recipe->root;
	char *right = NULL;
	recipe->is_empty &= strchr("plPfdaiDug", option) == NULL;
	switch (option) {
	case 'p':
		return viso_root_add_program(root, value) < 0 ? fail() : 0;
	case 'l':
		return viso_root_add_library(root, value) < 0 ? fail() : 0;
	case 'P':
		return viso_root_add_package(root, value) < 0 ? fail() : 0;
	case 'f':
		right = split(value, '=');
		return viso_root_add_file(root, value, right) < 0 ? fail() : 0;
	case 'd':
		right = split(value, '=');
		return viso_root_add_directory(root, value, right) < 0 ? fail() : 0;
	case 'i':
		right = split(value, '=');
		return viso_root_add_image(root, value, right) < 0 ? fail() : 0;
	case 'a':
		return viso_root_add_archive(root, value, NULL) < 0 ? fail() : 0;
	case 'D':
		return viso_root_add_device(root, value) < 0 ? fail() : 0;
	case 'u':
		return add_user(root, value);
	case 'g':
		return add_group(root, value);
	case 'F':
		return viso_root_set_source(root, value) < 0 ? fail() : 0;
	case 'w':
		return without(root, value);
	case 'c':
		return set_copy(root, value);
	case 's':
		return viso_root_set_store(root, value) < 0 ? fail() : 0;
	case 'k':
		return set_keep(root, value);
	case 'j':
		recipe->json = true;
		return 0;
	case 'q':
		recipe->quiet = true;
		return 0;
	default: /* getopt_long has said what is wrong */
		return -1;
	}
}

int recipe_parse(struct recipe *recipe, int argc, char **argv)
{
	static const struct option known[] = {
		{"program", required_argument, NULL, 'p'},   {"library", required_argument, NULL, 'l'},
		{"package", required_argument, NULL, 'P'},   {"file", required_argument, NULL, 'f'},
		{"directory", required_argument, NULL, 'd'}, {"device", required_argument, NULL, 'D'},
		{"user", required_argument, NULL, 'u'},      {"group", required_argument, NULL, 'g'},
		{"from", required_argument, NULL, 'F'},      {"archive", required_argument, NULL, 'a'},
		{"image", required_argument, NULL, 'i'},     {"without", required_argument, NULL, 'w'},
		{"copy", required_argument, NULL, 'c'},      {"store", required_argument, NULL, 's'},
		{"keep", required_argument, NULL, 'k'},      {"json", no_argument, NULL, 'j'},
		{"quiet", no_argument, NULL, 'q'},           {NULL, 0, NULL, 0},
	};
	int r = 0;
	recipe->is_empty = true;
	for (int option; r == 0 && (option = getopt_long(argc, argv, "+", known, NULL)) != -1;)
		r = apply(recipe, option, optarg);
	return r;
}
