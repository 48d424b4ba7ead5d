/* SPDX-License-Identifier: MIT */
/* Where a copy of what is in a sandbox is made: beside its destination, where nobody else can enter. */
#ifndef LAUNCH_COPY_WORKSHOP_H
#define LAUNCH_COPY_WORKSHOP_H

struct workshop {
	int parent;
	const char *name; /* of the destination in it */
	char directory[32];
	char *guarded; /* its path, while the launcher is to remove it */
	int fd;
};

extern const struct workshop workshop_none;

/* The copy is to be made in `fd` under the name "copy". 0 or a negative errno with the error set. */
int workshop_open(struct workshop *workshop, const char *destination);

/* Gives the copy the name of its destination. Likewise. */
int workshop_finish(struct workshop *workshop, const char *destination);

/* Removes what was not finished. */
void workshop_close(struct workshop *workshop);

#endif
