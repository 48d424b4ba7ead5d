/* SPDX-License-Identifier: MIT */
/*
 * nginx(8) has the paths of its settings, logs and temporary files built in: those of the distributions, and those of a
 * prefix such as /usr/local/nginx. Logs and temporary files of the host do not come, only their directories; the
 * program cannot write there unless it runs as their owner, root.
 */
#include "root/provider/nginx.h"

#include <string.h>

#include "root/path.h"
#include "root/provider/runtime.h"
#include "root/source.h"

/* The directory as it is on the host, without what is in it. */
static int add_empty(struct closure *closure, const char *path)
{
	struct path_end end;
	struct stat st;
	if (source_stat(closure->manifest->source, path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0;
	int r = path_take(closure->manifest, path, &end);
	return r < 0 ? r : manifest_add_directory(closure->manifest, end.target, st.st_mode & 01777, MANIFEST_KEEP);
}

static int add_distribution(struct closure *closure)
{
	/* The modules first: links in the settings lead to them. */
	static const char *const trees[] = {"/usr/lib/nginx", "/usr/lib64/nginx", "/usr/share/nginx", "/etc/nginx",
					    "/usr/share/nginx/modules"};
	static const char *const empty[] = {"/var/log/nginx", "/var/lib/nginx", "/var/cache/nginx", "/run", "/var/run"};
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(trees) / sizeof(trees[0]); i++)
		r = runtime_add_tree(closure, trees[i], NULL);
	for (size_t i = 0; r >= 0 && i < sizeof(empty) / sizeof(empty[0]); i++)
		r = add_empty(closure, empty[i]);
	return r;
}

static int add_prefix(struct closure *closure, const char *prefix)
{
	static const char *const trees[] = {"conf", "html", "modules"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(trees) / sizeof(trees[0]); i++)
		if (runtime_path(path, "%s/%s", prefix, trees[i]))
			r = runtime_add_tree(closure, path, NULL);
	return r < 0 || !runtime_path(path, "%s/logs", prefix) ? r : add_empty(closure, path);
}

int nginx_add(struct closure *closure, const char *host)
{
	const struct source *source = closure->manifest->source;
	char prefix[PATH_MAX], settings[PATH_MAX];
	if (strcmp(runtime_name(host), "nginx") != 0)
		return 0;
	const char *reason = manifest_set_reason(closure->manifest, "runtime nginx");
	runtime_prefix(host, prefix);
	int r = 0;
	if (runtime_path(settings, "%s/conf/nginx.conf", prefix) && source_has_file(source, settings))
		r = add_prefix(closure, prefix);
	else if (!strcmp(prefix, "/usr") && source_has_file(source, "/etc/nginx/nginx.conf"))
		r = add_distribution(closure);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
