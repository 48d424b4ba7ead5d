/* SPDX-License-Identifier: MIT */
/*
 * Reads what record_print() writes, and nothing else of mtree(5). The file may have been written by somebody hostile
 * who was root in a jail: whatever it says, paths stay clean and absolute, each comes once, and memory is bounded by
 * the size of the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "root/record/record.h"

enum { REASON_MAX = PATH_MAX };

struct reader {
	viso_manifest *record;
	struct record_entry *entry; /* the last one, for the comment behind it */
	bool has_owner;
};

static int digit_of(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : INT_MAX;
}

/* A number in full, at most `max`. */
static bool read_number(const char *text, int base, uint64_t max, uint64_t *out)
{
	uint64_t number = 0;
	if (!text || !*text)
		return false;
	for (; *text; text++) {
		int digit = digit_of(*text);
		if (digit >= base || __builtin_mul_overflow(number, (uint64_t)base, &number) ||
		    __builtin_add_overflow(number, (uint64_t)digit, &number))
			return false;
	}
	*out = number;
	return number <= max;
}

/* Undoes the octal escapes in place. False for a damaged one, a NUL, or what is not printable. */
static bool unescape(char *text)
{
	char *out = text;
	for (; *text; text++) {
		unsigned value = (unsigned char)*text;
		if (value <= ' ' || value >= 127)
			return false;
		if (value == '\\') {
			for (int i = 1; i <= 3; i++)
				if (text[i] < '0' || text[i] > '7')
					return false;
			value = (unsigned)(text[1] - '0') << 6 | (unsigned)(text[2] - '0') << 3 |
				(unsigned)(text[3] - '0');
			if (value == 0 || value > 255)
				return false;
			text += 3;
		}
		*out++ = (char)value;
	}
	*out = '\0';
	return true;
}

/* Absolute, without empty components, `.` and `..`, and no longer than the kernel takes. */
static bool is_clean(const char *path)
{
	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	for (const char *rest = path + 1; path[1] && rest;) {
		size_t length = strcspn(rest, "/");
		if (!length || length > NAME_MAX || (length <= 2 && !strncmp(rest, "..", length)))
			return false;
		rest = rest[length] ? rest + length + 1 : NULL;
	}
	return true;
}

static bool read_sum(const char *text, char *out)
{
	if (strlen(text) != SUM_TEXT - 1 || strspn(text, "0123456789abcdef") != SUM_TEXT - 1)
		return false;
	strcpy(out, text);
	return true;
}

static bool read_type(struct record_entry *entry, const char *text)
{
	entry->is_block = !strcmp(text, "block");
	if (!strcmp(text, "dir"))
		entry->type = VISO_ENTRY_DIRECTORY;
	else if (!strcmp(text, "link"))
		entry->type = VISO_ENTRY_LINK;
	else if (!strcmp(text, "char") || entry->is_block)
		entry->type = VISO_ENTRY_DEVICE;
	else
		return false;
	return true;
}

static bool read_device(struct record_entry *entry, char *text)
{
	uint64_t major_number, minor_number;
	char *comma;
	if (strncmp(text, "native,", 7) != 0 || !(comma = strchr(text + 7, ',')))
		return false;
	*comma = '\0';
	if (!read_number(text + 7, 10, UINT_MAX, &major_number) || !read_number(comma + 1, 10, UINT_MAX, &minor_number))
		return false;
	entry->device = makedev((unsigned)major_number, (unsigned)minor_number);
	return true;
}

static bool read_text(char *text, size_t max, const char **out)
{
	*out = text;
	return unescape(text) && strlen(text) < max;
}

static bool read_keyword(struct reader *reader, const char *key, char *value)
{
	struct record_entry *entry = reader->entry;
	uint64_t number;
	bool ok = false;
	if (!strcmp(key, "type"))
		ok = read_type(entry, value);
	else if (!strcmp(key, "mode") && (ok = read_number(value, 8, 07777, &number)))
		entry->mode = (unsigned)number;
	else if (!strcmp(key, "size"))
		ok = read_number(value, 10, INT64_MAX, &entry->size);
	else if (!strcmp(key, "uid") && (ok = read_number(value, 10, UINT_MAX, &number)))
		entry->uid = (uid_t)number;
	else if (!strcmp(key, "gid") && (ok = read_number(value, 10, UINT_MAX, &number)))
		entry->gid = (gid_t)number;
	else if (!strcmp(key, "link"))
		ok = read_text(value, PATH_MAX, &entry->link);
	else if (!strcmp(key, "tags"))
		ok = read_text(value, REASON_MAX, &entry->reason);
	else if (!strcmp(key, "sha256digest"))
		ok = read_sum(value, entry->sum);
	else if (!strcmp(key, "device"))
		ok = read_device(entry, value);
	return ok;
}

/*
 * Behind the entry before: then no path comes twice. That it lies within a file is no damage: a list of intentions has
 * what was a directory once.
 */
static bool is_in_order(const viso_manifest *record, const struct record_entry *entry)
{
	const struct record_entry *before = entry - 1;
	return entry == record->entries || record_compare(before->path, before->name, entry->path, entry->name) < 0;
}

static bool is_whole(const struct record_entry *entry)
{
	if ((entry->type == VISO_ENTRY_LINK) != (entry->link[0] != '\0'))
		return false;
	if (entry->type != VISO_ENTRY_FILE && (entry->sum[0] || entry->size))
		return false;
	return entry->path[1] || entry->type == VISO_ENTRY_DIRECTORY;
}

static bool read_entry(struct reader *reader, char *line)
{
	char *rest = NULL;
	char *word = strtok_r(line, " ", &rest);
	if (!word || word[0] != '.' || !unescape(word))
		return false;
	const char *path = word[1] ? word + 1 : "/";
	if (!is_clean(path) || (!path[1] && word[1]))
		return false;
	reader->entry = record_add_kept(reader->record, path, strlen(path));
	if (!reader->entry)
		return false;
	reader->entry->type = VISO_ENTRY_FILE;
	reader->entry->mode = 0644;
	reader->entry->has_owner = reader->has_owner;
	while ((word = strtok_r(NULL, " ", &rest))) {
		char *equals = strchr(word, '=');
		if (!equals)
			return false;
		*equals = '\0';
		if (!read_keyword(reader, word, equals + 1))
			return false;
	}
	return is_whole(reader->entry) && is_in_order(reader->record, reader->entry);
}

static bool read_capability(struct record_entry *entry, const char *text)
{
	size_t length = strlen(text);
	if (!length || length % 2 || length > 2 * RECORD_CAPABILITY_MAX)
		return false;
	for (size_t i = 0; i < length; i += 2) {
		char byte[3] = {text[i], text[i + 1], '\0'};
		uint64_t value;
		if (!read_number(byte, 16, 255, &value) || strspn(byte, "0123456789abcdef") != 2)
			return false;
		entry->capability[i / 2] = (unsigned char)value;
	}
	entry->capability_size = (unsigned char)(length / 2);
	return true;
}

/* "#: SOURCE MADE" and flags. */
static bool read_private(struct reader *reader, char *line)
{
	char *rest = NULL;
	struct record_entry *entry = reader->entry;
	if (!entry || !read_number(strtok_r(line, " ", &rest), 16, UINT64_MAX, &entry->source) ||
	    !read_number(strtok_r(NULL, " ", &rest), 16, UINT64_MAX, &entry->made))
		return false;
	reader->entry = NULL;
	for (const char *word; (word = strtok_r(NULL, " ", &rest));) {
		if (!strcmp(word, "linked"))
			entry->is_linked = true;
		else if (!strcmp(word, "bound") && entry->type == VISO_ENTRY_DEVICE)
			entry->is_bound = true;
		else if (!strncmp(word, "sparse=", 7) && entry->type == VISO_ENTRY_FILE && !entry->sum[0])
			entry->is_sparse = read_sum(word + 7, entry->sum);
		else if (strncmp(word, "capability=", 11) != 0 || !read_capability(entry, word + 11))
			return false;
	}
	return true;
}

static bool read_line(struct reader *reader, char *line)
{
	static const char set[] = "/set type=file mode=0644", boot[] = "#boot ";
	if (!strncmp(line, "#: ", 3))
		return read_private(reader, line + 3);
	if (!strncmp(line, boot, sizeof(boot) - 1) && strlen(line + sizeof(boot) - 1) < sizeof(reader->record->boot)) {
		strcpy(reader->record->boot, line + sizeof(boot) - 1);
		return true;
	}
	if (!strncmp(line, set, sizeof(set) - 1)) {
		reader->has_owner = !strcmp(line + sizeof(set) - 1, " uid=0 gid=0");
		return !reader->record->count && (reader->has_owner || !line[sizeof(set) - 1]);
	}
	return read_entry(reader, line);
}

static bool read_lines(struct reader *reader, char *text, size_t size)
{
	static const char signature[] = "#mtree v2.0\n";
	if (size < sizeof(signature) - 1 || memcmp(text, signature, sizeof(signature) - 1) != 0 ||
	    text[size - 1] != '\n' || memchr(text, '\0', size))
		return false;
	char *line = text + sizeof(signature) - 1, *end;
	for (; line < text + size; line = end + 1) {
		end = memchr(line, '\n', (size_t)(text + size - line));
		*end = '\0';
		if (!read_line(reader, line))
			return false;
	}
	return true;
}

/* A list without entries and room for its text, which stays its own: the strings of the entries lie in it. */
static viso_manifest *begin(size_t size, char **out_text)
{
	viso_manifest *record = record_new();
	*out_text = record ? record_reserve(record, size + 1) : NULL;
	return *out_text ? record : viso_manifest_unref(record);
}

/* Takes the list. */
static viso_manifest *parse(viso_manifest *record, char *text, size_t size, const char *name)
{
	struct reader reader = {.record = record};
	text[size] = '\0';
	record->boot[0] = '\0';
	errno = 0;
	if (read_lines(&reader, text, size))
		return record;
	if (errno != ENOMEM)
		error_fail(VISO_STAGE_ROOT, EBADMSG, name,
			   "%s is no manifest of this library, or is damaged at entry %zu", name, record->count);
	return viso_manifest_unref(record);
}

viso_manifest *record_read(int fd, const char *name)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > RECORD_FILE_MAX) {
		error_fail(VISO_STAGE_ROOT, EBADMSG, name, "%s is no manifest of this library", name);
		return NULL;
	}
	char *text;
	viso_manifest *record = begin((size_t)st.st_size, &text);
	if (!record)
		return NULL;
	ssize_t size = read_whole(fd, text, (size_t)st.st_size);
	if (size < 0) {
		error_fail(VISO_STAGE_ROOT, EIO, name, "cannot read %s: %s", name, strerrordesc_np((int)-size));
		return viso_manifest_unref(record);
	}
	return parse(record, text, (size_t)size, name);
}
