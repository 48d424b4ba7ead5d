/* SPDX-License-Identifier: MIT */
/* What the floor drivers share: repetition and timing, and the last steps before exec. */
#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void floor_die(const char *what)
{
	perror(what);
	_exit(1);
}

#define FLOOR_CHECK(call)                                                                                              \
	do {                                                                                                               \
		if ((call) < 0)                                                                                                \
			floor_die(#call);                                                                                          \
	} while (0)

static struct sock_filter floor_filter[4096];
static size_t floor_filter_count;

/* The filter that the library loads, from the file that FLOOR_FILTER names (made by dump_filter). */
static inline void floor_read_filter(void)
{
	const char *path = getenv("FLOOR_FILTER");
	if (!path)
		return;
	FILE *file = fopen(path, "re");
	if (!file)
		floor_die(path);
	floor_filter_count = fread(floor_filter, sizeof(floor_filter[0]), 4096, file);
	fclose(file);
}

static inline void floor_load_filter(void)
{
	struct sock_fprog program = {.len = (unsigned short)floor_filter_count, .filter = floor_filter};
	if (floor_filter_count)
		FLOOR_CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

/* Runs `once` N times and prints the nanoseconds of each, one a line. */
static inline int floor_main(int argc, char **argv, void (*once)(void))
{
	int runs = argc > 1 ? atoi(argv[1]) : 1;
	floor_read_filter();
	for (int i = 0; i < runs; i++) {
		struct timespec start, end;
		clock_gettime(CLOCK_MONOTONIC, &start);
		once();
		clock_gettime(CLOCK_MONOTONIC, &end);
		printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000000000ll + (end.tv_nsec - start.tv_nsec));
	}
	return 0;
}

static inline void floor_drop_privileges(unsigned id)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};
	const unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
				   SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
				   SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
	FLOOR_CHECK(prctl(PR_SET_SECUREBITS, bits, 0, 0, 0));
	for (unsigned long capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
		;
	FLOOR_CHECK(syscall(SYS_setgroups, 0, NULL));
	FLOOR_CHECK(syscall(SYS_setresgid, id, id, id));
	FLOOR_CHECK(syscall(SYS_setresuid, id, id, id));
	FLOOR_CHECK(syscall(SYS_capset, &header, data));
}

/* What the library does last in jail and container alike. `program` is a path within the root. */
static inline void floor_exec(const char *program, unsigned id)
{
	char *argv[] = {(char *)program, NULL};
	char *env[] = {(char *)"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", (char *)"HOME=/",
		       (char *)"LANG=C.UTF-8", NULL};
	for (int i = 0; i < 3; i++)
		dup3(i + 10, i, 0);
	syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
	setsid();
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	uint64_t no_core[2] = {0, 0};
	syscall(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, no_core, NULL);
	floor_drop_privileges(id);
	FLOOR_CHECK(chdir("/"));
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	floor_load_filter();
	execve(program, argv, env);
	floor_die(program);
}

#endif
