/* SPDX-License-Identifier: MIT */
/*
 * viso-run: run a program of this host in a jail, a container or a guest.
 *
 * The program named in COMMAND is put into an empty root with all that it needs, and sees nothing else of the host.
 * run.py and run.lua do the same.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <virtiso.h>

/* As timeout(1) and env(1) have it. */
enum { EXIT_TIMED_OUT = 124, EXIT_OWN_ERROR = 125, EXIT_SIGNAL_BASE = 128 };

struct options {
	viso_isolation isolation;
	uint64_t memory; /* bytes; 0: not limited, in a guest the library's default */
	uint64_t timeout_ms;
	viso_network network;
};

static const char usage[] = "usage: viso-run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
			    "\n"
			    "Runs COMMAND isolated from this host, in a root file system of its own that has\n"
			    "the program with all that it needs and nothing else.\n"
			    "\n"
			    "  --jail             in a chroot jail, hardened\n"
			    "  --container        in a container (the default)\n"
			    "  --guest            in a virtual machine under KVM (one process, one thread)\n"
			    "  --program PATH     put this program into the root too, with all that it needs\n"
			    "  --file PATH        put this file into the root too\n"
			    "  --memory SIZE      limit the memory: bytes, or with K, M or G, such as 256M\n"
			    "  --timeout SECONDS  end it when so much time has passed, such as 2.5\n"
			    "  --net none|host    what it can reach by network (none is the default)\n"
			    "  --help             print this text\n"
			    "\n"
			    "The exit code is that of COMMAND; 128 + N when signal N ended it, 124 when its\n"
			    "time was over, 125 when it could not be run.\n";

/* What the library says about the last call that failed. */
static int fail(void)
{
	fprintf(stderr, "viso-run: %s\n", viso_error_message());
	return -1;
}

static int fail_option(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "viso-run: --%s %s: %s is wanted here; see viso-run --help\n", option, value, wanted);
	return -1;
}

/* "65536", "64K", "256M", "1G" */
static int parse_size(const char *text, uint64_t *out_bytes)
{
	static const char suffixes[] = "KMG";
	char *end;
	errno = 0;
	uint64_t number = strtoull(text, &end, 10);
	const char *suffix = *end ? strchr(suffixes, *end) : NULL;
	int shift = suffix ? 10 * (int)(suffix - suffixes + 1) : 0;

	if (errno || *text < '0' || *text > '9' || end[suffix != NULL] || number == 0 || number > UINT64_MAX >> shift)
		return fail_option("memory", text, "a size such as 256M");
	*out_bytes = number << shift;
	return 0;
}

static int parse_seconds(const char *text, uint64_t *out_ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.001 && seconds <= 1e9))
		return fail_option("timeout", text, "a number of seconds such as 2.5");
	*out_ms = (uint64_t)(seconds * 1000);
	return 0;
}

static int parse_network(const char *text, viso_network *out_network)
{
	if (strcmp(text, "none") != 0 && strcmp(text, "host") != 0)
		return fail_option("net", text, "none or host");
	*out_network = text[0] == 'h' ? VISO_NETWORK_HOST : VISO_NETWORK_NONE;
	return 0;
}

enum { HELPED = 1 };

/* Fills `options` and `root`; the command is what is left from argv[optind] on. 0, -1 or HELPED. */
static int parse_options(int argc, char **argv, struct options *options, viso_root *root)
{
	static const struct option known[] = {
		{"jail", no_argument, NULL, 'j'},          {"container", no_argument, NULL, 'c'},
		{"guest", no_argument, NULL, 'g'},         {"program", required_argument, NULL, 'p'},
		{"file", required_argument, NULL, 'f'},    {"memory", required_argument, NULL, 'm'},
		{"timeout", required_argument, NULL, 't'}, {"net", required_argument, NULL, 'n'},
		{"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
	};
	int r = 0;

	for (int option; r == 0 && (option = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
		switch (option) {
		case 'j':
			options->isolation = VISO_ISOLATION_JAIL;
			break;
		case 'c':
			options->isolation = VISO_ISOLATION_CONTAINER;
			break;
		case 'g':
			options->isolation = VISO_ISOLATION_GUEST;
			break;
		case 'p':
			r = viso_root_add_program(root, optarg) < 0 ? fail() : 0;
			break;
		case 'f':
			r = viso_root_add_file(root, optarg, NULL) < 0 ? fail() : 0;
			break;
		case 'm':
			r = parse_size(optarg, &options->memory);
			break;
		case 't':
			r = parse_seconds(optarg, &options->timeout_ms);
			break;
		case 'n':
			r = parse_network(optarg, &options->network);
			break;
		case 'h':
			fputs(usage, stdout);
			return HELPED;
		default: /* getopt_long has said what is wrong */
			return -1;
		}
	}
	if (r == 0 && optind == argc) {
		fputs("viso-run: COMMAND is missing; see viso-run --help\n", stderr);
		return -1;
	}
	if (r == 0 && options->isolation == VISO_ISOLATION_GUEST && options->network == VISO_NETWORK_HOST)
		return fail_option("net", "host", "--jail or --container");
	return r;
}

/* The three strengths: the same calls, and a word that differs. */

static int run_in_jail(const struct options *options, viso_root *root, viso_command *command, viso_result **out_result)
{
	viso_jail *jail = viso_jail_new();
	int r = viso_jail_set_root(jail, root);
	if (r == 0 && options->memory)
		r = viso_jail_set_memory_max(jail, options->memory);
	if (r == 0)
		r = viso_jail_set_network(jail, options->network);
	if (r == 0)
		r = viso_sandbox_run(viso_jail_sandbox(jail), command, out_result);
	viso_jail_unref(jail);
	return r;
}

static int run_in_container(const struct options *options, viso_root *root, viso_command *command,
			    viso_result **out_result)
{
	viso_container *container = viso_container_new();
	int r = viso_container_set_root(container, root);
	if (r == 0 && options->memory)
		r = viso_container_set_memory_max(container, options->memory);
	if (r == 0)
		r = viso_container_set_network(container, options->network);
	if (r == 0)
		r = viso_sandbox_run(viso_container_sandbox(container), command, out_result);
	viso_container_unref(container);
	return r;
}

static int run_in_guest(const struct options *options, viso_root *root, viso_command *command, viso_result **out_result)
{
	viso_guest *guest = viso_guest_new(); /* NULL where the library was built without guests */
	int r = guest ? viso_guest_set_root(guest, root) : -1;
	if (r == 0 && options->memory)
		r = viso_guest_set_memory_max(guest, options->memory);
	if (r == 0)
		r = viso_sandbox_run(viso_guest_sandbox(guest), command, out_result);
	viso_guest_unref(guest);
	return r;
}

/* Says how the program ended, unless it was with exit code 0. The exit code of viso-run. */
static int report(const viso_result *result)
{
	int code = viso_result_exit_code(result);
	if (code != 0)
		fprintf(stderr, "viso-run: %s\n", viso_result_describe(result));
	if (code >= 0)
		return code;
	if (viso_result_reason(result) == VISO_REASON_TIMED_OUT)
		return EXIT_TIMED_OUT;
	int signal = viso_result_signal(result);
	return signal ? EXIT_SIGNAL_BASE + signal : EXIT_OWN_ERROR;
}

static int run(const struct options *options, viso_root *root, char **argv)
{
	static int (*const run_in[])(const struct options *, viso_root *, viso_command *, viso_result **) = {
		[VISO_ISOLATION_JAIL] = run_in_jail,
		[VISO_ISOLATION_CONTAINER] = run_in_container,
		[VISO_ISOLATION_GUEST] = run_in_guest,
	};
	viso_command *command = viso_command_new(argv[0]);
	viso_result *result = NULL;

	int r = viso_root_add_program(root, argv[0]);
	for (int i = 1; r == 0 && argv[i]; i++)
		r = viso_command_add_arg(command, argv[i]);
	if (r == 0)
		r = viso_command_set_timeout_ms(command, options->timeout_ms);
	if (r == 0)
		r = run_in[options->isolation](options, root, command, &result);

	int status = r == 0 ? report(result) : (fail(), EXIT_OWN_ERROR);
	viso_result_unref(result);
	viso_command_unref(command);
	return status;
}

int main(int argc, char **argv)
{
	struct options options = {.isolation = VISO_ISOLATION_CONTAINER};
	viso_root *root = viso_root_new();
	int status = EXIT_OWN_ERROR;

	int r = parse_options(argc, argv, &options, root);
	if (r == 0)
		status = run(&options, root, argv + optind);
	else if (r == HELPED)
		status = 0;
	viso_root_unref(root);
	return status;
}
