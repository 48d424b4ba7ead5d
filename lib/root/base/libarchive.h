/* SPDX-License-Identifier: MIT */
/*
 * libarchive, which is loaded when the first archive is read: linking it would load its own dozen libraries into every
 * host program. It stays loaded.
 */
#ifndef ROOT_LIBARCHIVE_H
#define ROOT_LIBARCHIVE_H

#include <archive.h>
#include <archive_entry.h>

#define LIBARCHIVE_FUNCTIONS(F)                                                                                        \
	F(archive_read_new)                                                                                            \
	F(archive_read_free)                                                                                           \
	F(archive_read_support_filter_gzip)                                                                            \
	F(archive_read_support_filter_bzip2)                                                                           \
	F(archive_read_support_filter_xz)                                                                              \
	F(archive_read_support_filter_zstd)                                                                            \
	F(archive_read_support_filter_lz4)                                                                             \
	F(archive_read_support_format_tar)                                                                             \
	F(archive_read_open)                                                                                           \
	F(archive_read_next_header)                                                                                    \
	F(archive_read_data_block)                                                                                     \
	F(archive_errno)                                                                                               \
	F(archive_error_string)                                                                                        \
	F(archive_entry_pathname)                                                                                      \
	F(archive_entry_hardlink)                                                                                      \
	F(archive_entry_symlink)                                                                                       \
	F(archive_entry_filetype)                                                                                      \
	F(archive_entry_perm)                                                                                          \
	F(archive_entry_uid)                                                                                           \
	F(archive_entry_gid)                                                                                           \
	F(archive_entry_mtime)                                                                                         \
	F(archive_entry_mtime_nsec)                                                                                    \
	F(archive_entry_size)                                                                                          \
	F(archive_entry_rdev)

/* Its functions, with the types that its header gives them. */
struct libarchive {
#define LIBARCHIVE_MEMBER(function) __typeof__(function) *function;
	LIBARCHIVE_FUNCTIONS(LIBARCHIVE_MEMBER)
#undef LIBARCHIVE_MEMBER
};

/* The compressions, which may be combined. */
enum {
	LIBARCHIVE_GZIP = 1,
	LIBARCHIVE_BZIP2 = 2,
	LIBARCHIVE_XZ = 4,
	LIBARCHIVE_ZSTD = 8,
	LIBARCHIVE_LZ4 = 16,
	LIBARCHIVE_ALL = 31,
};

/* Loads it where it is not loaded yet. Any thread. 0 or -EOPNOTSUPP, with the error set. */
int libarchive_load(struct libarchive *out);

/* A reader of tar archives, maybe compressed in one of these ways, to be freed; NULL with the error set. */
struct archive *libarchive_new(const struct libarchive *library, unsigned compressions);

#endif
