/* SPDX-License-Identifier: MIT */
/*
 * git(1) has its directories built in: PREFIX/lib/git-core or PREFIX/libexec/git-core (`git --exec-path`), and
 * PREFIX/share/git-core. Its commands that are shell scripts get a shell and what they all call; what else they and its
 * hooks call (perl, an editor, ssh) is for the caller to add.
 */
#include "root/provider/git.h"

#include <string.h>

#include "root/provider/runtime.h"
#include "root/source.h"

/* Servers are programs of their own, and are not started by git. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	(void)depth;
	static const char *const names[] = {"git-daemon", "git-http-backend", "git-instaweb", "git-shell", "scalar"};
	for (size_t i = 0; !is_directory && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

/* What git-sh-setup, which all the scripts begin with, and git-submodule call. */
static int add_for_scripts(struct closure *closure)
{
	static const char *const names[] = {"sh", "basename", "cat", "sed", "uname"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		if (runtime_path(path, "/bin/%s", names[i]))
			r = runtime_add_helper(closure, path);
		if (r == 0 && runtime_path(path, "/usr/bin/%s", names[i]))
			r = runtime_add_helper(closure, path);
	}
	return r;
}

static int add_all(struct closure *closure, const char *commands, const char *prefix)
{
	char path[PATH_MAX];
	int r = runtime_add_tree(closure, commands, leave_out);
	if (r >= 0)
		r = runtime_add_executables(closure, commands, leave_out);
	if (r >= 0 && runtime_path(path, "%s/share/git-core", prefix))
		r = runtime_add_tree(closure, path, NULL);
	if (r >= 0 && !strcmp(prefix, "/usr"))
		r = runtime_add_file(closure, "/etc/gitconfig");
	return r < 0 ? r : add_for_scripts(closure);
}

int git_add(struct closure *closure, const char *host)
{
	static const char *const directories[] = {"lib/git-core", "libexec/git-core"};
	char prefix[PATH_MAX], commands[PATH_MAX];
	if (strcmp(runtime_name(host), "git") != 0)
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime git");
	runtime_prefix(host, prefix);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		if (runtime_path(commands, "%s/%s", prefix, directories[i]) &&
		    source_has_directory(closure->manifest->source, commands))
			r = add_all(closure, commands, prefix);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
