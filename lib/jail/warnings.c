/* SPDX-License-Identifier: MIT */
/* What stays open in a jail: one sentence for each door, where it can be seen to be open. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "jail/jail.h"
#include "launch/landlock.h"
#include "launch/owns_ids.h"
#include "launch/seccomp/seccomp.h"
#include "root/root.h"

/* What the doors are judged by. */
struct view {
	const viso_jail *jail;
	bool ordinary_user;
	int landlock; /* landlock_query() */
	mode_t root;  /* modes of the root's directory and of the one that it is in; 0 where there is none yet */
	mode_t parent;
	bool proc; /* a procfs is mounted in the root */
};

static bool is_bare(const struct view *view)
{
	return view->jail->bare;
}

static bool is_bare_for_root(const struct view *view)
{
	return view->jail->bare && !view->ordinary_user;
}

static bool has_no_seccomp(const struct view *view)
{
	return !view->jail->bare && !seccomp_is_built();
}

static bool has_no_landlock(const struct view *view)
{
	return !view->jail->bare && view->landlock < 0 && view->landlock != -EOPNOTSUPP;
}

static bool has_landlock_off(const struct view *view)
{
	return !view->jail->bare && view->landlock == -EOPNOTSUPP;
}

static bool has_no_scopes(const struct view *view)
{
	return !view->jail->bare && view->landlock < LANDLOCK_ABI_SCOPES;
}

static bool has_network(const struct view *view)
{
	return view->jail->bare || view->jail->sandbox.network == VISO_NETWORK_HOST;
}

static bool has_chosen_user(const struct view *view)
{
	return !view->ordinary_user && atomic_load(&view->jail->had_user);
}

static bool is_of_an_ordinary_user(const struct view *view)
{
	return view->ordinary_user;
}

static bool shares_its_uid(const struct view *view)
{
	return view->ordinary_user || has_chosen_user(view);
}

static bool was_given_a_unix_socket(const struct view *view)
{
	return !view->jail->bare && view->landlock > 0 && atomic_load(&view->jail->had_unix_socket);
}

static bool has_proc(const struct view *view)
{
	return view->proc;
}

/* Whoever may write there can move a directory out while a program works in it. */
static bool has_open_root(const struct view *view)
{
	return view->root & S_IWOTH;
}

/* With the sticky bit nobody but its owner can rename the root. */
static bool has_open_parent(const struct view *view)
{
	return (view->parent & S_IWOTH) && !(view->parent & S_ISVTX);
}

static bool is_any(const struct view *view)
{
	return true;
}

static const struct {
	bool (*is_open)(const struct view *view);
	const char *sentence;
} doors[] = {
	{is_bare,
	 "The hardening is switched off: chroot(2) alone is no security boundary, and a program with privileges, "
	 "or with help from outside, walks out of it."},
	{is_bare_for_root,
	 "A command that runs as root keeps root's capabilities: it can mount, load modules, and kill or "
	 "trace every process of the host."},
	{has_no_seccomp,
	 "The library was built without seccomp: every system call of the kernel can be made, and sockets "
	 "reach the host's network."},
	{has_no_landlock, "There is no Landlock: a directory of the host that gets into the jail, by a unix socket for "
			  "example, leads out of it."},
	{has_landlock_off, "Landlock is switched off (boot parameter lsm=): a directory of the host that gets into the "
			   "jail, by a unix socket for example, leads out of it."},
	{has_no_scopes,
	 "There are no Landlock scopes (Linux 6.12): the host's abstract unix sockets can be reached, and "
	 "processes of the same uid can be signalled."},
	{has_network, "The network is the host's: the program reaches what the host reaches, its loopback services "
		      "included."},
	{has_chosen_user, "A command ran as a user of the host's: it shares the files and limits of all processes that "
			  "have this uid."},
	{shares_its_uid, "The program can take processor time and bandwidth away from other processes of its uid "
			 "(setpriority, sched_setaffinity, sched_setscheduler, ioprio_set): no filter can tell them "
			 "from threads of its own."},
	{was_given_a_unix_socket,
	 "A command was given a unix socket: where somebody sends a directory of the host through it, the program "
	 "may change modes there (chmod), watch it (inotify) and connect to its sockets, as far as the modes let "
	 "it, for Landlock has no rights for that."},
	{has_proc, "A procfs is mounted in the root: the program reads about the processes of the host, changes the "
		   "oom_score_adj of those of its uid, and with uid 0, which viso_command_set_user() can give it, "
		   "writes to /proc/sys, where core_pattern names a program that the kernel runs as root outside."},
	{is_of_an_ordinary_user,
	 "The program has the caller's own uid and keeps the caller's supplementary groups: within "
	 "the root it may change what the caller owns, even where the modes forbid writing."},
	{has_open_root,
	 "Everybody may write to the root's directory: an outsider can move a directory out of the root while "
	 "the program works in it."},
	{has_open_parent, "Everybody may write to the directory in which the root lies: an outsider can put another "
			  "directory in the root's place."},
	{is_any,
	 "The kernel is the host's, process ids included: a defect of it that the allowed system calls reach leads "
	 "out, and the program sees which process ids exist. Where that matters, take a guest."},
};

static mode_t mode_of(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? st.st_mode : 0;
}

/* What stands for spaces in the paths of mountinfo (proc_pid_mountinfo(5)). */
static void unescape(char *path)
{
	char *to = path;
	for (const char *from = path; *from; to++)
		if (from[0] == '\\' && from[1] && from[2] && from[3]) {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	*to = '\0';
}

static bool lies_in(const char *path, const char *directory)
{
	size_t length = strlen(directory);
	while (length > 0 && directory[length - 1] == '/')
		length--;
	return !strncmp(path, directory, length) && (path[length] == '/' || path[length] == '\0');
}

/* By the caller's mount table: what is mounted elsewhere is not what a jail sees. */
static bool has_procfs_in(const char *path)
{
	_cleanup_free_ char *directory = realpath(path, NULL), *line = NULL;
	FILE *file = directory ? fopen("/proc/self/mountinfo", "re") : NULL;
	size_t size = 0;
	bool found = false;
	while (file && !found && getline(&line, &size, file) > 0) {
		char point[PATH_MAX];
		const char *tail = strstr(line, " - ");
		if (!tail || strncmp(tail, " - proc ", 8) || sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		unescape(point);
		found = lies_in(point, directory);
	}
	if (file)
		fclose(file);
	return found;
}

static void look_at_root(struct view *view, viso_root *root)
{
	const char *path = root_known_path(root);
	_cleanup_free_ char *parent = NULL;
	if (!path || asprintf(&parent, "%s/..", path) < 0)
		return;
	view->root = mode_of(path);
	view->parent = mode_of(parent);
	view->proc = has_procfs_in(path);
}

const char *viso_jail_warning(viso_jail *jail, unsigned index)
{
	if (handle_check(jail ? &jail->sandbox.handle : NULL, __func__) < 0)
		return NULL;
	int saved = errno;
	const char *found = NULL;
	struct view view = {.jail = jail, .ordinary_user = !owns_all_ids(), .landlock = landlock_query()};
	if (jail->sandbox.root)
		look_at_root(&view, jail->sandbox.root);
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]) && !found; i++)
		if (doors[i].is_open(&view) && index-- == 0)
			found = doors[i].sentence;
	errno = saved;
	return found;
}
