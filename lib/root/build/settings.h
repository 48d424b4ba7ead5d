/* SPDX-License-Identifier: MIT */
/* How a root is built, as the caller chose. */
#ifndef ROOT_SETTINGS_H
#define ROOT_SETTINGS_H

#include <virtiso/root.h>

struct settings {
	viso_copy_method method;
	unsigned keep; /* viso_keep */
	char *store;   /* viso_root_set_store(), or NULL */
	viso_progress_fn progress;
	void *progress_userdata;
	viso_destroy_fn progress_destroy;
};

void settings_clear(struct settings *settings);

#endif
