/* SPDX-License-Identifier: MIT */
/* What a guest knows of a shared directory, and has open there, as bytes. The files themselves stay on the host. */
#include <errno.h>
#include <fcntl.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "guest/device/virtio/fuse_request.h"

static const char part[] = "shared directory";

/* Those of fuse_serve_file() and FUSE_CREATE. */
static const uint32_t flags_kept = O_ACCMODE | O_APPEND | O_SYNC;

struct share_state {
	uint64_t written;
	uint8_t writes, keeps_setid;
	uint8_t unused[6];
};

struct handle_state {
	uint64_t handle, node;
	struct fs_identity identity;
	uint32_t flags;
	uint8_t is_directory, is_stale;
	uint8_t unused[2];
};

/* Of one of which nothing can be known there is nothing to be opened anew. */
static void put_handle(const struct fuse_server *server, uint64_t handle, struct state_writer *out)
{
	const struct fuse_handle *open = &server->open[handle];
	struct handle_state state = {.handle = handle, .node = open->node, .is_stale = true};
	struct stat st;
	int flags = open->is_stale ? -1 : fcntl(open->fd, F_GETFL);
	if (flags >= 0 && fstat(open->fd, &st) == 0 && fuse_identify(server, open->fd, &state.identity)) {
		state.flags = (uint32_t)flags & flags_kept;
		state.is_directory = S_ISDIR(st.st_mode);
		state.is_stale = false;
	}
	state_put(out, &state, sizeof(state));
}

int fuse_server_save(const struct fuse_server *server, struct state_writer *out)
{
	const struct share_state state = {
		.written = server->written,
		.writes = server->rights.writes,
		.keeps_setid = server->rights.keeps_setid,
	};
	uint64_t count = 0;
	state_put(out, &state, sizeof(state));
	int r = fs_nodes_save(&server->nodes, out);
	if (r < 0)
		return r;
	for (uint64_t i = 0; i < FUSE_OPEN_MAX; i++)
		count += fuse_fd_of(server, i) != -EBADF;
	state_put_number(out, count);
	for (uint64_t i = 0; i < FUSE_OPEN_MAX; i++)
		if (fuse_fd_of(server, i) != -EBADF)
			put_handle(server, i, out);
	return 0;
}

static bool is_handle(const struct fuse_server *server, const struct handle_state *state)
{
	const uint32_t access = state->flags & O_ACCMODE;
	if (state->handle >= FUSE_OPEN_MAX || fuse_fd_of(server, state->handle) != -EBADF ||
	    !fs_nodes_has(&server->nodes, state->node) || state->is_directory > 1 || state->is_stale > 1)
		return false;
	return !(state->flags & ~flags_kept) && access != O_ACCMODE && (access == O_RDONLY || server->rights.writes);
}

/* The file of the handle may have lost its name to another one, which the guest knows by the same node. */
static int reopen(struct fuse_server *server, const struct handle_state *state)
{
	struct stat st;
	if (state->is_stale)
		return -ESTALE;
	_cleanup_close_ int node = fuse_open_node(server, state->node, &st);
	if (node < 0)
		return node;
	return fuse_is_same(server, node, &state->identity)
		       ? fuse_open_found(server, node, (int)state->flags, state->is_directory)
		       : -ESTALE;
}

static int get_handle(struct fuse_server *server, struct state_reader *in)
{
	struct handle_state state;
	if (!state_get(in, &state, sizeof(state)) || !is_handle(server, &state))
		return state_damaged(part);
	int fd = reopen(server, &state);
	if (fd >= 0 && (fd = fd_above_streams(fd)) < 0)
		fd = -errno;
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return error_fail(VISO_STAGE_GUEST, -fd, part,
				  "what a guest has open of a shared directory cannot be opened for its clone: %s",
				  strerrordesc_np(-fd));
	server->open[state.handle] =
		(struct fuse_handle){.fd = fd < 0 ? -1 : fd, .is_stale = fd < 0, .node = state.node};
	return 0;
}

static int check_rights(const struct fuse_server *server, const struct share_state *state)
{
	if (state->writes > 1 || state->keeps_setid > 1)
		return state_damaged(part);
	if (state->writes == server->rights.writes && state->keeps_setid == server->rights.keeps_setid)
		return 0;
	return error_fail(VISO_STAGE_GUEST, EINVAL, part,
			  "the directory was shared with the guest of the snapshot for %s; share it in the same way",
			  !state->writes       ? "reading alone"
			  : state->keeps_setid ? "writing with VISO_SHARE_KEEP_SETID"
					       : "writing");
}

int fuse_server_load(struct fuse_server *server, struct state_reader *in)
{
	struct share_state state;
	uint64_t count;
	if (!state_get(in, &state, sizeof(state)))
		return state_damaged(part);
	int r = check_rights(server, &state);
	if (r == 0)
		r = fs_nodes_load(&server->nodes, in);
	if (r == 0 && !state_get_number(in, FUSE_OPEN_MAX, &count))
		r = state_damaged(part);
	for (uint64_t i = 0; r == 0 && i < count; i++)
		r = get_handle(server, in);
	server->written = state.written;
	return r;
}
