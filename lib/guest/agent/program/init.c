/* SPDX-License-Identifier: MIT */
/*
 * What the first process of a guest does before it serves: file systems, modules, the loopback interface. What is there
 * already, or is not allowed, as in a container, is left as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "guest/agent/program/agent.h"

#ifndef MODULE_INIT_COMPRESSED_FILE
#define MODULE_INIT_COMPRESSED_FILE 4
#endif

/* The names of modules' files, a line each, in the order in which they are loaded (../initramfs.c). */
#define MODULE_LIST "/viso/modules"

static void complain(const char *what, const char *object)
{
	/* Standard error is the console, where there is one. */
	fprintf(stderr, "viso-agent: %s %s: %s\n", what, object, strerror(errno));
}

static bool is_mount_point(const char *path)
{
	struct stat own, above;
	char parent[64];
	snprintf(parent, sizeof(parent), "%s/..", path);
	return stat(path, &own) == 0 && stat(parent, &above) == 0 && own.st_dev != above.st_dev;
}

static void mount_all(void)
{
	static const struct {
		const char *path, *type, *data;
		unsigned long flags;
	} mounts[] = {
		{"/proc", "proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
		{"/sys", "sysfs", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC},
		{"/dev", "devtmpfs", "mode=0755", MS_NOSUID},
		{"/dev/pts", "devpts", "mode=0620,gid=5,ptmxmode=0666", MS_NOSUID | MS_NOEXEC},
		{"/dev/shm", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV},
		{"/run", "tmpfs", "mode=0755", MS_NOSUID | MS_NODEV},
		{"/tmp", "tmpfs", "mode=1777", MS_NOSUID | MS_NODEV},
	};
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, 0755);
		if (is_mount_point(mounts[i].path))
			continue;
		if (mount(mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags, mounts[i].data) < 0)
			complain("cannot mount", mounts[i].path);
	}
}

static bool ends_in(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);
	return length >= size && !strcmp(text + length - size, end);
}

static void load_module(const char *path)
{
	bool is_compressed = !ends_in(path, ".ko");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	/* EEXIST: it is there, or built in. ENODEV: the guest has no such device. */
	if (fd < 0 || (syscall(SYS_finit_module, fd, "", is_compressed ? MODULE_INIT_COMPRESSED_FILE : 0) < 0 &&
		       errno != EEXIST && errno != ENODEV))
		complain("cannot load", path);
}

static void load_modules(void)
{
	FILE *list = fopen(MODULE_LIST, "re");
	char path[512];
	while (list && fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';
		if (*path)
			load_module(path);
	}
	if (list)
		fclose(list);
}

static void set_hostname(void)
{
	char name[65] = "guest";
	FILE *file = fopen("/etc/hostname", "re");
	if (file && !fgets(name, sizeof(name), file))
		strcpy(name, "guest");
	if (file)
		fclose(file);
	name[strcspn(name, "\n")] = '\0';
	if (sethostname(name, strlen(name)) < 0)
		complain("cannot set the name", name);
}

static void raise_loopback(void)
{
	struct ifreq request = {.ifr_name = "lo"};
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request) < 0)
		return;
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		complain("cannot raise", "lo");
}

void init_start(void)
{
	mount_all();
	load_modules();
	if (!root_enter()) {
		complain("cannot mount", "the root");
		power_shut_down(AGENT_POWER_OFF);
	}
	set_hostname();
	raise_loopback();
}
