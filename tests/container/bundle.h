/* SPDX-License-Identifier: MIT */
/* Bundles for the tests of viso_container_load_bundle(). */
#ifndef TEST_BUNDLE_H
#define TEST_BUNDLE_H

#include "support.h"

#include <virtiso.h>

/* A directory with the root of the tests as "rootfs", which a config.json is still to be written to. */
char *bundle_new(void);

/* Writes config.json: what runc's and crun's "spec" write, with this script as the process, and more members of
 * "process", "linux" and the whole, each "" or beginning with a comma. */
void bundle_write(const char *directory, const char *script, const char *process, const char *namespaces,
		  const char *on_linux, const char *more);

/* Loads it and runs its process; standard output as text, to be freed. */
char *bundle_run(const char *directory, int *out_exit_code);

#endif
