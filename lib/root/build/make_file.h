/* SPDX-License-Identifier: MIT */
/* Making files and links of a tree: by copying, linking, or sharing with a store. */
#ifndef ROOT_MAKE_FILE_H
#define ROOT_MAKE_FILE_H

#include "root/build/maker.h"

/* 0, or a negative errno with the error set. */
int make_file(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record);

/* Each of these: 0, or a negative errno. */
int make_data(struct maker *maker, const struct manifest_entry *entry, struct record_entry *record);
int make_link(struct maker *maker, const struct manifest_entry *entry);

#endif
