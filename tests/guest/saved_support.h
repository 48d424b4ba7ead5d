/* SPDX-License-Identifier: MIT */
/* What the tests of snapshots in files share: saving, loading here and in other processes, and forging. */
#ifndef SAVED_SUPPORT_H
#define SAVED_SUPPORT_H

#include "guest_support.h"

/* As lib/guest/snapshot/saved.h has it. */
enum { MAGIC = 0, VERSION = 8, PAGE_SIZE = 12, BUILD = 16, STATE_SIZE = 48, PAGES = 56, SUM = 64, HEAD = 96 };

/* A snapshot of the guest, which is given back. */
viso_snapshot *saved_freeze(viso_guest *guest);

/* A file in the fixture's directory. */
const char *saved_path(const struct fixture *fixture);

/* What loading a file into a new guest gives. */
int saved_load(struct fixture *fixture, const char *path, viso_snapshot **out_snapshot);

/* This program again, in a new process: its exit code. The arguments are for saved_be_other(). */
int saved_run_other(const char *const arguments[]);

/* Loads the file over a root directory there, and calls a function of a clone: its value, modulo 256. */
int saved_call_there(const char *path, const char *root, const char *symbol);

/* For main(), where there are arguments: "call" file root symbol, or "ask" file request answer, of python3. */
int saved_be_other(int argc, char **argv);

/* The file with another state and the right checksum for it, as somebody would make it who wants to do harm. */
void saved_write_forged(const char *path, uint8_t *file, size_t size);
void saved_change_some(uint8_t *state, uint64_t size);

#endif
