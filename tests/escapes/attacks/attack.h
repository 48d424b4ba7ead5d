/* SPDX-License-Identifier: MIT */
/* What all attacks share. They exit with 0 where they got out, with 1 where they were refused, with 3 where this kernel
 * has nothing of what they attack; argv[1] is the path of the secret. */
#ifndef ATTACK_H
#define ATTACK_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "the secret of the host"

enum { GOT_OUT = 0, REFUSED = 1, BROKEN = 2, UNABLE = 3 };

static inline int refused(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	return REFUSED;
}

/* What a call gave that is refused to most, and that not every kernel has: EPERM and EACCES are the refusal, and in a
 * jail so is ENOSYS, with which filters hide a call. */
static inline int outcome(long result, const char *what)
{
	if (result >= 0)
		return GOT_OUT;
	if (errno == ENOSYS || errno == EOPNOTSUPP) {
		printf("%s: %s\n", what, strerror(errno));
		return UNABLE;
	}
	return refused(what);
}

/* Whether what an fd gives is the secret; closes it. */
static inline int is_secret(int fd)
{
	char text[64] = "";
	if (fd < 0)
		return 0;
	(void)!read(fd, text, sizeof(text) - 1);
	close(fd);
	return !strcmp(text, SECRET);
}

/* The secret by its path, relative to a directory that may be the host's root or lie anywhere below it. */
static inline int reaches_secret(int directory, const char *path)
{
	char longer[8192] = "";
	for (int i = 0; i < 32; i++)
		strcat(longer, "../");
	strncat(longer, path + 1, sizeof(longer) - 200);
	return is_secret(openat(directory, longer, O_RDONLY)) || is_secret(openat(directory, path + 1, O_RDONLY));
}

#endif
