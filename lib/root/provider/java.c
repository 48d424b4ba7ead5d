/* SPDX-License-Identifier: MIT */
/*
 * The launchers of a JDK look for the runtime image upwards from their own place, JAVA_HOME/bin: lib/modules (JEP 220),
 * or jre/lib/rt.jar or lib/rt.jar before Java 9. Debian has the settings in /etc/java-*, and links to them.
 */
#include "root/provider/java.h"

#include <string.h>

#include "root/path.h"
#include "root/provider/runtime.h"
#include "root/source.h"

/* The source of the class library, and what is for linking runtime images and for native code. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	(void)depth;
	return is_directory ? !strcmp(name, "src") : !strcmp(name, "src.zip") || runtime_ends_with(name, ".diz");
}

/* `java` needs no signatures of older releases, which are for javac --release. */
static bool leave_out_for_java(const char *name, int depth, bool is_directory)
{
	return !strcmp(name, "ct.sym") || leave_out(name, depth, is_directory);
}

/* The directory above bin; false where the program is no launcher. */
static bool find_home(const struct source *source, const char *host, char *home)
{
	static const char *const images[] = {"lib/modules", "lib/rt.jar", "jre/lib/rt.jar"};
	char path[PATH_MAX];
	strcpy(path, host);
	path_pop(path);
	if (!runtime_ends_with(path, "/bin"))
		return false;
	path_pop(path);
	strcpy(home, path);
	/* The JRE within a JDK before Java 9. */
	if (runtime_ends_with(home, "/jre"))
		path_pop(path);
	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++)
		if (runtime_path(path, "%s/%s", home, images[i]) && source_has_file(source, path))
			return true;
	return false;
}

static int add_home(struct closure *closure, const char *home, tree_filter filter)
{
	static const char *const directories[] = {"lib", "conf", "jre/lib"};
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(directories) / sizeof(directories[0]); i++)
		if (runtime_path(path, "%s/%s", home, directories[i]))
			r = runtime_add_tree(closure, path, filter);
	if (r >= 0 && runtime_path(path, "%s/release", home))
		r = runtime_add_file(closure, path);
	/* With jspawnhelper, by which the virtual machine starts programs. */
	if (r >= 0 && runtime_path(path, "%s/lib", home))
		r = runtime_add_executables(closure, path, filter);
	return r;
}

int java_add(struct closure *closure, const char *host)
{
	char home[PATH_MAX];
	if (!find_home(closure->manifest->source, host, home))
		return 0;
	bool is_java = !strcmp(runtime_name(host), "java");
	const char *reason = manifest_set_reason(closure->manifest, "runtime java");
	int r = add_home(closure, home, is_java ? leave_out_for_java : leave_out);
	manifest_restore_reason(closure->manifest, reason);
	return r < 0 ? r : 0;
}
