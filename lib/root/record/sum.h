/* SPDX-License-Identifier: MIT */
/* SHA-256 of files, and the identity of a file by which hashing it again is saved. */
#ifndef ROOT_SUM_H
#define ROOT_SUM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { SUM_TEXT = 65, IDENTITY_SIZE = 16 };

/*
 * Whether a file has so many holes that SHA-256 of all its zeros would take for ever: a terabyte takes a quarter of an
 * hour. Such a file has a sum of its own, see sum_sparse().
 */
bool sum_is_sparse(const struct stat *st);

/* SHA-256 of an open file from its beginning to its end. 0 or a negative errno, without setting the error. */
int sum_file(int fd, const atomic_bool *cancelled, char out[SUM_TEXT]);

/*
 * SHA-256 of the size and of each block of 4 KiB that is not all zeros, with its offset: the same wherever the holes
 * are, and as fast as there is data.
 */
int sum_sparse(int fd, const struct stat *st, const atomic_bool *cancelled, char out[SUM_TEXT]);

/* The one of these that the file gets. */
int sum_any(int fd, const struct stat *st, const atomic_bool *cancelled, char out[SUM_TEXT]);

void sum_data(const void *data, size_t size, char out[SUM_TEXT]);
void sum_print(const unsigned char digest[32], char out[SUM_TEXT]);

/*
 * What of a status changes when a file is written to: device, inode, size, times. Without `has_change` the time of
 * change is left out, for a file to which others make links.
 */
void identity_compute(const struct stat *st, bool has_change, unsigned char out[IDENTITY_SIZE]);
uint64_t identity_short(const struct stat *st, bool has_change);

/* Whether a write after this status must change it: not so within a tick of the kernel's clock. */
bool identity_is_settled(const struct stat *st);

#endif
