/* SPDX-License-Identifier: MIT */
/* A program that is setuid for whoever runs it outside: a copy of itself in /work, made so by the method argv[2]. */
#include <sys/stat.h>
#include <sys/syscall.h>

#include "attack.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

enum { MODE = 06755 };

/* The copy, with its fd open. */
static int copy(mode_t mode)
{
	static char block[1 << 16];
	ssize_t n;
	int from = open("/bin/make_setuid", O_RDONLY), to = open("/work/copy", O_WRONLY | O_CREAT | O_EXCL, mode);
	if (from < 0 || to < 0)
		return -1;
	while ((n = read(from, block, sizeof(block))) > 0)
		if (write(to, block, (size_t)n) != n)
			return -1;
	return to;
}

static int make(const char *method)
{
	int fd = copy(0755);
	if (fd < 0)
		return -1;
	if (!strcmp(method, "fchmod"))
		return fchmod(fd, MODE);
	close(fd);
	if (!strcmp(method, "chmod"))
		return chmod("/work/copy", MODE);
	if (!strcmp(method, "fchmodat2"))
		return (int)syscall(SYS_fchmodat2, AT_FDCWD, "/work/copy", MODE, 0);
	return fchmodat(AT_FDCWD, "/work/copy", MODE, 0);
}

/* Writing would take the bit away, so it is given to an empty file: what it is good for needs no more. */
static int create(const char *method)
{
	struct {
		unsigned long long flags, mode, resolve;
	} how = {.flags = O_WRONLY | O_CREAT | O_EXCL, .mode = MODE};
	umask(0);
	if (!strcmp(method, "open"))
		return open("/work/copy", O_WRONLY | O_CREAT | O_EXCL, MODE);
	if (!strcmp(method, "creat"))
		return (int)syscall(SYS_creat, "/work/copy", MODE);
	if (!strcmp(method, "openat2"))
		return (int)syscall(437, AT_FDCWD, "/work/copy", &how, sizeof(how));
	return mknod("/work/copy", S_IFREG | MODE, 0);
}

int main(int argc, char **argv)
{
	static const char *const creating[] = {"open", "creat", "openat2", "mknod"};
	struct stat st;
	int r = 0;
	/* Run outside, as somebody else. */
	if (argc == 1)
		return geteuid() == getuid() ? REFUSED : GOT_OUT;
	unlink("/work/copy");
	for (size_t i = 0; i < sizeof(creating) / sizeof(creating[0]); i++)
		if (!strcmp(argv[2], creating[i])) {
			r = create(argv[2]);
			return r >= 0 && stat("/work/copy", &st) == 0 && st.st_mode & S_ISUID ? GOT_OUT
											      : refused(argv[2]);
		}
	r = make(argv[2]);
	return r < 0 ? refused(argv[2]) : GOT_OUT;
}
