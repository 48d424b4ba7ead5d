/* SPDX-License-Identifier: MIT */
/* What the host program was and this one should not be: argv[2] names it. */
#include <grp.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "attack.h"

static int has(const char *what)
{
	sigset_t mask;
	struct sigaction action;
	gid_t groups[64];
	if (!strcmp(what, "umask"))
		return umask(0) != 022;
	if (!strcmp(what, "environment"))
		return getenv("LD_PRELOAD") || getenv("HOST_SECRET");
	if (!strcmp(what, "groups"))
		return getgroups(64, groups) > 0;
	if (!strcmp(what, "group"))
		return getgid() != getuid() || getegid() != getuid();
	if (!strcmp(what, "blocked"))
		return sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigismember(&mask, SIGTERM);
	if (!strcmp(what, "ignored"))
		return sigaction(SIGTERM, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
	if (!strcmp(what, "session"))
		return getsid(0) != getpid();
	if (!strcmp(what, "directory")) {
		char path[4096];
		return !getcwd(path, sizeof(path)) || strcmp(path, "/");
	}
	struct rlimit limit;
	return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur > 0;
}

int main(int argc, char **argv)
{
	if (has(argv[2]))
		return GOT_OUT;
	printf("as it should be\n");
	return REFUSED;
}
