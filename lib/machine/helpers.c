/* SPDX-License-Identifier: MIT */
/* What containers have with the help of programs of the host: ranges of ids, a network of the user's own, checkpoints,
 * images. */
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "launch/owns_ids.h"
#include "machine/machine.h"
#include "sandbox/host_program.h"

enum { OWNER_SIZE = 128 };

/* A program that root lent its rights to: setuid, or with capabilities. NULL, or what is wrong with it. */
static const char *find_fault(const char *path)
{
	struct stat status;
	struct statvfs filesystem;
	if (stat(path, &status) < 0 || access(path, X_OK) < 0)
		return "is not installed: install the package uidmap (on Fedora and openSUSE shadow-utils, on Alpine "
		       "shadow-subids)";
	if (statvfs(path, &filesystem) == 0 && (filesystem.f_flag & ST_NOSUID))
		return "lies on a file system that is mounted nosuid: mount it without";
	if (!(status.st_mode & S_ISUID) && getxattr(path, "security.capability", NULL, 0) <= 0)
		return "has neither the setuid bit nor capabilities: install its package anew";
	return NULL;
}

/* The size of the caller's largest range in /etc/subuid or /etc/subgid (subuid(5)). */
static unsigned long long find_range(const char *path)
{
	char line[512], owner[OWNER_SIZE], number[16], buffer[2048];
	unsigned long long start, size, largest = 0;
	struct passwd entry, *user = NULL;
	snprintf(number, sizeof(number), "%u", geteuid());
	if (getpwuid_r(geteuid(), &entry, buffer, sizeof(buffer), &user))
		user = NULL;
	FILE *file = fopen(path, "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%127[^:]:%llu:%llu", owner, &start, &size) == 3 && size > largest &&
		    (!strcmp(owner, number) || (user && !strcmp(owner, user->pw_name))))
			largest = size;
	if (file)
		fclose(file);
	return largest;
}

void probe_id_ranges(const struct finding *features, struct finding *finding)
{
	static const struct {
		const char *program, *ranges;
	} needed[] = {{"/usr/bin/newuidmap", "/etc/subuid"}, {"/usr/bin/newgidmap", "/etc/subgid"}};
	if (owns_all_ids()) {
		finding_works(finding, "This process has all ids of the host.");
		return;
	}
	if (!features[VISO_FEATURE_USER_NAMESPACES].works) {
		finding_fails(finding, "Ranges of ids need user namespaces. %.400s",
			      features[VISO_FEATURE_USER_NAMESPACES].detail);
		return;
	}
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		const char *fault = find_fault(needed[i].program);
		if (fault) {
			finding_fails(finding, "%s %s.", needed[i].program, fault);
			return;
		}
		if (!find_range(needed[i].ranges)) {
			finding_fails(finding,
				      "%s has no line for this user: let root add one, such as %u:100000:65536.",
				      needed[i].ranges, geteuid());
			return;
		}
	}
	finding_works(finding, "newuidmap gives this user %llu ids.", find_range("/etc/subuid"));
}

void probe_user_network(const struct finding *features, struct finding *finding)
{
	char path[HOST_PROGRAM_PATH_MAX];
	if (!host_program_find("pasta", path))
		finding_fails(finding, "There is no pasta: install the package passt.");
	else if (access("/dev/net/tun", R_OK | W_OK) < 0)
		finding_fails(finding,
			      "pasta needs /dev/net/tun, which this user may not open or which is not there: load "
			      "the module tun, or let the container around this process have the device "
			      "(character 10:200).");
	else if (!features[VISO_FEATURE_CONTAINER].works)
		finding_fails(finding, "It is for containers. %.450s", features[VISO_FEATURE_CONTAINER].detail);
	else
		finding_works(finding, "By %s.", path);
}

void probe_checkpoint(const struct finding *features, struct finding *finding)
{
	char path[HOST_PROGRAM_PATH_MAX];
	if (!owns_all_ids())
		finding_fails(finding, "Checkpoints need root of the host.");
	else if (!has_capability(CAP_SYS_ADMIN) && !has_capability(CAP_CHECKPOINT_RESTORE))
		finding_fails(finding, "Checkpoints need CAP_SYS_ADMIN, which this process does not have: give it.");
	else if (!host_program_find("criu", path))
		finding_fails(finding, "There is no criu: install the package criu.");
	else if (!features[VISO_FEATURE_CONTAINER].works)
		finding_fails(finding, "It is for containers. %.450s", features[VISO_FEATURE_CONTAINER].detail);
	else
		finding_works(finding, "By %s; \"criu check\" tells what this kernel lacks.", path);
}

void probe_erofs(const struct finding *features, struct finding *finding)
{
	char path[HOST_PROGRAM_PATH_MAX];
	if (host_program_find("mkfs.erofs", path))
		finding_works(finding, "By %s.", path);
	else
		finding_fails(finding, "There is no mkfs.erofs: install the package erofs-utils.");
}
