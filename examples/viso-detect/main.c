/* SPDX-License-Identifier: MIT */
/*
 * viso-detect: where does this program run, what drivers and tools of its hypervisor are here, and what of libvirtiso
 * works? With the evidence for each answer. detect.py and detect.lua do the same.
 *
 *   text.c       for people
 *   json.c       for programs; schema.json describes it
 *
 * With --vm, --container, --chroot or --quiet it answers as systemd-detect-virt(1) does: by one word and the exit
 * status, 0 yes, 1 no; 3 says that it could not be found out, which systemd-detect-virt does not tell from no.
 */
#include "detect.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_NO = 1, EXIT_USAGE = 2, EXIT_UNKNOWN = 3 };

struct options {
	const char *from;
	const char *capture;
	bool json, features, vm, container, chroot, quiet;
};

static const char help[] =
	"Usage: viso-detect [--json | --features] [--from DIRECTORY]\n"
	"       viso-detect [--vm] [--container] [--chroot] [--quiet] [--from DIRECTORY]\n"
	"       viso-detect --capture DIRECTORY\n"
	"\n"
	"Tells where it runs (hypervisor, monitor, cloud, container, chroot), which drivers and tools of the\n"
	"hypervisor are here, and what of libvirtiso works. Needs no privilege; executes nothing.\n"
	"\n"
	"  --json        for programs; the schema is schema.json, beside the source\n"
	"  --features    only what of libvirtiso works here, and why something does not\n"
	"  --vm          only the hypervisor: its id, none or unknown, and the exit status\n"
	"  --container   only the container, in the same way\n"
	"  --chroot      only whether this is a chroot: the exit status, nothing is printed\n"
	"  --quiet       print nothing: the exit status of what is asked for, or of container and hypervisor\n"
	"  --capture DIRECTORY\n"
	"                write all that this machine tells into a new directory; as root it has more\n"
	"  --from DIRECTORY\n"
	"                examine what was captured, in the place of this machine\n"
	"\n"
	"-v, -c, -r and -q are --vm, --container, --chroot and --quiet. Their exit status: 0 it is so, 1 it is not,\n"
	"3 it could not be found out. 2 is a failure of viso-detect itself.\n";

static int fail(void)
{
	fprintf(stderr, "viso-detect: %s\n", viso_error_message());
	return EXIT_USAGE;
}

/* Whether what was printed did not arrive, as on a full disk; says so. */
static bool is_lost(void)
{
	if (!fflush(stdout) && !ferror(stdout))
		return false;
	fputs("viso-detect: the output could not be written\n", stderr);
	return true;
}

/* What would be ignored beside another option is refused: --capture writes down this machine, whatever --from says. */
static int check(const struct options *options)
{
	bool shortly = options->vm || options->container || options->chroot || options->quiet;
	if (options->json + options->features + shortly + !!options->capture < 2 &&
	    !(options->capture && options->from))
		return 0;
	fputs("viso-detect: these options exclude each other; see viso-detect --help\n", stderr);
	return EXIT_USAGE;
}

/* 0, or the exit status: -1 for success at once. */
static int parse(int argc, char **argv, struct options *options)
{
	enum { JSON = 256, FEATURES, CAPTURE, FROM };
	static const struct option known[] = {
		{"vm", no_argument, NULL, 'v'},
		{"container", no_argument, NULL, 'c'},
		{"chroot", no_argument, NULL, 'r'},
		{"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},
		{"json", no_argument, NULL, JSON},
		{"features", no_argument, NULL, FEATURES},
		{"capture", required_argument, NULL, CAPTURE},
		{"from", required_argument, NULL, FROM},
		{0},
	};
	for (int option; (option = getopt_long(argc, argv, "vcrqh", known, NULL)) != -1;)
		switch (option) {
		case 'v':
			options->vm = true;
			break;
		case 'c':
			options->container = true;
			break;
		case 'r':
			options->chroot = true;
			break;
		case 'q':
			options->quiet = true;
			break;
		case JSON:
			options->json = true;
			break;
		case FEATURES:
			options->features = true;
			break;
		case CAPTURE:
			options->capture = optarg;
			break;
		case FROM:
			options->from = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return -1;
		default:
			fputs("viso-detect: see viso-detect --help\n", stderr);
			return EXIT_USAGE;
		}
	if (optind == argc)
		return check(options);
	fprintf(stderr, "viso-detect: %s is no option; see viso-detect --help\n", argv[optind]);
	return EXIT_USAGE;
}

/* The innermost layer of a kind that this program is inside of, or NULL. */
static const char *id_of(const viso_machine *machine, viso_layer_kind kind)
{
	for (int i = viso_machine_layer_count(machine) - 1; i >= 0; i--)
		if (viso_machine_layer_kind(machine, i) == (int)kind &&
		    viso_machine_layer_role(machine, i) == VISO_ROLE_GUEST &&
		    viso_machine_layer_confidence(machine, i) != VISO_CONFIDENCE_UNKNOWN)
			return viso_machine_layer_id(machine, i);
	return NULL;
}

/* Containers first: they are the innermost, as systemd-detect-virt has it. */
static int answer(const viso_machine *machine, const struct options *options)
{
	const struct {
		viso_layer_kind kind;
		bool asked;
	} kinds[] = {
		{VISO_LAYER_CHROOT, options->chroot},
		{VISO_LAYER_CONTAINER, options->container || (!options->vm && !options->chroot)},
		{VISO_LAYER_HYPERVISOR, options->vm || (!options->container && !options->chroot)},
	};
	const char *id = NULL;
	bool unknown = false;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !id; i++) {
		if (!kinds[i].asked)
			continue;
		int inside = viso_machine_inside(machine, kinds[i].kind);
		if (inside < 0 && inside != -ENODATA)
			return fail();
		id = inside == 1 ? id_of(machine, kinds[i].kind) : NULL;
		unknown |= inside == -ENODATA;
	}
	/* Of a chroot systemd-detect-virt prints nothing. */
	if (!options->quiet && !options->chroot)
		puts(id ? id : unknown ? "unknown" : "none");
	if (is_lost())
		return EXIT_USAGE;
	return id ? EXIT_SUCCESS : unknown ? EXIT_UNKNOWN : EXIT_NO;
}

static int tell(const viso_machine *machine, const struct options *options)
{
	if (options->vm || options->container || options->chroot || options->quiet)
		return answer(machine, options);
	int r = options->json ? print_json(machine) : options->features ? print_features(machine) : print_text(machine);
	if (r < 0)
		return fail();
	return is_lost() ? EXIT_USAGE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int r = parse(argc, argv, &options);
	if (r)
		return r < 0 ? EXIT_SUCCESS : r;
	if (options.capture)
		return viso_machine_capture(options.capture) < 0 ? fail() : EXIT_SUCCESS;
	viso_machine *machine = options.from ? viso_machine_new_from(options.from) : viso_machine_new();
	if (!machine)
		return fail();
	r = tell(machine, &options);
	viso_machine_unref(machine);
	return r;
}
