/* SPDX-License-Identifier: MIT */
/*
 * What a worker of a pool keeps ready for the next container: the template of its mounts, control groups, and an empty
 * network namespace. Everything else is made anew for each; whatever takes time is done after the end of one was
 * reported, while nobody waits for it.
 */
#include <string.h>
#include <sys/stat.h>

#include "launcher.h"

static bool is_of_pool; /* this worker */

static bool wants_network(const struct plan *plan)
{
	return (plan->pool.flags & POOL_NETWORK) && !(plan->flags & PLAN_HOST_NETWORK);
}

static void move_cgroups(struct cgroup *to, struct cgroup *from)
{
	/* In this order: where we are killed in between, main finds them twice. */
	memcpy(to, from, CGROUPS * sizeof(*to));
	memset(from, 0, CGROUPS * sizeof(*from));
	cgroups_init(from);
}

bool pool_take_cgroups(const struct job *job)
{
	const struct plan *plan = job->plan;
	if (!is_of_pool || !(plan->pool.flags & POOL_PREPARED) || !plan->cgroups.count ||
	    !worker.page->spare[0].version)
		return false;
	move_cgroups(job->cgroups, worker.page->spare);
	return true;
}

int pool_prepare(struct job *job)
{
	is_of_pool = true;
	cgroups_init(worker.page->spare);
	if (template_make(job) < 0) {
		pool_release();
		return -1;
	}
	move_cgroups(worker.page->spare, job->cgroups);
	if (wants_network(job->plan))
		pristine_make();
	return 0;
}

static bool is_socket(const struct job *job, uint32_t index)
{
	struct stat st;
	return fstat(job->fds[index], &st) < 0 || S_ISSOCK(st.st_mode);
}

/* Whether the program could hand its own sockets, or the files of its /proc, to somebody outside (unix(7)). */
static bool can_hand_out(const struct job *job)
{
	const struct plan *plan = job->plan;
	for (int i = 0; i < 3; i++)
		if (plan->streams[i].kind == PLAN_STREAM_FD && is_socket(job, plan->streams[i].fd))
			return true;
	for (uint32_t i = 0; i < plan->added_count; i++)
		if (is_socket(job, plan->added[i].fd))
			return true;
	return false;
}

int pool_choose(struct job *job)
{
	if (!is_of_pool || !(job->plan->pool.flags & POOL_PREPARED))
		return 0;
	/* The root may be another directory meanwhile. */
	if (template_make(job) < 0)
		return -1;
	job->has_template = true;
	return 0;
}

int pool_enter(struct job *job)
{
	if (!job->has_template)
		return hollow_enter(job);
	if (template_enter() < 0)
		return -1;
	job->has_network = wants_network(job->plan) && pristine_enter();
	job->network_is_spoilt = job->has_network && can_hand_out(job);
	return 0;
}

void pool_leave(const struct job *job)
{
	if (job->has_network)
		pristine_leave();
	if (job->has_template || job->in_hollow)
		template_leave();
}

void pool_make_ready(const struct job *job)
{
	if (!job->has_template)
		return;
	if (job->has_network && (job->network_is_spoilt || !pristine_is()))
		pristine_drop();
	if (wants_network(job->plan))
		pristine_make();
	/* New ones: nothing takes the counters of the old ones back. Where it fails, the next start tells. */
	cgroups_remove(job->cgroups);
	if (cgroups_make(job->plan, worker.page->spare) < 0)
		cgroups_remove(worker.page->spare);
}

void pool_release(void)
{
	if (is_of_pool)
		cgroups_remove(worker.page->spare);
	is_of_pool = false;
	template_drop();
	pristine_drop();
}
