/* SPDX-License-Identifier: MIT */
/*
 * bench-rig-start: from nothing to the first instruction in user space, and what the monitor has of memory then, beside
 * the guest's own; by the library and by QEMU in turn, with the same kernel, initramfs and command line. In the rig.
 *
 *     bench-rig-start pvh|bzimage
 *
 * VISO_TEST_KERNELS names a directory with boot/vmlinux and boot/vmlinuz-VERSION.
 */
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <virtiso.h>

#include "bench.h"
#include "rig_figures.h"

/* Time is counted in instructions: there is little to vary, but each start takes long. */
enum { MEMORY_MIB = 128, ROUNDS = 1, BOTH_MAX = 2, PATIENCE_MS = 600000 };

static const char command_line[] = "console=ttyS0 quiet panic=-1 mitigations=off noxsave cryptomgr.notests";
static char initramfs[] = "/tmp/bench-initramfs";

static void fail(const char *what)
{
	printf("%s: %s\n", what, viso_error_message());
	exit(rig_finish("start", 1));
}

static void check(int r, const char *what)
{
	if (r < 0)
		fail(what);
}

/* Beside this program. */
static void own_path(const char *name, char out[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
	out[n > 0 ? n : 0] = 0;
	char *slash = strrchr(out, '/');
	if (slash)
		snprintf(slash + 1, (size_t)(out + PATH_MAX - slash - 1), "%s", name);
}

/* Documentation/driver-api/early-userspace/buffer-format.rst: "newc". */
static void add_entry(FILE *file, const char *name, unsigned mode, const void *data, size_t size)
{
	static const char zeros[4];
	fprintf(file, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X", 1, mode, 0, 0, 1, 0, size, 0, 0,
		0, 0, strlen(name) + 1, 0);
	fwrite(name, 1, strlen(name) + 1, file);
	fwrite(zeros, 1, (size_t)(-ftell(file) & 3), file);
	fwrite(data, 1, size, file);
	fwrite(zeros, 1, (size_t)(-ftell(file) & 3), file);
}

static void write_initramfs(void)
{
	static char init[4 << 20];
	char path[PATH_MAX];
	own_path("rig_init", path);
	FILE *from = fopen(path, "re"), *to = fopen(initramfs, "we");
	if (!from || !to)
		fail("the initramfs");
	size_t size = fread(init, 1, sizeof(init), from);
	add_entry(to, "init", 0100755, init, size);
	add_entry(to, "TRAILER!!!", 0, "", 0);
	fclose(from);
	fclose(to);
}

/* Reads until the first program has spoken. False where it never does. */
static bool await_mark(int fd)
{
	char data[512];
	struct pollfd poll_for = {.fd = fd, .events = POLLIN};
	while (poll(&poll_for, 1, PATIENCE_MS) > 0) {
		ssize_t n = read(fd, data, sizeof(data));
		if (n <= 0)
			break;
		if (memchr(data, '!', (size_t)n))
			return true;
		fwrite(data, 1, (size_t)n, stdout);
	}
	return false;
}

/* Proportional, of all of a process but the memory of guests; in bytes. */
static int64_t beside_guests(pid_t pid)
{
	char path[64], line[256];
	long long kib, sum = 0;
	bool is_guest = false;
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Size: %lld kB", &kib) == 1)
			is_guest = kib >= (MEMORY_MIB - 1) * 1024;
		else if (!is_guest && sscanf(line, "Pss: %lld kB", &kib) == 1)
			sum += kib;
	}
	if (file)
		fclose(file);
	return sum * 1024;
}

struct own {
	viso_guest *guest;
	viso_process *process;
	int output;
};

static void start_own(const char *kernel, struct own *out)
{
	viso_command *streams = viso_command_new("computer");
	out->guest = viso_guest_new();
	check(viso_guest_set_memory_max(out->guest, (uint64_t)MEMORY_MIB << 20), "memory");
	check(viso_guest_set_kernel(out->guest, kernel), "kernel");
	check(viso_guest_set_initramfs(out->guest, initramfs), "initramfs");
	check(viso_guest_set_command_line(out->guest, command_line), "command line");
	check(viso_command_set_stdio(streams, VISO_STDIN, VISO_STDIO_NULL), "stdin");
	check(viso_command_set_stdio(streams, VISO_STDOUT, VISO_STDIO_PIPE), "stdout");
	check(viso_guest_boot(out->guest, streams, &out->process), "boot");
	out->output = viso_process_take_stream(out->process, VISO_STDOUT);
	viso_command_unref(streams);
}

static void end_own(struct own *own)
{
	viso_process_kill(own->process);
	check(viso_process_wait(own->process, -1, NULL), "wait");
	viso_process_unref(own->process);
	viso_guest_unref(own->guest);
	close(own->output);
}

static void measure_own(const char *row, const char *kernel)
{
	struct own own;
	int64_t begin = bench_now();
	start_own(kernel, &own);
	if (!await_mark(own.output))
		fail("no first program");
	rig_figure(row, "library", (double)(bench_now() - begin) / 1e6);
	end_own(&own);
}

/* What the second computer of a process adds to it. */
static void measure_own_memory(const char *kernel)
{
	struct own own[BOTH_MAX];
	int64_t before = 0, after = 0;
	for (int i = 0; i < BOTH_MAX; i++) {
		before = after;
		start_own(kernel, &own[i]);
		if (!await_mark(own[i].output))
			fail("no first program");
		after = beside_guests(getpid());
	}
	rig_figure("rig/memory", "library", (double)(after - before) / (1 << 20));
	for (int i = 0; i < BOTH_MAX; i++)
		end_own(&own[i]);
}

static pid_t start_peer(const char *kernel, int *out_output)
{
	extern char **environ;
	char memory[16];
	int pipe_ends[2];
	pid_t pid;
	snprintf(memory, sizeof(memory), "%dM", MEMORY_MIB);
	char *const arguments[] = {"qemu-system-x86_64",
				   "-M",
				   "microvm",
				   "-accel",
				   "kvm",
				   "-cpu",
				   "host",
				   "-m",
				   memory,
				   "-nodefaults",
				   "-no-user-config",
				   "-no-reboot",
				   "-display",
				   "none",
				   "-serial",
				   "stdio",
				   "-kernel",
				   (char *)kernel,
				   "-initrd",
				   initramfs,
				   "-append",
				   (char *)command_line,
				   NULL};
	posix_spawn_file_actions_t actions;
	if (pipe2(pipe_ends, O_CLOEXEC) < 0)
		fail("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
	if (posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ) != 0)
		fail("qemu-system-x86_64");
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_ends[1]);
	*out_output = pipe_ends[0];
	return pid;
}

static void measure_peer(const char *row, const char *kernel, bool with_memory)
{
	int output;
	int64_t begin = bench_now();
	pid_t pid = start_peer(kernel, &output);
	if (!await_mark(output))
		fail("no first program of the peer");
	rig_figure(row, "peer", (double)(bench_now() - begin) / 1e6);
	if (with_memory)
		rig_figure("rig/memory", "peer", (double)beside_guests(pid) / (1 << 20));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(output);
}

static char *kernel_path(const char *pattern)
{
	char *path;
	glob_t found;
	const char *directory = getenv("VISO_TEST_KERNELS");
	if (asprintf(&path, "%s/boot/%s", directory ? directory : "", pattern) < 0 || glob(path, 0, NULL, &found) != 0)
		fail("no kernel: see tests/rig/rig --kernels");
	free(path);
	path = strdup(found.gl_pathv[0]);
	globfree(&found);
	return path;
}

/* The first ones have everybody's files in memory. */
static void measure_pvh(const char *kernel)
{
	measure_peer("warm-up", kernel, false);
	measure_own("warm-up", kernel);
	for (int round = 0; round < ROUNDS; round++) {
		measure_own("rig/start-pvh", kernel);
		measure_peer("rig/start-pvh", kernel, true);
	}
	measure_own_memory(kernel);
}

/* It unpacks itself, which takes so many instructions that what comes from a file for the first time is no matter. */
static void measure_bzimage(const char *kernel)
{
	measure_peer("rig/start-bzimage", kernel, false);
	measure_own("rig/start-bzimage", kernel);
}

int main(int argc, char *argv[])
{
	const char *which = argc == 2 ? argv[1] : "";
	bool is_bzimage = strcmp(which, "bzimage") == 0;
	if (!is_bzimage && strcmp(which, "pvh") != 0)
		return 2;
	write_initramfs();
	char *kernel = kernel_path(is_bzimage ? "vmlinuz-*" : "vmlinux");
	(is_bzimage ? measure_bzimage : measure_pvh)(kernel);
	free(kernel);
	return rig_finish("start", 0);
}
