/* SPDX-License-Identifier: MIT */
#include "launch/explain/surroundings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

long surroundings_sysctl(const char *path)
{
	char full[128];
	long number = -1;
	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	FILE *file = fopen(full, "re");
	if (!file)
		return -1;
	if (fscanf(file, "%ld", &number) != 1)
		number = -1;
	fclose(file);
	return number;
}

void surroundings_status(const char *key, char *value, size_t size)
{
	char line[512];
	size_t length = strlen(key);
	value[0] = '\0';
	FILE *file = fopen("/proc/self/status", "re");
	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, key, length) && line[length] == ':') {
			const char *start = line + length + 1;
			start += strspn(start, " \t");
			snprintf(value, size, "%.*s", (int)strcspn(start, "\n"), start);
			break;
		}
	if (file)
		fclose(file);
}

bool surroundings_has_seccomp(void)
{
	char value[16];
	surroundings_status("Seccomp", value, sizeof(value));
	return !strcmp(value, "2"); /* SECCOMP_MODE_FILTER */
}

bool surroundings_has_no_new_privs(void)
{
	char value[16];
	surroundings_status("NoNewPrivs", value, sizeof(value));
	return !strcmp(value, "1");
}

bool surroundings_has_capability(int capability)
{
	char value[32];
	surroundings_status("CapEff", value, sizeof(value));
	return !value[0] || (strtoull(value, NULL, 16) >> capability & 1);
}

static void read_line(const char *path, char *line, size_t size)
{
	line[0] = '\0';
	FILE *file = fopen(path, "re");
	if (file && fgets(line, (int)size, file))
		line[strcspn(line, "\n")] = '\0';
	if (file)
		fclose(file);
}

void surroundings_security_module(char *text, size_t size)
{
	char modules[256], label[256];
	text[0] = '\0';
	read_line("/sys/kernel/security/lsm", modules, sizeof(modules));
	read_line("/proc/self/attr/current", label, sizeof(label));
	/* Without AppArmor or SELinux nobody gives labels that keep from namespaces and mounts. */
	bool confined = label[0] && strcmp(label, "unconfined") != 0 && strcmp(label, "kernel") != 0 &&
			!strstr(label, ":unconfined_t");
	if (!confined)
		return;
	const char *name = strstr(modules, "apparmor")  ? "AppArmor"
			   : strstr(modules, "selinux") ? "SELinux"
							: "a security module";
	snprintf(text, size, "%s confines this process (its label in /proc/self/attr/current is %s)", name, label);
}

void surroundings_masks_of_proc(char *text, size_t size)
{
	char line[1024], mount_point[256];
	size_t length = 0;
	text[0] = '\0';
	FILE *file = fopen("/proc/self/mountinfo", "re");
	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%*s %*s %*s %*s %255s", mount_point) == 1 && !strncmp(mount_point, "/proc/", 6) &&
		    length + strlen(mount_point) + 3 < size)
			length +=
				(size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "", mount_point);
	if (file)
		fclose(file);
}

bool surroundings_explain_refusal(char *text, size_t size, const char *operation)
{
	char module[ADVICE_MAX / 2];
	if (surroundings_has_seccomp()) {
		snprintf(text, size,
			 "there is a seccomp filter around this process (Seccomp: 2 in /proc/self/status), which seems "
			 "to "
			 "refuse %s; allow that there (in Docker: --security-opt seccomp=...)",
			 operation);
		return true;
	}
	surroundings_security_module(module, sizeof(module));
	if (module[0]) {
		snprintf(text, size, "%s, which seems to refuse %s; allow that in its policy", module, operation);
		return true;
	}
	return false;
}
