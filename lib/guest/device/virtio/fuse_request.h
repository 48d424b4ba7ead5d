/* SPDX-License-Identifier: MIT */
/* What the parts of the server of FUSE share: requests, their answers, and how a file is found. */
#ifndef GUEST_DEVICE_VIRTIO_FUSE_REQUEST_H
#define GUEST_DEVICE_VIRTIO_FUSE_REQUEST_H

#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>

#include "guest/device/virtio/fuse.h"

enum {
	/* Of the fixed parts and names that are looked at: at most a name and what a link says. */
	FUSE_ARGUMENT_MAX = PATH_MAX + FS_NAME_MAX + 128,
	FUSE_FD_NAME = 32,
};

struct fuse_request {
	struct fuse_in_header header;
	const struct chain *chain;
	size_t argument_size;
	uint8_t argument[FUSE_ARGUMENT_MAX + 1]; /* with a NUL behind it */
};

/* The fixed part of a request: false where the guest sent less. */
#define FUSE_TAKE(request, out)                                                                                        \
	((request)->argument_size >= sizeof(*(out)) && memcpy(out, (request)->argument, sizeof(*(out))))

/* The answer behind its header; its size, or 0 where there is no room for it. */
uint32_t fuse_reply(const struct fuse_request *request, int error, const void *data, size_t size);
uint32_t fuse_refuse(const struct fuse_request *request, int error);

/*
 * The text at `offset` of the argument, which is behind it afterwards; and as a name in a directory. 0, -EINVAL,
 * -ENAMETOOLONG.
 */
int fuse_take_text(const struct fuse_request *request, size_t *offset, const char **out);
int fuse_take_name(const struct fuse_request *request, size_t *offset, const char **out);

/*
 * A fd of the node, without following a link: O_PATH, so that nothing happens to a device or pipe by it, or of a file
 * that was removed and is open. -ESTALE for one that the guest knows from a snapshot, and that is not there any more.
 */
int fuse_open_node(struct fuse_server *server, uint64_t number, struct stat *out);

/* What the file of a fd is. False where it cannot be known. */
bool fuse_identify(const struct fuse_server *server, int fd, struct fs_identity *out);
bool fuse_is_same(const struct fuse_server *server, int fd, const struct fs_identity *identity);

/* The path by which what a fd is of can be opened and changed: nothing else can have come in its place (proc(5)). */
void fuse_fd_name(int fd, char out[FUSE_FD_NAME]);

/* As the guest is to see it. */
struct fuse_attr fuse_attributes(const struct fuse_server *server, const struct stat *st);

/* Looks a name up, which the guest knows once more then. 0 or a negative errno. */
int fuse_enter(struct fuse_server *server, uint64_t parent, const char *name, struct fuse_entry_out *out);

/*
 * The answer to a look-up, which `out` begins with: what the guest has no room to hear of, it does not know, and would
 * never forget. `size` and what is returned are those of fuse_reply().
 */
uint32_t fuse_reply_entry(struct fuse_server *server, const struct fuse_request *request, const void *out, size_t size);

/* In fuse_files.c: */
/* The fd of an open file, or -EBADF, -ESTALE. */
int fuse_fd_of(const struct fuse_server *server, uint64_t handle);
/* A regular file, or a directory, by the fd of its node; set-user-ID bits go where it is opened for writing. */
int fuse_open_found(const struct fuse_server *server, int node, int flags, bool is_directory);
/* Opening, reading, closing: a request that is none of these is answered by fuse_serve_write(). */
uint32_t fuse_serve_file(struct fuse_server *server, const struct fuse_request *request);

/* In fuse_write.c, fuse_change.c, fuse_xattr.c: each gives what is not its own to the next one. */
uint32_t fuse_serve_write(struct fuse_server *server, const struct fuse_request *request);
uint32_t fuse_serve_change(struct fuse_server *server, const struct fuse_request *request);
uint32_t fuse_serve_xattr(struct fuse_server *server, const struct fuse_request *request);

/* The guest writes so many bytes more: 0, or -EDQUOT where it may not. */
int fuse_count_written(struct fuse_server *server, uint64_t bytes);

/* A handle for an open file, which is the server's from now on, also on failure. It, or -ENFILE. */
int64_t fuse_add_handle(struct fuse_server *server, int fd, uint64_t node);
void fuse_drop_handle(struct fuse_server *server, uint64_t handle);

/* The host program's umask is not the guest's. 0 or a negative errno. */
int fuse_set_mode(const struct fuse_server *server, int fd, mode_t mode);

#endif
