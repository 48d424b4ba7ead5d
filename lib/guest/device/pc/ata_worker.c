/* SPDX-License-Identifier: MIT */
/*
 * What may take a while is done by a thread of the channel's: transfers by DMA, and flushes. Until it is done the drive
 * says that it is busy, as one of metal does, and the guest's processors go on. Sectors that a processor moves itself
 * (PIO) it waits for, as it has nothing else to do then.
 */
#include <sys/prctl.h>

#include "guest/device/pc/ata_inside.h"
#include "guest/thread.h"

void ata_do(struct ata_channel *channel, void (*job)(struct ata_channel *channel))
{
	struct ata_worker *worker = &channel->worker;
	if (!worker->has_thread)
		return job(channel);
	worker->shown = channel->master;
	worker->is_busy = true;
	worker->job = job;
	pthread_cond_broadcast(&worker->changed);
}

void ata_await(struct ata_channel *channel)
{
	while (channel->worker.is_busy)
		pthread_cond_wait(&channel->worker.changed, &channel->lock);
}

/* All but the lock and the worker is the job's alone meanwhile; an interrupt comes when it is over. */
static void *run(void *data)
{
	struct ata_channel *channel = data;
	struct ata_worker *worker = &channel->worker;
	prctl(PR_SET_NAME, "viso-pc-disk");
	pthread_mutex_lock(&channel->lock);
	while (worker->is_busy || !worker->should_end) {
		if (!worker->is_busy) {
			pthread_cond_wait(&worker->changed, &channel->lock);
			continue;
		}
		pthread_mutex_unlock(&channel->lock);
		worker->job(channel);
		pthread_mutex_lock(&channel->lock);
		worker->is_busy = false;
		ata_show_interrupt(channel);
		pthread_cond_broadcast(&worker->changed);
	}
	pthread_mutex_unlock(&channel->lock);
	return NULL;
}

int ata_start(struct ata_channel *channel)
{
	struct ata_worker *worker = &channel->worker;
	if (!channel->drives[0].disk && !channel->drives[1].disk)
		return 0;
	worker->should_end = false;
	int r = thread_start(&worker->thread, run, channel);
	pthread_mutex_lock(&channel->lock);
	worker->has_thread = r == 0;
	pthread_mutex_unlock(&channel->lock);
	return r;
}

void ata_settle(struct ata_channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	ata_await(channel);
	pthread_mutex_unlock(&channel->lock);
}

void ata_stop(struct ata_channel *channel)
{
	struct ata_worker *worker = &channel->worker;
	pthread_mutex_lock(&channel->lock);
	bool has_thread = worker->has_thread;
	worker->should_end = true;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&channel->lock);
	if (has_thread)
		pthread_join(worker->thread, NULL);
	worker->has_thread = false;
}
