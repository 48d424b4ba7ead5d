/* SPDX-License-Identifier: MIT */
/* Making a manifest into files. */
#ifndef ROOT_BUILDER_H
#define ROOT_BUILDER_H

#include <stdatomic.h>

#include "root/build/place.h"
#include "root/build/settings.h"
#include "root/manifest.h"
#include "root/record/record.h"

/* What a build is made from. */
struct build {
	const struct manifest *manifest;
	const struct settings *settings;
	const atomic_bool *cancelled;
};

/*
 * Makes every entry in an empty place. A named one gets a record; the library's own does without, and without hashing.
 * 0, or a negative errno with the error set; what was made is left for the caller to remove.
 */
int build_manifest(const struct build *build, struct place *place);

/*
 * Brings a named place to what the plan says. How many entries were made, changed or removed, or a negative errno with
 * the error set; then another call finishes it.
 */
int build_update(const struct build *build, const struct place *place);

/* Whether nothing is in the place of the library's own directory. 0 or -EEXIST with the error set. */
int build_check_plan(const struct manifest *manifest);

/* Whether the choices go together. 0 or -EINVAL with the error set. */
int build_check_settings(const struct settings *settings);

/* What the plan says, with sizes and modes. NULL with the error set. */
viso_manifest *build_list(const struct build *build);

/*
 * Removes what the record says and the place itself where it is empty then. How many entries stay, or a negative errno
 * with the error set.
 */
int build_remove(int root, const char *path);

/*
 * Makes a directory with this very mode, whatever the umask is. A fd of it, or a negative errno without setting the
 * error and with nothing left.
 */
int build_directory(int parent, const char *name, unsigned mode);

#endif
