/* SPDX-License-Identifier: MIT */
#include "guest/device/virtio/balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cleanup.h"

enum {
	QUEUE_SIZE = 128,
	INFLATE = 0,
	DEFLATE = 1,
	FURTHER = 2,           /* those of features: statistics, then reports; what was not negotiated has no number */
	PAGES_AT_ONCE = 256,   /* as Linux sends them */
	PAGES_MAX = 16 * 1024, /* of a chain: what is beyond stays with the guest */
	STATISTICS_MAX = 32,   /* that a guest may send; those with unknown tags do not count */
};

struct balloon {
	struct virtio virtio;  /* first, see release() */
	bool holds_statistics; /* the driver's one buffer, to be given back when it is to tell anew */
	uint16_t statistics_head;
	bool is_known[BALLOON_STATISTICS];
	uint64_t statistics[BALLOON_STATISTICS];
};

static struct balloon *balloon_of(struct virtio *virtio)
{
	return (struct balloon *)virtio;
}

static void drop(void *host, uint64_t size)
{
	/* Whole pages of the host's; that it cannot be done, say for locked memory, changes nothing for the guest. */
	uintptr_t begin = ((uintptr_t)host + BALLOON_PAGE - 1) & ~(uintptr_t)(BALLOON_PAGE - 1);
	uintptr_t end = ((uintptr_t)host + size) & ~(uintptr_t)(BALLOON_PAGE - 1);
	if (begin < end)
		(void)madvise((void *)begin, end - begin, MADV_DONTNEED);
}

/* Pages by their numbers, neighbours together. */
static void drop_pages(const struct ram *ram, const uint32_t *pages, size_t count)
{
	for (size_t i = 0, run; i < count; i += run) {
		run = 1;
		while (i + run < count && pages[i + run] == pages[i] + run)
			run++;
		uint64_t address = (uint64_t)pages[i] << VIRTIO_BALLOON_PFN_SHIFT, size = run * (uint64_t)BALLOON_PAGE;
		void *host = ram_at(ram, address, size);
		if (host)
			drop(host, size);
	}
}

static bool inflate(struct virtio *virtio, unsigned index, struct chain *chain)
{
	uint32_t pages[PAGES_AT_ONCE];
	for (uint64_t done = 0; done < PAGES_MAX * sizeof(pages[0]); done += sizeof(pages)) {
		size_t size = chain_read(chain, done, pages, sizeof(pages));
		drop_pages(virtio->ram, pages, size / sizeof(pages[0]));
		if (size < sizeof(pages))
			break;
	}
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

/* The pages are the guest's again as soon as it touches them. */
static bool deflate(struct virtio *virtio, unsigned index, struct chain *chain)
{
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

/* The buffers are the free pages themselves (5.5.6.7). */
static bool take_report(struct virtio *virtio, unsigned index, struct chain *chain)
{
	for (unsigned i = 0; i < chain->writable; i++) {
		const struct iovec *part = &chain->segments[chain->readable + i];
		drop(part->iov_base, part->iov_len);
	}
	queue_push(&virtio->queues[index], chain->head, 0);
	return true;
}

static bool take_statistics(struct virtio *virtio, unsigned index, struct chain *chain)
{
	struct balloon *balloon = balloon_of(virtio);
	struct virtio_balloon_stat entries[STATISTICS_MAX];
	size_t count = chain_read(chain, 0, entries, sizeof(entries)) / sizeof(entries[0]);
	for (size_t i = 0; i < count; i++) {
		if (entries[i].tag >= BALLOON_STATISTICS)
			continue;
		balloon->is_known[entries[i].tag] = true;
		balloon->statistics[entries[i].tag] = entries[i].val;
	}
	/* A driver has one buffer; of one that sends more, the last one is held. */
	if (balloon->holds_statistics)
		queue_push(&virtio->queues[index], balloon->statistics_head, 0);
	balloon->holds_statistics = true;
	balloon->statistics_head = chain->head;
	return true;
}

static void notify(struct virtio *virtio, unsigned index)
{
	bool has_statistics = virtio_has(virtio, VIRTIO_BALLOON_F_STATS_VQ);
	if (index == INFLATE)
		virtio_serve(virtio, index, inflate);
	else if (index == DEFLATE)
		virtio_serve(virtio, index, deflate);
	else if (index == FURTHER && has_statistics)
		virtio_serve(virtio, index, take_statistics);
	else if (virtio_has(virtio, VIRTIO_BALLOON_F_REPORTING))
		virtio_serve(virtio, index, take_report);
}

static void write_config(struct virtio *virtio, unsigned offset, const void *data, unsigned size)
{
	const unsigned actual = offsetof(struct virtio_balloon_config, actual);
	if (offset >= actual && offset + size <= actual + sizeof(uint32_t))
		memcpy(virtio->config + offset, data, size);
}

static void reset(struct virtio *virtio)
{
	struct balloon *balloon = balloon_of(virtio);
	const uint32_t none = 0;
	balloon->holds_statistics = false;
	memset(balloon->is_known, 0, sizeof(balloon->is_known));
	memcpy(virtio->config + offsetof(struct virtio_balloon_config, actual), &none, sizeof(none));
}

struct balloon_state {
	uint64_t statistics[BALLOON_STATISTICS];
	uint8_t is_known[BALLOON_STATISTICS];
	uint8_t holds_statistics, unused;
	uint16_t statistics_head;
	uint8_t unused2[2];
};

static int save(struct virtio *virtio, struct state_writer *out)
{
	const struct balloon *balloon = balloon_of(virtio);
	struct balloon_state state = {.holds_statistics = balloon->holds_statistics,
				      .statistics_head = balloon->statistics_head};
	for (unsigned i = 0; i < BALLOON_STATISTICS; i++) {
		state.statistics[i] = balloon->statistics[i];
		state.is_known[i] = balloon->is_known[i];
	}
	state_put(out, &state, sizeof(state));
	return 0;
}

static int load(struct virtio *virtio, const uint8_t config[], struct state_reader *in)
{
	struct balloon *balloon = balloon_of(virtio);
	struct balloon_state state;
	if (!state_get(in, &state, sizeof(state)))
		return state_damaged("balloon");
	/* The head is the guest's own affair: any number is one that its driver could have given. */
	balloon->holds_statistics = state.holds_statistics;
	balloon->statistics_head = state.statistics_head;
	for (unsigned i = 0; i < BALLOON_STATISTICS; i++) {
		balloon->statistics[i] = state.statistics[i];
		balloon->is_known[i] = state.is_known[i];
	}
	return 0;
}

static void release(struct virtio *virtio)
{
	free(virtio);
}

int virtio_balloon_new(const struct ram *ram, struct interrupt interrupt, struct loop *loop, struct virtio **out)
{
	static const struct virtio_ops ops = {.id = VIRTIO_ID_BALLOON,
					      .notify = notify,
					      .reset = reset,
					      .write_config = write_config,
					      .save = save,
					      .load = load,
					      .release = release};
	_cleanup_free_ struct balloon *balloon = calloc(1, sizeof(*balloon));
	if (!balloon)
		return -ENOMEM;
	const uint64_t features = 1ULL << VIRTIO_BALLOON_F_STATS_VQ | 1ULL << VIRTIO_BALLOON_F_DEFLATE_ON_OOM |
				  1ULL << VIRTIO_BALLOON_F_REPORTING;
	int r = virtio_init(&balloon->virtio, &ops, ram, interrupt, loop, features, FURTHER + 2, QUEUE_SIZE);
	if (r < 0)
		return r;
	balloon->virtio.config_size = offsetof(struct virtio_balloon_config, actual) + sizeof(uint32_t);
	*out = &TAKE_PTR(balloon)->virtio;
	return 0;
}

void virtio_balloon_set(struct virtio *virtio, uint32_t pages)
{
	pthread_mutex_lock(&virtio->lock);
	memcpy(virtio->config + offsetof(struct virtio_balloon_config, num_pages), &pages, sizeof(pages));
	virtio_config_changed(virtio);
	pthread_mutex_unlock(&virtio->lock);
}

uint32_t virtio_balloon_actual(struct virtio *virtio)
{
	uint32_t pages;
	pthread_mutex_lock(&virtio->lock);
	memcpy(&pages, virtio->config + offsetof(struct virtio_balloon_config, actual), sizeof(pages));
	pthread_mutex_unlock(&virtio->lock);
	return pages;
}

bool virtio_balloon_statistic(struct virtio *virtio, unsigned tag, uint64_t *out_value)
{
	struct balloon *balloon = balloon_of(virtio);
	pthread_mutex_lock(&virtio->lock);
	bool is_known = tag < BALLOON_STATISTICS && balloon->is_known[tag];
	if (is_known)
		*out_value = balloon->statistics[tag];
	if (balloon->holds_statistics && virtio_is_active(virtio)) {
		balloon->holds_statistics = false;
		queue_push(&virtio->queues[FURTHER], balloon->statistics_head, 0);
		virtio_signal(virtio, &virtio->queues[FURTHER]);
	}
	pthread_mutex_unlock(&virtio->lock);
	return is_known;
}
