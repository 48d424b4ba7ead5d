/* SPDX-License-Identifier: MIT */
/* One process of a saved snapshot, but for its files, memory and threads. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "guest/instance.h"
#include "guest/snapshot/saved.h"

/* What /proc shows of a program's start is no longer than what execve(2) takes. */
static const uint64_t image_max = 64ull << 20;

struct saved_program {
	int32_t pid, group, session;
	int32_t exit_signal, death_signal;
	int32_t stopped_by;
	uint32_t is_zombie, tells_stop, tells_going_on;
	int32_t reason, exit_code, signal;
	uint64_t serial;
	int64_t children_time;
	uint32_t uid, gid;
	uint32_t group_count;
	uint32_t groups[COMMAND_GROUPS_MAX];
	uint64_t limits[RLIM_NLIMITS][2];
	uint32_t umask;
	uint32_t has_executed;
	struct program_image image;
	uint64_t auxiliary[PROGRAM_AUXILIARY][2];
	char name[16];
	struct signal_action actions[PROGRAM_SIGNALS + 1];
	uint64_t budget;
};

static void describe(const struct program *program, struct saved_program *out)
{
	memset(out, 0, sizeof(*out));
	out->pid = program->pid;
	out->group = program->group;
	out->session = program->session;
	out->exit_signal = program->exit_signal;
	out->death_signal = program->death_signal;
	out->stopped_by = program->stopped_by;
	out->is_zombie = program->is_zombie;
	out->tells_stop = program->tells_stop;
	out->tells_going_on = program->tells_going_on;
	if (program->is_zombie) {
		out->reason = (int32_t)program->reason;
		out->exit_code = program->reason == VISO_REASON_EXITED ? program->exit_code : 0;
		out->signal = program->signal;
	}
	out->serial = program->serial;
	out->children_time = program->children_time;
	out->uid = program->uid;
	out->gid = program->gid;
	out->group_count = (uint32_t)program->group_count;
	memcpy(out->groups, program->groups, program->group_count * sizeof(program->groups[0]));
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		out->limits[i][0] = program->limits[i].rlim_cur;
		out->limits[i][1] = program->limits[i].rlim_max;
	}
	out->umask = program->umask;
	out->has_executed = program->has_executed;
	out->image = program->image;
	memcpy(out->auxiliary, program->auxiliary, sizeof(out->auxiliary));
	memcpy(out->name, program->name, sizeof(out->name));
	memcpy(out->actions, program->signals.actions, sizeof(out->actions));
	out->budget = program->signals.budget;
}

void saved_put_program(struct saved_writer *writer, const viso_snapshot *snapshot, const struct program *program)
{
	struct saved_program saved;
	describe(program, &saved);
	saved_put(writer, &saved, sizeof(saved));
	saved_put_signals(writer, &program->signals.pending);
	saved_put_timers(writer, snapshot, &program->signals.timers);
	saved_put_string(writer, program->cwd);
	saved_put_string(writer, program->executable);
}

static bool is_name(const char name[16])
{
	return memchr(name, '\0', 16) != NULL;
}

static bool is_range(uint64_t start, uint64_t end)
{
	return start <= end && end <= SPACE_END && end - start <= image_max;
}

static bool is_id(int id)
{
	return id >= TASK_FIRST_ID && id < TASK_ID_MAX;
}

static bool is_signal_or_none(int signal)
{
	return signal >= 0 && signal <= PROGRAM_SIGNALS;
}

static bool is_state_sound(const struct saved_program *saved)
{
	return is_id(saved->pid) && is_id(saved->group) && is_id(saved->session) &&
	       is_signal_or_none(saved->exit_signal) && is_signal_or_none(saved->death_signal) &&
	       is_signal_or_none(saved->stopped_by) && saved->is_zombie <= 1 && saved->tells_stop <= 1 &&
	       saved->tells_going_on <= 1 && saved->reason >= 0 && saved->reason <= VISO_REASON_SYSCALLS_MAX &&
	       saved->exit_code >= 0 && saved->exit_code <= UINT8_MAX && is_signal_or_none(saved->signal) &&
	       saved->children_time >= 0 && saved->children_time <= INT64_MAX / 2;
}

static bool is_sound(const struct saved_program *saved)
{
	const struct program_image *image = &saved->image;
	for (int i = 0; i < RLIM_NLIMITS; i++)
		if (saved->limits[i][0] > saved->limits[i][1])
			return false;
	return is_state_sound(saved) && saved->group_count <= COMMAND_GROUPS_MAX &&
	       saved->limits[RLIMIT_NOFILE][1] <= PROGRAM_FILES_MAX && !(saved->umask & ~0777u) &&
	       saved->has_executed <= 1 && is_range(image->auxiliary, image->auxiliary_end) &&
	       is_range(image->arguments, image->arguments_end) &&
	       is_range(image->arguments_end, image->environment_end) && is_name(saved->name) &&
	       saved->budget <= SIGNALS_QUEUED_MAX;
}

/* The first one is nobody's child, and is never stopped. */
static bool is_first(const struct saved_program *saved)
{
	return saved->pid == TASK_FIRST_ID && !saved->is_zombie && !saved->stopped_by;
}

static void take_state(struct program *program, const struct saved_program *saved)
{
	program->pid = saved->pid;
	program->group = saved->group;
	program->session = saved->session;
	program->exit_signal = saved->exit_signal;
	program->death_signal = saved->death_signal;
	program->stopped_by = saved->stopped_by;
	program->tells_stop = saved->tells_stop;
	program->tells_going_on = saved->tells_going_on;
	program->is_zombie = program->ended = saved->is_zombie;
	program->reason = saved->is_zombie ? (viso_reason)saved->reason : VISO_REASON_EXITED;
	program->exit_code = saved->is_zombie ? saved->exit_code : -1;
	program->signal = saved->signal;
	program->serial = saved->serial;
	program->children_time = saved->children_time;
	/* It comes with the others, if it has not ended. */
	program->first_task = (struct task){.program = program, .tid = program->pid, .state = TASK_ENDED};
}

static void take(struct program *program, const struct saved_program *saved)
{
	take_state(program, saved);
	program->wall_start = clock_now(CLOCK_MONOTONIC);
	program->uid = saved->uid;
	program->gid = saved->gid;
	program->group_count = saved->group_count;
	memcpy(program->groups, saved->groups, sizeof(program->groups));
	for (int i = 0; i < RLIM_NLIMITS; i++)
		program->limits[i] = (struct rlimit){saved->limits[i][0], saved->limits[i][1]};
	program->umask = saved->umask;
	program->has_executed = saved->has_executed;
	program->image = saved->image;
	memcpy(program->auxiliary, saved->auxiliary, sizeof(program->auxiliary));
	memcpy(program->name, saved->name, sizeof(program->name));
	signals_init(&program->signals);
	memcpy(program->signals.actions, saved->actions, sizeof(program->signals.actions));
	for (int i = 0; i <= PROGRAM_SIGNALS; i++)
		program->signals.actions[i].mask &= ~SIGNALS_FIXED;
	program->signals.budget = (unsigned)saved->budget;
}

int saved_get_program(struct saved_reader *reader, viso_snapshot *snapshot, struct program *program)
{
	struct saved_program saved;
	if (!saved_get(reader, &saved, sizeof(saved)) || !is_sound(&saved) ||
	    (program == &snapshot->program && !is_first(&saved)))
		return saved_damaged("processes");
	/* The view was made for these, and no call changes them. */
	if (saved.uid != snapshot->program.uid || saved.gid != snapshot->program.gid)
		return saved_damaged("processes");
	take(program, &saved);
	int r = saved_get_signals(reader, &program->signals.pending);
	if (r == 0)
		r = saved_get_timers(reader, snapshot, &program->signals.timers);
	if (r == 0)
		r = saved_get_path(reader, &program->cwd);
	return r == 0 ? saved_get_path(reader, &program->executable) : r;
}
