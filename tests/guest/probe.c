/* SPDX-License-Identifier: MIT */
/* The program that the tests run in guests: it does one thing, chosen by its first argument. */
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int probe_exit(int argc, char **argv)
{
	return atoi(argv[2]);
}

static int probe_arguments(int argc, char **argv)
{
	printf("%d\n", argc);
	for (int i = 2; i < argc; i++)
		puts(argv[i]);
	return 0;
}

static int probe_count_arguments(int argc, char **argv)
{
	printf("%d\n", argc - 2);
	return 0;
}

static int probe_environment(int argc, char **argv)
{
	for (char **entry = environ; *entry; entry++)
		puts(*entry);
	return 0;
}

static int probe_identity(int argc, char **argv)
{
	char cwd[4096];
	gid_t groups[64];
	struct utsname name;
	int count = getgroups(64, groups);
	if (!getcwd(cwd, sizeof(cwd)) || uname(&name) < 0)
		return 1;
	printf("%u %u %u %u %d:", getuid(), geteuid(), getgid(), getegid(), count);
	for (int i = 0; i < count; i++)
		printf(" %u", groups[i]);
	printf("\n%s\n%s\n", cwd, name.nodename);
	return getpid() == (pid_t)syscall(SYS_gettid) ? 0 : 1;
}

static int probe_auxiliary(int argc, char **argv)
{
	const uint8_t *random = (const uint8_t *)getauxval(AT_RANDOM);
	printf("page %lu secure %lu execfn %s phdr %d random %d\n", getauxval(AT_PAGESZ), getauxval(AT_SECURE),
	       (const char *)getauxval(AT_EXECFN), getauxval(AT_PHDR) != 0,
	       random && (random[0] | random[5] | random[9]));
	return 0;
}

static int probe_unknown_call(int argc, char **argv)
{
	const long numbers[] = {SYS_mount, SYS_ptrace, SYS_bpf, SYS_init_module, 449, 1000, -1};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS)
			return 1;
	return 0;
}

static int probe_loop(int argc, char **argv)
{
	for (;;)
		__asm__ volatile("");
	return 0;
}

static int probe_call_loop(int argc, char **argv)
{
	for (;;)
		syscall(SYS_getppid);
	return 0;
}

static int probe_sleep(int argc, char **argv)
{
	const struct timespec time = {.tv_sec = atoi(argv[2]) / 1000, .tv_nsec = atoi(argv[2]) % 1000 * 1000000L};
	return nanosleep(&time, NULL) < 0;
}

static int probe_clocks(int argc, char **argv)
{
	struct timespec start, end;
	const struct timespec nap = {.tv_nsec = 20000000};
	if (clock_gettime(CLOCK_MONOTONIC, &start) < 0 || nanosleep(&nap, NULL) < 0 ||
	    clock_gettime(CLOCK_MONOTONIC, &end) < 0)
		return 1;
	int64_t ns = (end.tv_sec - start.tv_sec) * 1000000000LL + end.tv_nsec - start.tv_nsec;
	return ns >= 20000000 && time(NULL) > 1600000000 ? 0 : 2;
}

static int probe_abort(int argc, char **argv)
{
	abort();
}

static int probe_raise(int argc, char **argv)
{
	raise(atoi(argv[2]));
	return 7;
}

static int probe_ignore(int argc, char **argv)
{
	signal(atoi(argv[2]), SIG_IGN);
	raise(atoi(argv[2]));
	return 7;
}

static int probe_write(int argc, char **argv)
{
	size_t left = strtoul(argv[2], NULL, 10);
	char buffer[4096];
	memset(buffer, 'x', sizeof(buffer));
	while (left > 0) {
		ssize_t n = write(1, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
		if (n < 0)
			return errno == EPIPE ? 9 : 1;
		left -= (size_t)n;
	}
	fputs("done", stderr);
	return 0;
}

/* Copies standard input to standard output, by one large read at a time. */
static int probe_copy(int argc, char **argv)
{
	static char buffer[1 << 20];
	for (;;) {
		ssize_t n = read(0, buffer, sizeof(buffer));
		if (n <= 0)
			return n < 0;
		for (ssize_t done = 0; done < n;) {
			ssize_t w = write(1, buffer + done, (size_t)(n - done));
			if (w < 0)
				return 2;
			done += w;
		}
	}
}

static int probe_pipe(int argc, char **argv)
{
	int fds[2];
	char buffer[8] = {0};
	if (pipe(fds) < 0 || write(fds[1], "hello", 5) != 5 || read(fds[0], buffer, sizeof(buffer)) != 5 ||
	    strcmp(buffer, "hello") != 0)
		return 1;
	close(fds[1]);
	if (read(fds[0], buffer, sizeof(buffer)) != 0)
		return 2;
	if (dup2(fds[0], 77) != 77 || close(fds[0]) < 0 || read(77, buffer, 1) != 0 || fcntl(77, F_GETFD) != 0)
		return 3;
	return close(78) == -1 && errno == EBADF ? 0 : 4;
}

static int probe_many_files(int argc, char **argv)
{
	int count = 0, fd;
	while ((fd = open(argv[2], O_RDONLY)) >= 0)
		count++;
	printf("%d %s\n", count, strerror(errno));
	return errno == EMFILE || errno == ENFILE ? 0 : 1;
}

static int probe_limits(int argc, char **argv)
{
	struct rlimit limit;
	for (int i = 2; i < argc; i++) {
		if (getrlimit(atoi(argv[i]), &limit) < 0)
			return 1;
		printf("%llu\n", (unsigned long long)limit.rlim_cur);
	}
	return 0;
}

static const struct probe probes[] = {
	{"exit", probe_exit},
	{"arguments", probe_arguments},
	{"count-arguments", probe_count_arguments},
	{"environment", probe_environment},
	{"identity", probe_identity},
	{"auxiliary", probe_auxiliary},
	{"unknown-call", probe_unknown_call},
	{"loop", probe_loop},
	{"call-loop", probe_call_loop},
	{"sleep", probe_sleep},
	{"clocks", probe_clocks},
	{"abort", probe_abort},
	{"raise", probe_raise},
	{"ignore", probe_ignore},
	{"write", probe_write},
	{"copy", probe_copy},
	{"pipe", probe_pipe},
	{"many-files", probe_many_files},
	{"limits", probe_limits},
	{0},
};

int main(int argc, char **argv)
{
	const struct probe *const tables[] = {probes,
					      attack_probes,
					      bounds_probes,
					      mapped_probes,
					      stop_probes,
					      expected_probes,
					      memory_probes,
					      signal_probes,
					      signal_wait_probes,
					      signal_attack_probes,
					      signal_thread_probes,
					      thread_probes,
					      process_probes,
					      socket_probes};
	for (size_t i = 0; argc > 1 && i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct probe *probe = tables[i]; probe->name; probe++)
			if (!strcmp(argv[1], probe->name))
				return probe->run(argc, argv);
	fprintf(stderr, "probe: nothing to do\n");
	return 111;
}
