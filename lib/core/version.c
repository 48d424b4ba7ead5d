/* SPDX-License-Identifier: MIT */
#include <virtiso/version.h>

int viso_version(void)
{
	return VISO_VERSION_NUMBER(VISO_VERSION_MAJOR, VISO_VERSION_MINOR, VISO_VERSION_MICRO);
}
