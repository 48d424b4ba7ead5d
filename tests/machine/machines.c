/* SPDX-License-Identifier: MIT */
#include "machines.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

/* A machine while it is made. */
struct making {
	struct machine *machine;
	char sysname[64], release[64], version[80], processor[32];
	bool hypervisor, has_uname, has_ns;
	char own[64]; /* namespaces */
	FILE *cpuid, *msr, *errors;
};

FILE *machines_open(void)
{
	FILE *file = fopen(getenv("VISO_TEST_MACHINES"), "re");
	assert_non_null(file);
	return file;
}

static void make_parents(const char *path)
{
	char part[1024];
	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
		if (mkdir(part, 0755) < 0)
			assert_int_equal(errno, EEXIST);
	}
}

static void place_of(const struct making *making, const char *path, char *place, size_t size)
{
	snprintf(place, size, "%s/%s", making->machine->directory, path + strspn(path, "/"));
	make_parents(place);
}

static FILE *open_file(const struct making *making, const char *path)
{
	char place[1024];
	place_of(making, path, place, sizeof(place));
	FILE *file = fopen(place, "we");
	assert_non_null(file);
	return file;
}

/* With \n, \t, \0, \\ and \xHH. */
static void put_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		int c = *text;
		if (c == '\\') {
			char digits[3] = {0};
			switch (*++text) {
			case 'n':
				c = '\n';
				break;
			case 't':
				c = '\t';
				break;
			case '0':
				c = '\0';
				break;
			case 'x':
				memcpy(digits, text + 1, 2);
				c = (int)strtol(digits, NULL, 16);
				text += 2;
				break;
			default:
				c = *text;
			}
		}
		putc(c, file);
	}
}

static void write_file(const struct making *making, const char *path, const char *text)
{
	FILE *file = open_file(making, path);
	put_text(file, text);
	assert_int_equal(fclose(file), 0);
}

static void make_directory(const struct making *making, const char *path)
{
	char place[1024];
	place_of(making, path, place, sizeof(place) - 2);
	strcat(place, "/");
	make_parents(place);
}

static void take_words(struct words *words, char *rest)
{
	for (char *word = strtok(rest, " "); word; word = strtok(NULL, " ")) {
		assert_true(words->count < WORDS_MAX && strlen(word) < WORD_SIZE);
		strcpy(words->items[words->count++], word);
	}
}

/* BASE TEXT: the text of at most twelve characters in EBX, ECX and EDX. */
static void put_signature(struct making *making, const char *rest)
{
	char *text;
	unsigned long base = strtoul(rest, &text, 16);
	uint32_t words[3] = {0};
	assert_true(*text == ' ' && strlen(text + 1) <= sizeof(words));
	memcpy(words, text + 1, strlen(text + 1));
	fprintf(making->cpuid, "%lx 0: %lx %x %x %x\n", base, base + 1, words[0], words[1], words[2]);
}

static void put_acpi(const struct making *making, char *rest)
{
	char path[128], *oem_id = strchr(rest, ' ');
	assert_non_null(oem_id);
	*oem_id++ = '\0';
	snprintf(path, sizeof(path), "/sys/firmware/acpi/tables/%s", rest);
	FILE *file = open_file(making, path);
	fprintf(file, "%-4.4s\x10\x01\x01\x01\x06\x01%-6.6s%-20.20s", rest, oem_id, "TABLE");
	assert_int_equal(fclose(file), 0);
}

static void put_dmi(const struct making *making, char *rest)
{
	char path[128], *text = strchr(rest, ' ');
	assert_non_null(text);
	*text++ = '\0';
	snprintf(path, sizeof(path), "/sys/class/dmi/id/%s", rest);
	FILE *file = open_file(making, path);
	fprintf(file, "%s\n", text);
	assert_int_equal(fclose(file), 0);
}

static void take_away(struct making *making, const char *path)
{
	char place[1024];
	if (!strcmp(path, "ns"))
		making->has_ns = false;
	else if (!strcmp(path, "cpuid"))
		making->processor[0] = 'n'; /* none that has it */
	place_of(making, path, place, sizeof(place));
	support_remove_tree(place);
}

static bool take_setting(struct making *making, const char *key, char *rest)
{
	struct machine *machine = making->machine;
	if (!strcmp(key, "expect"))
		take_words(&machine->expect, rest);
	else if (!strcmp(key, "refute"))
		take_words(&machine->refute, rest);
	else if (!strcmp(key, "only"))
		take_words(&machine->only, rest);
	else if (!strcmp(key, "named"))
		assert_int_equal(sscanf(rest, "%63s %127[^\n]", machine->named, machine->name), 2);
	else if (!strcmp(key, "processor"))
		snprintf(making->processor, sizeof(making->processor), "%s", rest);
	else if (!strcmp(key, "release"))
		snprintf(making->release, sizeof(making->release), "%s", rest);
	else if (!strcmp(key, "version"))
		snprintf(making->version, sizeof(making->version), "%s", rest);
	else if (!strcmp(key, "own"))
		snprintf(making->own, sizeof(making->own), " %s ", rest);
	else if (!strcmp(key, "hypervisor"))
		making->hypervisor = true;
	else
		return false;
	return true;
}

static bool take_fact(struct making *making, const char *key, char *rest)
{
	char *text = strchr(rest, ' ');
	if (!strcmp(key, "signature"))
		put_signature(making, rest);
	else if (!strcmp(key, "cpuid"))
		fprintf(making->cpuid, "%s\n", rest);
	else if (!strcmp(key, "msr"))
		fprintf(making->msr, "%s\n", rest);
	else if (!strcmp(key, "deny"))
		fprintf(making->errors, "%s\n", rest);
	else if (!strcmp(key, "dmi"))
		put_dmi(making, rest);
	else if (!strcmp(key, "acpi"))
		put_acpi(making, rest);
	else if (!strcmp(key, "root"))
		write_file(making, "root", rest);
	else if (!strcmp(key, "directory"))
		make_directory(making, rest);
	else if (!strcmp(key, "without"))
		take_away(making, rest);
	else if (!strcmp(key, "file") && text) {
		*text = '\0';
		write_file(making, rest, text + 1);
	} else
		return false;
	return true;
}

static void begin(struct making *making)
{
	strcpy(making->release, "6.1.0-18-amd64");
	strcpy(making->version, "#1 SMP PREEMPT_DYNAMIC Debian 6.1.76-1 (2024-02-01)");
	strcpy(making->processor, "x86_64");
	making->has_ns = true;
	assert_int_equal(mkdir(making->machine->directory, 0755), 0);
	making->cpuid = open_file(making, "cpuid");
	making->msr = open_file(making, "msr");
	making->errors = open_file(making, "errors");
	make_directory(making, "/sys/class");
	write_file(making, "/proc/cpuinfo", "processor\\t: 0\\nvendor_id\\t: GenuineIntel\\nflags\\t\\t: fpu sse\\n");
	write_file(making, "/proc/cmdline", "root=/dev/sda1 ro quiet\\n");
	write_file(making, "/proc/1/environ", "HOME=/\\0TERM=linux\\0");
	write_file(making, "/proc/self/environ", "HOME=/root\\0PATH=/usr/bin:/bin\\0");
	write_file(making, "/proc/self/status", "Name:\\tsh\\nTracerPid:\\t0\\n");
	write_file(making, "/proc/self/cgroup", "0::/user.slice/user-0.slice/session-1.scope\\n");
	write_file(making, "/proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\\n");
	write_file(making, "/proc/1/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\\n");
	write_file(making, "root", "1");
}

static void put_namespaces(const struct making *making)
{
	static const struct {
		const char *name;
		unsigned inode;
	} namespaces[] = {
		{"ipc", 0xefffffff}, {"uts", 0xeffffffe},    {"user", 0xeffffffd},
		{"pid", 0xeffffffc}, {"cgroup", 0xeffffffb},
	};
	FILE *file = open_file(making, "ns");
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		char word[32];
		snprintf(word, sizeof(word), " %s ", namespaces[i].name);
		fprintf(file, "%s: %u\n", namespaces[i].name,
			strstr(making->own, word) ? 0xf0000100 + (unsigned)i : namespaces[i].inode);
	}
	assert_int_equal(fclose(file), 0);
}

/* On other processors there is no CPUID, and what was written of it is as if it were not. */
static void finish(struct making *making)
{
	char place[1024];
	fprintf(making->cpuid, "1 0: 0 0 %x 0\n", making->hypervisor ? 0x80000000 : 0);
	assert_int_equal(fclose(making->cpuid) | fclose(making->msr) | fclose(making->errors), 0);
	if (strcmp(making->processor, "x86_64")) {
		place_of(making, "cpuid", place, sizeof(place));
		if (unlink(place) < 0)
			assert_int_equal(errno, ENOENT);
	}
	if (making->processor[0] == 'n')
		making->processor[0] = 'x';
	FILE *file = open_file(making, "uname");
	fprintf(file, "Linux\nhost\n%s\n%s\n%s\n", making->release, making->version, making->processor);
	assert_int_equal(fclose(file), 0);
	if (making->has_ns)
		put_namespaces(making);
}

bool machines_next(FILE *file, const char *parent, struct machine *machine)
{
	static int number;
	struct making making = {.machine = machine};
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	*machine = (struct machine){0};
	while ((n = getline(&line, &size, file)) > 0) {
		char *rest = line + strcspn(line, " \n");
		line[strcspn(line, "\n")] = '\0';
		if (*rest)
			*rest++ = '\0';
		if (line[0] == '#')
			continue;
		if (!line[0] && machine->title[0])
			break;
		if (!strcmp(line, "machine")) {
			snprintf(machine->title, sizeof(machine->title), "%s", rest);
			snprintf(machine->directory, sizeof(machine->directory), "%s/%d", parent, number++);
			begin(&making);
		} else if (line[0] && !take_setting(&making, line, rest) && !take_fact(&making, line, rest)) {
			print_error("machines.txt: '%s' is not known\n", line);
			fail();
		}
	}
	free(line);
	if (machine->title[0])
		finish(&making);
	return machine->title[0];
}
