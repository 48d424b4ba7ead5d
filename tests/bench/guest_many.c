/* SPDX-License-Identifier: MIT */
/*
 * bench-guest-many COUNT: so many clones of one guest of 64 MiB at once, each of which has been called. Prints what
 * each of them has of the machine's memory and of this process's, in bytes, how many fds, and the microseconds to make,
 * to call and to give back one.
 *
 * VISO_BENCH_CALLED names the program that is called.
 */
#include <dirent.h>
#include <string.h>
#include <sys/resource.h>
#include <virtiso.h>

#include "bench.h"

enum { TIMEOUT_MS = 20000 };

static void check(int64_t r)
{
	if (r < 0) {
		fprintf(stderr, "bench-guest-many: %s\n", viso_error_message());
		exit(1);
	}
}

/* A line of a file of /proc, in bytes. */
static int64_t figure(const char *path, const char *name)
{
	size_t length = strlen(name);
	char line[128];
	long long kib = -1;
	FILE *file = fopen(path, "re");
	while (file && kib < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, name, length) == 0)
			kib = strtoll(line + length, NULL, 10);
	if (file)
		fclose(file);
	return kib * 1024;
}

static int64_t count_fds(void)
{
	int64_t count = 0;
	DIR *directory = opendir("/proc/self/fd");
	while (directory && readdir(directory))
		count++;
	if (directory)
		closedir(directory);
	return count;
}

static viso_snapshot *freeze(void)
{
	const char *path = getenv("VISO_BENCH_CALLED");
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new();
	viso_command *command = viso_command_new("/called");
	viso_snapshot *snapshot;
	check(viso_root_add_file(root, path ? path : "", "/called"));
	check(viso_guest_set_root(guest, root));
	check(viso_guest_set_memory_max(guest, 64u << 20));
	check(viso_guest_initialise(guest, command, NULL));
	check(viso_guest_snapshot(guest, &snapshot));
	viso_command_unref(command);
	viso_guest_unref(guest);
	viso_root_unref(root);
	return snapshot;
}

int main(int argc, char **argv)
{
	struct rlimit files;
	if (argc != 2) {
		fprintf(stderr, "usage: bench-guest-many COUNT\n");
		return 2;
	}
	int count = bench_count(argv[1]);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	viso_snapshot *snapshot = freeze();
	viso_guest **clones = calloc((size_t)count, sizeof(viso_guest *));
	if (!clones)
		return 1;
	int64_t available = figure("/proc/meminfo", "MemAvailable:"), own = figure("/proc/self/status", "VmRSS:"),
		fds = count_fds();
	int64_t begin = bench_now();
	for (int i = 0; i < count; i++)
		check(viso_snapshot_clone(snapshot, &clones[i]));
	int64_t made = bench_now();
	for (int i = 0; i < count; i++)
		check(viso_guest_call(clones[i], "nothing", NULL, 0, TIMEOUT_MS, NULL));
	int64_t called = bench_now();
	available -= figure("/proc/meminfo", "MemAvailable:");
	own = figure("/proc/self/status", "VmRSS:") - own;
	fds = count_fds() - fds;
	int64_t end = bench_now();
	for (int i = 0; i < count; i++)
		viso_guest_unref(clones[i]);
	int64_t released = bench_now();
	printf("%lld %lld %.2f %.1f %.1f %.1f\n", (long long)available / count, (long long)own / count,
	       (double)fds / count, (double)(made - begin) / 1e3 / count, (double)(called - made) / 1e3 / count,
	       (double)(released - end) / 1e3 / count);
	viso_snapshot_unref(snapshot);
	free(clones);
	return 0;
}
