/* SPDX-License-Identifier: MIT */
/* Why newuidmap(1) or newgidmap(1) did not map what was asked for. */
#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "launch/explain/subjects.h"
#include "launch/explain/surroundings.h"

enum { NAME_MAX_SIZE = 128 };

/* The caller's name, or its number where it has none. */
static void find_name(char name[NAME_MAX_SIZE])
{
	char buffer[2048];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(name, NAME_MAX_SIZE, "%s", found->pw_name);
	else
		snprintf(name, NAME_MAX_SIZE, "%u", geteuid());
}

/* Whether the ids from `first` on are within one line of the caller's in /etc/subuid or /etc/subgid (subuid(5)). */
static bool is_granted(const char *path, const char *name, uint64_t first, uint64_t count)
{
	char line[512], number[16], owner[NAME_MAX_SIZE];
	unsigned long long start, size;
	bool granted = false;
	snprintf(number, sizeof(number), "%u", geteuid());
	FILE *file = fopen(path, "re");
	while (file && !granted && fgets(line, sizeof(line), file))
		granted = sscanf(line, "%127[^:]:%llu:%llu", owner, &start, &size) == 3 &&
			  (!strcmp(owner, name) || !strcmp(owner, number)) && first >= start &&
			  first + count <= start + size;
	if (file)
		fclose(file);
	return granted;
}

/* A setuid program, or one with file capabilities, that is not kept from its rights. */
static bool may_gain_rights(const char *program)
{
	struct stat st;
	struct statvfs filesystem;
	return stat(program, &st) < 0 || statvfs(program, &filesystem) < 0 ||
	       (!(filesystem.f_flag & ST_NOSUID) && ((st.st_mode & S_ISUID) || st.st_uid == 0));
}

/* The first range that is neither the caller's own id nor in the file, as the line that is missing. */
static void explain_missing_line(char *text, size_t size, const char *ranges, bool users)
{
	const char *path = users ? "/etc/subuid" : "/etc/subgid";
	unsigned own = users ? geteuid() : getegid();
	char name[NAME_MAX_SIZE];
	unsigned inside, outside, count;
	int used;
	find_name(name);
	for (; sscanf(ranges, " %u %u %u%n", &inside, &outside, &count, &used) == 3; ranges += used)
		if (!(count == 1 && outside == own) && !is_granted(path, name, outside, count)) {
			snprintf(
				text, size,
				"%s has no line that gives %s the ids from %u to %u; let root add \"%s:%u:%u\", or map "
				"other ids by viso_container_add_id_map()",
				path, name, outside, outside + (count - 1), name, outside, count);
			return;
		}
	snprintf(text, size, "%s gives %s these ids, but the program refuses them; try it by hand", path, name);
}

void explain_id_map(char *text, size_t size, const struct report_failure *failure)
{
	char program[64];
	snprintf(program, sizeof(program), "%.*s", (int)strcspn(failure->object, " "), failure->object);
	if (failure->error == ENOENT)
		snprintf(text, size,
			 "for more than its own id an ordinary user needs %s, which is not installed (in Debian: the "
			 "package uidmap)",
			 program);
	else if (surroundings_has_no_new_privs())
		snprintf(text, size,
			 "%s needs privileges, which this process may not gain: it has no_new_privs (NoNewPrivs: 1 in "
			 "/proc/self/status)",
			 program);
	else if (!may_gain_rights(program))
		snprintf(text, size, "%s is not setuid root, or lies in a file system that is mounted nosuid", program);
	else
		explain_missing_line(text, size, failure->object + strlen(program),
				     strstr(program, "newuidmap") != NULL);
}
