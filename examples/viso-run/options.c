/* SPDX-License-Identifier: MIT */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] = "usage: viso-run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
			    "\n"
			    "Runs COMMAND isolated from this host, in a root file system of its own that has\n"
			    "the program with all that it needs and nothing else.\n"
			    "\n"
			    "  --jail             in a chroot jail, hardened\n"
			    "  --container        in a container (the default)\n"
			    "  --guest            in a virtual machine under KVM \n"
			    "  --program PATH     put this program into the root too, with all that it needs\n"
			    "  --file PATH        put this file into the root too\n"
			    "  --memory SIZE      limit the memory: bytes, or with K, M or G, such as 256M\n"
			    "  --processes N      limit the processes and threads\n"
			    "  --timeout SECONDS  end it when so much time has passed, such as 2.5\n"
			    "  --net none|host    what it can reach by network (none is the default)\n"
			    "  --user UID[:GID]   run it as this user\n"
			    "  --env NAME=VALUE   set a variable\n"
			    "  --cwd DIR          begin in this directory\n"
			    "  --tty              give it a terminal of its own, connected with this one\n"
			    "  --usage            say what it used when it has ended\n"
			    "  --timings          say how long the steps of its start took\n"
			    "  --help             print this text\n"
			    "\n"
			    "In a container or guest:\n"
			    "  --bind SOURCE[:PATH[:ro]]  show a file or directory of the host at PATH\n"
			    "  --write[=SIZE|=DIR]        let it write everywhere in its root: to memory, or to DIR\n"
			    "                             (with a slash), which keeps it\n"
			    "In a guest only:\n"
			    "  --contained                let a process in a container serve it\n"
			    "  --core FILE                write a core file of the first crash\n"
			    "  --kernel FILE              boot this Linux kernel for it, such as /boot/vmlinuz-...\n"
			    "  --syscalls                 say which system calls it made that are not served\n"
			    "In a container only:\n"
			    "  --tmpfs PATH[:SIZE]        an empty directory in memory\n"
			    "  --read-only PATH, --mask PATH, --device PATH\n"
			    "  --swap SIZE, --cpus N (such as 0.5), --cpu-set LIST (such as 0-1)\n"
			    "  --net bridge|user|macvlan|ipvlan, --interface NAME, --address ADDRESS/BITS,\n"
			    "  --gateway ADDRESS, --dns ADDRESS, --nat, --publish HOSTPORT:PORT[:udp]\n"
			    "  --hostname NAME, --share NAMESPACE, --sysctl NAME=VALUE\n"
			    "  --cap NAME                 a capability, such as net_raw\n"
			    "  --seccomp NAME|FILE        default, allow, deny, kill, none, or an OCI profile\n"
			    "  --landlock PATH            confine it to what is beneath these paths\n"
			    "  --bundle DIR               run the process of an OCI bundle instead of COMMAND\n"
			    "\n"
			    "The exit code is that of COMMAND; 128 + N when signal N ended it, 124 when its\n"
			    "time was over, 125 when it could not be run.\n";

static const struct option known[] = {
	{"jail", no_argument, NULL, 'j'},
	{"container", no_argument, NULL, 'c'},
	{"guest", no_argument, NULL, 'g'},
	{"program", required_argument, NULL, 'p'},
	{"file", required_argument, NULL, 'f'},
	{"memory", required_argument, NULL, 'm'},
	{"timeout", required_argument, NULL, 't'},
	{"net", required_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{"processes", required_argument, NULL, OPTION_PROCESSES},
	{"user", required_argument, NULL, OPTION_USER},
	{"env", required_argument, NULL, OPTION_ENV},
	{"cwd", required_argument, NULL, OPTION_CWD},
	{"tty", no_argument, NULL, OPTION_TERMINAL},
	{"usage", no_argument, NULL, OPTION_USAGE},
	{"timings", no_argument, NULL, OPTION_TIMINGS},
	{"bundle", required_argument, NULL, OPTION_BUNDLE},
	{"bind", required_argument, NULL, OPTION_BIND},
	{"contained", no_argument, NULL, OPTION_CONTAINED},
	{"core", required_argument, NULL, OPTION_CORE},
	{"kernel", required_argument, NULL, OPTION_KERNEL},
	{"syscalls", no_argument, NULL, OPTION_SYSCALLS},
	{"tmpfs", required_argument, NULL, OPTION_TMPFS},
	{"write", optional_argument, NULL, OPTION_WRITE},
	{"read-only", required_argument, NULL, OPTION_READ_ONLY},
	{"mask", required_argument, NULL, OPTION_MASK},
	{"device", required_argument, NULL, OPTION_DEVICE},
	{"swap", required_argument, NULL, OPTION_SWAP},
	{"cpus", required_argument, NULL, OPTION_CPUS},
	{"cpu-set", required_argument, NULL, OPTION_CPU_SET},
	{"interface", required_argument, NULL, OPTION_INTERFACE},
	{"address", required_argument, NULL, OPTION_ADDRESS},
	{"gateway", required_argument, NULL, OPTION_GATEWAY},
	{"dns", required_argument, NULL, OPTION_DNS},
	{"nat", no_argument, NULL, OPTION_NAT},
	{"publish", required_argument, NULL, OPTION_PUBLISH},
	{"hostname", required_argument, NULL, OPTION_HOSTNAME},
	{"share", required_argument, NULL, OPTION_SHARE},
	{"sysctl", required_argument, NULL, OPTION_SYSCTL},
	{"cap", required_argument, NULL, OPTION_CAPABILITY},
	{"seccomp", required_argument, NULL, OPTION_SECCOMP},
	{"landlock", required_argument, NULL, OPTION_LANDLOCK},
	{NULL, 0, NULL, 0},
};

static int set_flag(struct options *options, int option)
{
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
	case OPTION_TERMINAL:
		options->terminal = true;
		break;
	case OPTION_USAGE:
		options->usage = true;
		break;
	case OPTION_TIMINGS:
		options->timings = true;
		break;
	case 'h':
		fputs(usage, stdout);
		return HELPED;
	default: /* getopt_long has said what is wrong */
		return -1;
	}
	return 0;
}

static int set_option(struct options *options, int option, char *value)
{
	switch (option) {
	case 'p':
		return viso_root_add_program(options->root, value) < 0 ? fail() : 0;
	case 'f':
		return viso_root_add_file(options->root, value, NULL) < 0 ? fail() : 0;
	case 'm':
		return parse_size("memory", value, &options->memory);
	case 't':
		return parse_seconds("timeout", value, &options->timeout_ms);
	case 'n':
		return parse_network(value, &options->network);
	case OPTION_PROCESSES:
		return parse_number("processes", value, INT32_MAX, &options->processes);
	case OPTION_USER:
		options->user = value;
		return 0;
	case OPTION_ENV:
		options->env[options->env_count++] = value;
		return strchr(value, '=') ? 0 : fail_option("env", value, "NAME=VALUE");
	case OPTION_CWD:
		options->cwd = value;
		return 0;
	default:
		return set_flag(options, option);
	}
}

/* Notes which strengths have an option. */
static void note_strengths(struct options *options, int option, const char *name)
{
	options->needs = name;
	options->strengths[VISO_ISOLATION_JAIL] = false;
	if (option >= OPTION_BUNDLE)
		options->strengths[VISO_ISOLATION_GUEST] = false;
	else if (option >= OPTION_CONTAINED)
		options->strengths[VISO_ISOLATION_CONTAINER] = false;
}

/* One that not all strengths have goes into the handles of those that do. */
static int set_special_option(struct options *options, int option, const char *value)
{
	int r = 0;
	if (option < OPTION_CONTAINED || option >= OPTION_BUNDLE)
		r = set_container_option(options, option, value);
	if (r == 0 && option < OPTION_BUNDLE && options->guest)
		r = set_guest_option(options, option, value);
	return r;
}

/* That the options go together. */
static int check_options(const struct options *options, bool has_command)
{
	bool container = options->isolation == VISO_ISOLATION_CONTAINER;
	if (!has_command && !options->bundle) {
		fputs("viso-run: COMMAND is missing; see viso-run --help\n", stderr);
		return -1;
	}
	if (!options->strengths[options->isolation])
		return fail_option(options->needs, "", "another strength");
	if (options->network > VISO_NETWORK_HOST && !container)
		return fail_option("net", "of its own", "--container");
	if (options->network == VISO_NETWORK_HOST && options->isolation == VISO_ISOLATION_GUEST)
		return fail_option("net", "host", "--jail or --container");
	return 0;
}

/* An OCI bundle brings its own container, to which the options that follow are added. */
static int load_bundle(struct options *options, const char *directory)
{
	if (options->needs)
		return fail_option("bundle", directory, "the first place among the options of a container");
	viso_container_unref(options->container);
	options->container = NULL;
	return viso_container_load_bundle(directory, &options->container, &options->bundle) < 0 ? fail() : 0;
}

int parse_options(int argc, char **argv, struct options *options)
{
	int r = 0, index = 0;
	for (int option; r == 0 && (option = getopt_long(argc, argv, "+", known, &index)) != -1;) {
		if (option == OPTION_BUNDLE)
			r = load_bundle(options, optarg);
		else if (option >= OPTION_BIND)
			r = set_special_option(options, option, optarg);
		else
			r = set_option(options, option, optarg);
		if (option >= OPTION_BIND)
			note_strengths(options, option, known[index].name);
	}
	return r ? r : check_options(options, optind < argc);
}
