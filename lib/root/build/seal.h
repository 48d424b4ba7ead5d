/* SPDX-License-Identifier: MIT */
/* Completing a record by looking at what was made. */
#ifndef ROOT_SEAL_H
#define ROOT_SEAL_H

#include "root/record/record.h"

/* Drops what was not made, and notes owners and identities. 0, or a negative errno with the error set. */
int seal_record(viso_manifest *record, int root);

/* The identity of a file in the tree, as the record has it. */
uint64_t seal_identity(const struct record_entry *entry, const struct stat *st);

#endif
