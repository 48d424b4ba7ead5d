/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/fs.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "guest/device/virtio/fuse.h"
#include "guest/device/virtio/worker.h"

/* One queue for what is urgent, such as what the guest forgets, and one for the rest. */
enum { QUEUE_SIZE = 128, QUEUES = 2 };

struct fs {
	struct worker worker; /* first, see release() */
	struct fuse_server server;
};

static int64_t serve(struct worker *worker, unsigned queue, const struct chain *chain)
{
	return fuse_serve(&((struct fs *)worker)->server, chain);
}

static int save(struct virtio *virtio, struct state_writer *out)
{
	return fuse_server_save(&((struct fs *)virtio)->server, out);
}

static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	if (memcmp(config, virtio->config, virtio->config_size) != 0)
		return state_damaged("shared directory");
	return fuse_server_load(&((struct fs *)virtio)->server, in);
}

static void reset(struct virtio *virtio)
{
	struct fs *fs = (struct fs *)virtio;
	worker_reset(virtio);
	fuse_server_reset(&fs->server);
}

static void release(struct virtio *virtio)
{
	struct fs *fs = (struct fs *)virtio;
	worker_release(&fs->worker);
	fuse_server_release(&fs->server);
	free(fs);
}

int virtio_fs_new(const struct ram *ram, struct interrupt interrupt, int directory, const char *tag,
		  const struct fuse_rights *rights, struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_FS,
					      .notify = worker_notify,
					      .reset = reset,
					      .start = worker_start,
					      .pause = worker_pause,
					      .stop = worker_stop,
					      .save = save,
					      .load = load,
					      .release = release};
	struct virtio_fs_config config = {.num_request_queues = QUEUES - 1};
	struct fs *fs = calloc(1, sizeof(*fs));
	if (!fs) {
		close_fd(directory);
		return -ENOMEM;
	}
	int r = fuse_server_init(&fs->server, directory, rights);
	if (r == 0) {
		r = virtio_init(&fs->worker.virtio, &ops, ram, interrupt, NULL, 0, QUEUES, QUEUE_SIZE);
		if (r < 0)
			fuse_server_release(&fs->server);
	}
	if (r < 0) {
		free(fs);
		return r;
	}
	memcpy(config.tag, tag, strnlen(tag, FS_TAG_MAX));
	memcpy(fs->worker.virtio.config, &config, sizeof(config));
	fs->worker.virtio.config_size = sizeof(config);
	r = worker_init(&fs->worker, 0, serve);
	if (r < 0) {
		virtio_release(&fs->worker.virtio);
		return r;
	}
	*out = &fs->worker.virtio;
	return 0;
}
