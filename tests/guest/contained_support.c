/* SPDX-License-Identifier: MIT */
#include "contained_support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

viso_guest *contained(struct fixture *fixture)
{
	viso_guest *guest = new_guest(fixture, 0);
	assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	return guest;
}

bool is_server(pid_t pid)
{
	char path[64], name[32] = "";
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	if (fd >= 0)
		close(fd);
	return n > 0 && !strncmp(name, "viso-guest", 10);
}

bool has_input(pid_t pid, const char *input)
{
	char path[64], link[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/%d/fd/0", pid);
	ssize_t n = is_server(pid) ? readlink(path, link, sizeof(link) - 1) : -1;
	return n > 0 && (size_t)n == strlen(input) && !memcmp(link, input, (size_t)n);
}

pid_t find_server(const char *input)
{
	pid_t found = 0;
	DIR *proc = opendir("/proc");
	assert_non_null(proc);
	for (struct dirent *entry; !found && (entry = readdir(proc));) {
		pid_t pid = atoi(entry->d_name);
		if (pid > 0 && has_input(pid, input))
			found = pid;
	}
	closedir(proc);
	return found;
}

void set_input(viso_command *command, const char *input)
{
	int fd = open(input, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(viso_command_set_stdio_fd(command, VISO_STDIN, fd));
	close(fd);
}

char *make_file(const char *directory, const char *name, const char *text)
{
	char *path;
	assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	return path;
}

long remote_call4(pid_t pid, const struct user_regs_struct *at, uint64_t text, long number, long a, long b, long c,
		  long d)
{
	struct user_regs_struct regs = *at;
	int status;
	regs.rip = text;
	regs.rax = (unsigned long)number;
	regs.orig_rax = (unsigned long)-1;
	regs.rdi = (unsigned long)a;
	regs.rsi = (unsigned long)b;
	regs.rdx = (unsigned long)c;
	regs.r10 = (unsigned long)d;
	assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, __WALL), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
	return (long)regs.rax;
}

long remote_call(pid_t pid, const struct user_regs_struct *at, uint64_t text, long number, long a, long b, long c)
{
	return remote_call4(pid, at, text, number, a, b, c, 0);
}

/* Whether it was stopped in a system call, this one or -1 for any, whose instruction lies right before its RIP; else it
 * goes on. */
static bool stop_in_a_call(struct victim *victim, long number)
{
	enum { SYSCALL = 0x050f };
	int status;
	assert_int_equal(ptrace(PTRACE_INTERRUPT, victim->pid, NULL, NULL), 0);
	assert_int_equal(waitpid(victim->pid, &status, __WALL), victim->pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(ptrace(PTRACE_GETREGS, victim->pid, NULL, &victim->regs), 0);
	victim->text = victim->regs.rip - 2;
	if ((ptrace(PTRACE_PEEKTEXT, victim->pid, (void *)victim->text, NULL) & 0xffff) == SYSCALL &&
	    (number < 0 || victim->regs.orig_rax == (unsigned long)number))
		return true;
	assert_int_equal(ptrace(PTRACE_CONT, victim->pid, NULL, NULL), 0);
	return false;
}

struct victim seize_in(pid_t pid, long number)
{
	struct victim victim = {.pid = pid};
	assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
	await_that(stop_in_a_call(&victim, number));
	victim.stack = (victim.regs.rsp - 4096) & ~0xfull;
	return victim;
}

/* It may be anywhere, however little it has to do: on a busy machine also on its way into the call that waits. */
struct victim seize(pid_t pid)
{
	return seize_in(pid, -1);
}

void release_victim(const struct victim *victim)
{
	struct user_regs_struct regs = victim->regs;
	regs.rip = victim->text;
	regs.rax = regs.orig_rax;
	regs.orig_rax = (unsigned long)-1;
	assert_int_equal(ptrace(PTRACE_SETREGS, victim->pid, NULL, &regs), 0);
	assert_int_equal(ptrace(PTRACE_DETACH, victim->pid, NULL, NULL), 0);
}

void put_string(const struct victim *victim, const char *text)
{
	for (size_t at = 0, size = strlen(text) + 1; at < size; at += sizeof(long)) {
		long word = 0;
		memcpy(&word, text + at, size - at < sizeof(word) ? size - at : sizeof(word));
		assert_int_equal(ptrace(PTRACE_POKEDATA, victim->pid, (void *)(victim->stack + at), (void *)word), 0);
	}
}

void put_bytes(const struct victim *victim, const void *data, size_t size)
{
	for (size_t at = 0; at < size; at += sizeof(long)) {
		long word = 0;
		memcpy(&word, (const char *)data + at, size - at < sizeof(word) ? size - at : sizeof(word));
		assert_int_equal(ptrace(PTRACE_POKEDATA, victim->pid, (void *)(victim->stack + at), (void *)word), 0);
	}
}

long say(const struct victim *victim, int fd, const void *data, size_t size)
{
	put_bytes(victim, data, size);
	return remote_call(victim->pid, &victim->regs, victim->text, SYS_write, fd, (long)victim->stack, (long)size);
}
