/* SPDX-License-Identifier: MIT */
#include "launch/explain/explain.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/log.h"
#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"

bool explain_missing_capability(char *text, size_t size, int capability, const char *name)
{
	if (geteuid() != 0 || surroundings_has_capability(capability))
		return false;
	snprintf(text, size,
		 "the caller is root, but without %s (CapEff in /proc/self/status); give it that, or run as an "
		 "ordinary user",
		 name);
	return true;
}

static void explain_chroot(char *text, size_t size, viso_isolation isolation)
{
	if (explain_missing_capability(text, size, CAP_SYS_CHROOT, "CAP_SYS_CHROOT"))
		return;
	if (surroundings_explain_refusal(text, size, "chroot"))
		return;
	snprintf(
		text, size, "%s",
		isolation == VISO_ISOLATION_JAIL
			? "a jail needs CAP_SYS_CHROOT, which this root, or user namespace, does not give; take a guest"
			: "the host does not permit it");
}

/* What is mounted in a container hides what the root has there. */
static bool is_hidden(const char *path)
{
	static const char *const mounts[] = {"/tmp/", "/dev/", "/proc/"};
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++)
		if (!strncmp(path, mounts[i], strlen(mounts[i])))
			return true;
	return false;
}

static const char *explain_exec(viso_isolation isolation, int error, const char *object)
{
	switch (error) {
	case ENOENT:
		if (isolation == VISO_ISOLATION_CONTAINER && is_hidden(object))
			return "a container has a /tmp, /dev and /proc of its own, which hide what the root has there; "
			       "put the program "
			       "elsewhere in the root";
		return "no such program in the root, or the interpreter or loader that it names is not there; add it "
		       "with "
		       "viso_root_add_program()";
	case EACCES:
		return isolation == VISO_ISOLATION_CONTAINER
			       ? "the program may not be executed by the user that the command runs as, or Landlock "
				 "keeps "
				 "it from it (viso_container_add_landlock_path(), VISO_LANDLOCK_EXECUTE)"
			       : "the program may not be executed by the user that the command runs as";
	case ENOEXEC:
		return "it is neither a program for this machine nor a script with #!";
	case E2BIG:
		return "arguments and environment are larger than the kernel takes; see the stack limit in execve(2)";
	default:
		return NULL;
	}
}

static const char *explain_landlock(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return "the container has no such path; take it out of viso_container_add_landlock_path()";
	case ELOOP:
		return "a symbolic link is on the way, which is not followed; name the path that it leads to";
	default:
		return NULL;
	}
}

static const char *explain_seccomp(int error)
{
	switch (error) {
	case EBUSY:
		return "a seccomp filter around the host program asks a supervisor about calls, and the kernel has one "
		       "such filter only; run the host program outside of it";
	case EACCES:
		return "without no_new_privs a filter needs CAP_SYS_ADMIN in the container's user namespace";
	default:
		return NULL;
	}
}

/* The object is what pasta complains of. */
static const char *explain_network(const char *object)
{
	if (strstr(object, "tun socket") || strstr(object, "/dev/net/tun"))
		return "pasta needs /dev/net/tun, which must be there, and open to the caller (as by chmod 666)";
	if (strstr(object, "route") || strstr(object, "routable"))
		return "pasta shares the network that the host's default route leads to; there seems to be none";
	return NULL;
}

static const char *explain_credentials(viso_isolation isolation, int error)
{
	if (error != EINVAL)
		return "the caller may not take this user or these groups; that needs root of the host, not of a user "
		       "namespace";
	return isolation == VISO_ISOLATION_JAIL
		       ? "a jail of an ordinary user has one uid and gid, those with which it was started"
		       : "viso_command_set_user: the id is not mapped in the container; without "
			 "viso_container_add_id_map() ids are below 65536";
}

static const char *explain_cgroup(const struct report_failure *failure)
{
	if (!strncmp(failure->object, "BPF_", 4))
		return "a filter for devices in control groups of version 2 takes CAP_BPF and CAP_NET_ADMIN on the "
		       "host: "
		       "run as root, or without viso_container_allow_device()";
	switch (failure->error) {
	case EOPNOTSUPP:
		return "this kernel has no such limit, or was built without it";
	case EINVAL:
	case ERANGE:
		return "the kernel does not take this value";
	case EACCES:
		return "the caller may not move a process there; the group above both must be the caller's, too";
	default:
		return NULL;
	}
}

static void explain_hook(char *text, size_t size, const struct report_failure *failure)
{
	int status = failure->status;
	if (failure->error == ETIMEDOUT)
		snprintf(text, size, "it took longer than its time limit and was killed");
	else if (WIFSIGNALED(status))
		snprintf(text, size, "it was ended by signal %d", WTERMSIG(status));
	else if (status)
		snprintf(text, size, "it exited with %d, and so wants the container not to run", WEXITSTATUS(status));
}

/* What to do about it, where that is known; else it stays empty. */
static void advise(char *text, size_t size, viso_isolation isolation, const struct report_failure *failure)
{
	const char *known = NULL;
	switch (failure->stage) {
	case VISO_STAGE_CLONE:
		explain_clone(text, size, failure->error);
		break;
	case VISO_STAGE_USER_NAMESPACE:
		explain_user_namespace(text, size, failure);
		break;
	case VISO_STAGE_NAMESPACE:
		explain_namespace(text, size, failure);
		break;
	case VISO_STAGE_CHROOT:
		if (failure->error == EPERM)
			explain_chroot(text, size, isolation);
		break;
	case VISO_STAGE_CREDENTIALS:
		known = explain_credentials(isolation, failure->error);
		break;
	case VISO_STAGE_RLIMIT:
		explain_attribute(text, size, failure);
		break;
	case VISO_STAGE_CGROUP:
		known = explain_cgroup(failure);
		break;
	case VISO_STAGE_CWD:
		known = "the working directory is not in the root, or not for this user";
		break;
	case VISO_STAGE_EXEC:
		if (failure->error == EAGAIN)
			explain_clone(text, size, EAGAIN);
		else
			known = explain_exec(isolation, failure->error, failure->object);
		break;
	case VISO_STAGE_MOUNT:
		explain_mount(text, size, failure);
		break;
	case VISO_STAGE_CAPABILITIES:
		if (failure->error == EPERM && !strcmp(failure->object, "PR_SET_SECUREBITS"))
			known = "this kernel does not know one of the secure bits; those of execve(2) came with Linux "
				"6.14";
		break;
	case VISO_STAGE_LANDLOCK:
		known = explain_landlock(failure->error);
		break;
	case VISO_STAGE_HOOK:
		explain_hook(text, size, failure);
		break;
	case VISO_STAGE_SECCOMP:
		known = explain_seccomp(failure->error);
		break;
	case VISO_STAGE_NETWORK:
		known = explain_network(failure->object);
		break;
	default:
		break;
	}
	if (known)
		snprintf(text, size, "%s", known);
}

void explain_log_hook(const struct report_failure *failure)
{
	char what[ADVICE_MAX] = "";
	if (!failure->error)
		return;
	explain_hook(what, sizeof(what), failure);
	log_warning("the hook %s failed: %s%s%s", failure->object, strerrordesc_np(failure->error), what[0] ? "; " : "",
		    what);
}

int explain_failure(viso_isolation isolation, const struct report_failure *failure)
{
	char what[ADVICE_MAX] = "";
	advise(what, sizeof(what), isolation, failure);
	const char *reason = strerrordesc_np(failure->error);
	const char *stage = viso_stage_name((viso_stage)failure->stage);
	bool same = !strcmp(stage, failure->object);
	return error_fail((viso_stage)failure->stage, failure->error, failure->object,
			  "%s cannot start: %s%s%s: %s%s%s", viso_isolation_name(isolation), stage, same ? "" : ": ",
			  same ? "" : failure->object, reason ? reason : "unknown error", what[0] ? "; " : "", what);
}
