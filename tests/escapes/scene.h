/* SPDX-License-Identifier: MIT */
/*
 * An attack with its surroundings: a root with the attack in it, a secret outside, and whatever accomplice it needs.
 *
 * It runs in a bare chroot made by hand, as root and as an ordinary user where `works_for` names them: there it must
 * get out, or the test would show nothing. Then it runs in a jail or container, by the user that its programs have
 * unless told, by uid 0 and by the ordinary user, and must be refused each time.
 */
#ifndef ESCAPES_SCENE_H
#define ESCAPES_SCENE_H

#include <stdbool.h>
#include <sys/types.h>
#include <virtiso/sandbox.h>

enum { SCENE_USER = 65534, SCENE_ARGUMENTS = 6 };
enum { FOR_ROOT = 1, FOR_USER = 2, FOR_BOTH = 3 };

/* An argument that stands for the process of the attack's own user that waits outside, see scene_outsiders(). */
#define THE_OUTSIDER "@outsider"

struct box;

struct scene {
	viso_isolation strength; /* the test's */
	const char *attack;
	char *tree;
	char *outside;                    /* a directory */
	char *secret;                     /* a file in it that everybody may read */
	char *arguments[SCENE_ARGUMENTS]; /* after the path of the secret; owned */
	unsigned works_for;               /* in the bare chroot; both unless said */
	const char *facility;             /* that the kernel may lack: the attack says UNABLE */
	const char *leftover;  /* what would close it where a jail of uid 0 or of the ordinary user does not: a skipped
				  test */
	bool leftover_for_all; /* where one of a user of its own does not either */
	int needs_landlock;    /* the ABI without which only a uid of its own protects */
	bool killed;           /* refused by the death of the process */
	const char *leftover_in_containers;
	const char *before;  /* the last argument of a run before, by the same user in the same place */
	bool host_proc;      /* the host's /proc is mounted in the root */
	bool host_sys;       /* and its /sys */
	bool mounted;        /* a read-only file system is mounted at /work of the root */
	int terminal;        /* standard input and controlling terminal; -1 for none */
	int input;           /* standard input; -1 for none */
	void (*enter)(void); /* done by the program that starts the sandbox, or that enters the bare chroot */
	void (*configure)(const struct scene *scene, struct box *box); /* settings of the sandbox */
	bool (*succeeded)(const struct scene *scene, bool as_root); /* as seen outside, where the attack cannot know */
	pid_t outsiders[2];                                         /* of root and of the ordinary user */
	pid_t accomplice;
};

/* What an outsider has: the secret in its memory here and at this fd, its directory as working directory. */
enum { OUTSIDER_FD = 100 };
extern char outsider_memory[64];

void scene_begin(struct scene *scene, void **state, const char *attack);
void scene_add_argument(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A process of each user that waits outside. */
void scene_outsiders(struct scene *scene);
/* One accomplice outside: a fork that runs `function` as root. */
void scene_accomplice(struct scene *scene, void (*function)(const struct scene *, int), int argument);
/* Out of the bare chroot, and not out of the sandbox. Ends the scene. */
void scene_must_hold(struct scene *scene);
/* For a test that attacks by itself. */
void scene_end(struct scene *scene);

/* All of it for an attack that needs nothing but an argument, or not even that (NULL). */
void scene_plain(void **state, const char *attack, unsigned works_for, const char *facility, const char *argument);

int scene_landlock_abi(void);

#endif
