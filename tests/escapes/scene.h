/* SPDX-License-Identifier: MIT */
/*
 * An attack with its surroundings: a root with the attack in it, a secret outside, and whatever accomplice it needs. It
 * runs twice: in a bare chroot made by hand, where it must get out, or the test would show nothing; and in a jail.
 */
#ifndef ESCAPES_SCENE_H
#define ESCAPES_SCENE_H

#include <stdbool.h>
#include <sys/types.h>

enum { SCENE_USER = 12345, SCENE_ARGUMENTS = 4 };

struct scene {
	const char *attack;
	char *tree;
	char *outside;                    /* a directory */
	char *secret;                     /* a file in it that everybody may read */
	char *arguments[SCENE_ARGUMENTS]; /* after the path of the secret; owned */
	bool as_user;                     /* by SCENE_USER, in the jail too */
	bool host_proc;                   /* the host's /proc is mounted in the root */
	int terminal;                     /* standard input and controlling terminal; -1 for none */
	pid_t accomplice;
};

void scene_begin(struct scene *scene, void **state, const char *attack);
void scene_add_argument(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Out of the bare chroot, and not out of the jail. Ends the scene. */
void scene_must_hold(struct scene *scene);
/* A process of SCENE_USER that waits outside. */
pid_t scene_outsider(struct scene *scene);

#endif
