/* SPDX-License-Identifier: MIT */
/* Becoming an ordinary user in a fork of the test, and what that user finds in /etc. */
#ifndef TEST_ORDINARY_H
#define TEST_ORDINARY_H

enum { ORDINARY_ID = 54321 };

/* As root: takes uid and gid `id`, without groups. Else nothing. */
void become_ordinary(unsigned id);

/* A mount namespace of this process's own, whose mounts nobody else sees; takes root. */
void own_mounts(void);

/* There: the text as the contents of a file that exists. */
void cover_file(const char *path, const char *text);
/* There: an empty tmpfs. */
void cover_directory(const char *path);

/* There: ORDINARY_ID is the user "viso-test", which has these lines in /etc/subuid and /etc/subgid. */
void cover_subids(const char *uids, const char *gids);

#endif
