/* SPDX-License-Identifier: MIT */
/* The host's /proc was mounted in the root; a process of the same user outside, argv[2], is seen there: argv[3] says
 * what of it is used, argv[4] is an address in its memory, argv[5] a fd of its. */
#include "attack.h"

static int read_memory(const char *pid, const char *address)
{
	char path[64], text[sizeof(SECRET)] = "";
	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	int fd = open(path, O_RDONLY);
	if (fd < 0 || pread(fd, text, sizeof(text), (off_t)strtoul(address, NULL, 16)) < 0)
		return refused("mem");
	return strcmp(text, SECRET) ? BROKEN : GOT_OUT;
}

/* What the kernel kills first where memory runs short. */
static int make_a_victim(const char *pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", pid);
	int fd = open(path, O_WRONLY);
	return fd >= 0 && write(fd, "900", 3) == 3 ? GOT_OUT : refused("oom_score_adj");
}

int main(int argc, char **argv)
{
	char path[8192];
	const char *pid = argv[2], *what = argv[3];
	if (!strcmp(what, "mem"))
		return read_memory(pid, argv[4]);
	if (!strcmp(what, "oom_score_adj"))
		return make_a_victim(pid);
	if (!strcmp(what, "root"))
		snprintf(path, sizeof(path), "/proc/%s/root%s", pid, argv[1]);
	else if (!strcmp(what, "cwd"))
		snprintf(path, sizeof(path), "/proc/%s/cwd/secret", pid);
	else if (!strcmp(what, "task"))
		snprintf(path, sizeof(path), "/proc/%s/task/%s/root%s", pid, pid, argv[1]);
	else
		snprintf(path, sizeof(path), "/proc/%s/fd/%s", pid, argv[5]);
	return is_secret(open(path, O_RDONLY)) ? GOT_OUT : refused("open");
}
