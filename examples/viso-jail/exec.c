/* SPDX-License-Identifier: MIT */
/* viso-jail exec: a program in a jail that was built before. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jail.h"

const char exec_usage[] = "  --memory SIZE        limit the memory: bytes, or with K, M or G\n"
			  "  --processes N        limit how many processes there are at once\n"
			  "  --timeout SECONDS    end it when so much time has passed\n"
			  "  --net none|host      what it can reach by network (none is the default)\n"
			  "  --user UID[:GID]     with these ids instead of ids of its own\n"
			  "  --cwd DIR            in this directory of the jail\n"
			  "  --env NAME[=VALUE]   set a variable, or take it from here\n"
			  "  --fd N               hand in fd N\n"
			  "  --demand LEVEL       refuse to run with less: privileges, files or scopes\n"
			  "  --bare               chroot alone, not hardened: no security boundary\n"
			  "  --verbose            say how hard the jail is, and what stays open\n";

/* As timeout(1) has them. */
enum { EXIT_TIMED_OUT = 124, EXIT_SIGNAL_BASE = 128 };

/* The settings that wait until the command is known. */
struct settings {
	uint64_t timeout_ms;
	const char *user;
	const char *cwd;
	bool verbose;
};

enum { VALUES_MAX = 64 };
static char *variables[VALUES_MAX], *fds[VALUES_MAX];

/* A number with an optional K, M or G; 0 where it is none. */
static uint64_t parse_number(const char *text)
{
	static const char suffixes[] = "KMG";
	char *end;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	const char *suffix = *end ? strchr(suffixes, *end) : NULL;
	int shift = suffix ? 10 * (int)(suffix - suffixes + 1) : 0;
	if (errno || *text < '0' || *text > '9' || end[suffix != NULL] || number > UINT64_MAX >> shift)
		return 0;
	return number << shift;
}

static int limit(viso_jail *jail, const char *text, int (*set)(viso_jail *, uint64_t))
{
	uint64_t number = parse_number(text);
	if (!number)
		return complain("a number such as 20 or 256M is wanted here", text);
	return set(jail, number) < 0 ? fail() : 0;
}

static int demand(viso_jail *jail, const char *name)
{
	for (int i = 0; viso_hardening_name((viso_hardening)i); i++)
		if (!strcmp(name, viso_hardening_name((viso_hardening)i)))
			return viso_jail_demand_hardening(jail, (viso_hardening)i) < 0 ? fail() : 0;
	return complain("no such level; see viso-jail --help", name);
}

static int set_network(viso_jail *jail, const char *name)
{
	if (strcmp(name, "none") && strcmp(name, "host"))
		return complain("none or host is wanted here", name);
	return viso_jail_set_network(jail, name[0] == 'h' ? VISO_NETWORK_HOST : VISO_NETWORK_NONE) < 0 ? fail() : 0;
}

static int remember(char **list, char *value)
{
	for (int i = 0; i < VALUES_MAX; i++)
		if (!list[i]) {
			list[i] = value;
			return 0;
		}
	return complain("too many of them", value);
}

static int set_timeout(struct settings *settings, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e9))
		return complain("a number of seconds such as 2.5 is wanted here", text);
	settings->timeout_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int apply(viso_jail *jail, struct settings *settings, int option, char *value)
{
	switch (option) {
	case 'm':
		return limit(jail, value, viso_jail_set_memory_max);
	case 'p':
		return limit(jail, value, viso_jail_set_processes_max);
	case 't':
		return set_timeout(settings, value);
	case 'n':
		return set_network(jail, value);
	case 'u':
		settings->user = value;
		return 0;
	case 'c':
		settings->cwd = value;
		return 0;
	case 'e':
		return remember(variables, value);
	case 'f':
		return remember(fds, value);
	case 'd':
		return demand(jail, value);
	case 'b':
		return viso_jail_set_hardening(jail, 0) < 0 ? fail() : 0;
	case 'v':
		settings->verbose = true;
		return 0;
	default: /* getopt_long has said what is wrong */
		return -1;
	}
}

static int parse(viso_jail *jail, struct settings *settings, int argc, char **argv)
{
	static const struct option known[] = {
		{"memory", required_argument, NULL, 'm'},  {"processes", required_argument, NULL, 'p'},
		{"timeout", required_argument, NULL, 't'}, {"net", required_argument, NULL, 'n'},
		{"user", required_argument, NULL, 'u'},    {"cwd", required_argument, NULL, 'c'},
		{"env", required_argument, NULL, 'e'},     {"fd", required_argument, NULL, 'f'},
		{"demand", required_argument, NULL, 'd'},  {"bare", no_argument, NULL, 'b'},
		{"verbose", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
	};
	int r = 0;
	for (int option; r == 0 && (option = getopt_long(argc, argv, "+", known, NULL)) != -1;)
		r = apply(jail, settings, option, optarg);
	return r;
}

static int set_user(viso_command *command, const char *text)
{
	char *end;
	unsigned long uid = strtoul(text, &end, 10), gid = uid;
	if (*end == ':' && end[1] >= '0' && end[1] <= '9')
		gid = strtoul(end + 1, &end, 10);
	if (*text < '0' || *text > '9' || *end)
		return complain("UID or UID:GID is wanted here", text);
	return viso_command_set_user(command, (unsigned)uid, (unsigned)gid) < 0 ? fail() : 0;
}

static int set_command(viso_command *command, const struct settings *settings, char **argv)
{
	if (settings->user && set_user(command, settings->user) < 0)
		return -1;
	int r = viso_command_set_timeout_ms(command, settings->timeout_ms);
	if (r == 0 && settings->cwd)
		r = viso_command_set_cwd(command, settings->cwd);
	for (int i = 0; r == 0 && i < VALUES_MAX && variables[i]; i++) {
		char *value = strchr(variables[i], '=');
		if (value)
			*value++ = '\0';
		r = viso_command_set_env(command, variables[i], value);
	}
	for (int i = 0; r == 0 && i < VALUES_MAX && fds[i]; i++)
		r = viso_command_add_fd(command, atoi(fds[i]), atoi(fds[i]));
	for (int i = 1; r == 0 && argv[i]; i++)
		r = viso_command_add_arg(command, argv[i]);
	return r < 0 ? fail() : 0;
}

static void describe(viso_jail *jail)
{
	int level = viso_jail_hardening(jail);
	fprintf(stderr, "viso-jail: hardening: %s\n",
		level < 0 ? "unknown" : viso_hardening_name((viso_hardening)level));
	const char *warning;
	for (unsigned i = 0; (warning = viso_jail_warning(jail, i)); i++)
		fprintf(stderr, "viso-jail: open: %s\n", warning);
}

/* The exit code. */
static int report(const viso_result *result)
{
	int code = viso_result_exit_code(result);
	if (code != 0)
		fprintf(stderr, "viso-jail: %s\n", viso_result_describe(result));
	if (code >= 0)
		return code;
	if (viso_result_reason(result) == VISO_REASON_TIMED_OUT)
		return EXIT_TIMED_OUT;
	int signal = viso_result_signal(result);
	return signal ? EXIT_SIGNAL_BASE + signal : EXIT_OWN_ERROR;
}

/* argv begins with DIR. */
static int run(viso_jail *jail, viso_root *root, const struct settings *settings, char **argv)
{
	viso_result *result = NULL;
	int status = EXIT_OWN_ERROR;
	char *directory = realpath(argv[0], NULL);
	char **program = argv + 1;
	if (*program && !strcmp(*program, "--"))
		program++;
	viso_command *command = *program ? viso_command_new(*program) : NULL;

	if (!directory)
		complain(strerror(errno), argv[0]);
	else if (!*program)
		complain("a COMMAND is wanted behind the directory", argv[0]);
	else if (!command || viso_root_use_directory(root, directory) < 0 || viso_jail_set_root(jail, root) < 0)
		fail();
	else if (set_command(command, settings, program) == 0) {
		if (settings->verbose)
			describe(jail);
		status = viso_sandbox_run(viso_jail_sandbox(jail), command, &result) < 0 ? (fail(), EXIT_OWN_ERROR)
											 : report(result);
	}
	viso_result_unref(result);
	viso_command_unref(command);
	free(directory);
	return status;
}

int exec_in_jail(int argc, char **argv)
{
	struct settings settings = {0};
	viso_root *root = viso_root_new();
	viso_jail *jail = viso_jail_new();
	int status = EXIT_OWN_ERROR;

	if (!root || !jail)
		fail();
	else if (parse(jail, &settings, argc, argv) == 0) {
		if (optind < argc)
			status = run(jail, root, &settings, argv + optind);
		else
			complain("a directory is wanted; see viso-jail --help", "exec");
	}
	viso_jail_unref(jail);
	viso_root_unref(root);
	return status;
}
