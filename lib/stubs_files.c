/* SPDX-License-Identifier: MIT */
/* Stand-ins: each goes when the real one is there. */
#include <virtiso/guest_files.h>

#include <errno.h>

#include "core/error.h"

int viso_guest_set_connect_handler(viso_guest *guest, viso_connect_fn handler, void *userdata, viso_destroy_fn destroy)
{
	return error_fail(VISO_STAGE_GUEST, EOPNOTSUPP, __func__, NULL);
}
