/* SPDX-License-Identifier: MIT */
/* Libraries that the objects of a program name in their .note.dlopen, see the UAPI group's ELF dlopen metadata. */
#ifndef ROOT_DLOPEN_NOTES_H
#define ROOT_DLOPEN_NOTES_H

#include "root/closure/closure.h"

/* A provider_fn. */
int dlopen_notes_add(struct closure *closure, const char *host);

#endif
