/* SPDX-License-Identifier: MIT */
/* The last steps before the program, in the order in which a container's are made. */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso/error.h>

#include "guest/agent/program/agent.h"
#include "launch/copy/receive.h"

static int failure_pipe;

_Noreturn static void fail(viso_stage stage, int error, const char *object)
{
	struct failure failure = {.stage = stage, .error = (uint32_t)error};
	snprintf(failure.object, sizeof(failure.object), "%s", object);
	(void)!write(failure_pipe, &failure, sizeof(failure));
	_exit(127);
}

static void reset_signals(void)
{
	sigset_t none;
	for (int number = 1; number < _NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void set_limits(const struct spec *spec)
{
	for (size_t i = 0; i < spec->limit_count; i++)
		if (setrlimit(spec->resource[i], &spec->limit[i]) < 0)
			fail(VISO_STAGE_RLIMIT, errno, "setrlimit");
	if (spec->cpu_time_ms) {
		/* For what it starts; itself is watched more closely. */
		rlim_t seconds = (spec->cpu_time_ms + 999) / 1000;
		struct rlimit limit;
		if (getrlimit(RLIMIT_CPU, &limit) == 0 && limit.rlim_cur > seconds + 1) {
			limit.rlim_cur = seconds + 1;
			setrlimit(RLIMIT_CPU, &limit);
		}
	}
}

static void set_identity(const struct spec *spec)
{
	bool is_root = geteuid() == 0, has_user = spec->flags & AGENT_SPAWN_HAS_USER;
	uid_t uid = has_user ? spec->uid : is_root ? AGENT_DEFAULT_ID : geteuid();
	gid_t gid = has_user ? spec->gid : is_root ? AGENT_DEFAULT_ID : getegid();
	if ((is_root || spec->group_count) && setgroups(spec->group_count, spec->groups) < 0)
		fail(VISO_STAGE_CREDENTIALS, errno, "setgroups");
	if (setresgid(gid, gid, gid) < 0)
		fail(VISO_STAGE_CREDENTIALS, errno, "setresgid");
	if (setresuid(uid, uid, uid) < 0)
		fail(VISO_STAGE_CREDENTIALS, errno, "setresuid");
}

/* As execvp(3): what was found but refused is remembered. */
_Noreturn static void try_programs(const struct spec *spec)
{
	int error = ENOENT;
	const char *object = spec->argv[0];
	for (char **program = spec->programs; *program; program++) {
		execve(*program, spec->argv, spec->env);
		if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
			fail(VISO_STAGE_EXEC, errno, *program);
		if (errno == EACCES) {
			error = EACCES;
			object = *program;
		}
	}
	fail(VISO_STAGE_EXEC, error, object);
}

_Noreturn void execute(struct spec *spec, int pipe)
{
	failure_pipe = pipe;
	setsid();
	if ((spec->flags & AGENT_SPAWN_TERMINAL) && ioctl(0, TIOCSCTTY, 0) < 0)
		fail(VISO_STAGE_STDIO, errno, "TIOCSCTTY");
	reset_signals();
	set_limits(spec);
	set_identity(spec);
	umask(022);
	if (chdir(spec->cwd) < 0)
		fail(VISO_STAGE_CWD, errno, spec->cwd);
	if (!(spec->flags & (AGENT_SPAWN_RECEIVES | AGENT_SPAWN_SENDS)))
		try_programs(spec);
	signal(SIGPIPE, SIG_IGN);
	close(failure_pipe);
	_exit(spec->flags & AGENT_SPAWN_RECEIVES ? receive_tree(spec->argv[0], spec->argv[1])
						 : send_tree(spec->argv[0]));
}
