/* SPDX-License-Identifier: MIT */
/* Lists and counts, for people and for programs. */
#include <stdio.h>
#include <string.h>

#include "jail.h"

/* How many bytes of UTF-8 begin here; 0 where it is none. */
static int utf8_length(const unsigned char *text)
{
	int length = *text < 0x80 ? 1 : *text >= 0xc2 && *text < 0xe0 ? 2 : *text >= 0xe0 && *text < 0xf0 ? 3 : 0;
	if (*text >= 0xf0 && *text < 0xf5)
		length = 4;
	for (int i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than needed, surrogates, beyond the last character. */
	if ((*text == 0xe0 && text[1] < 0xa0) || (*text == 0xed && text[1] >= 0xa0) ||
	    (*text == 0xf0 && text[1] < 0x90) || (*text == 0xf4 && text[1] >= 0x90))
		return 0;
	return length;
}

/* A JSON string. A byte that is no UTF-8 is written as Python's surrogateescape does, so that nothing is lost. */
static void print_string(const char *string)
{
	const unsigned char *text = (const unsigned char *)string;
	putchar('"');
	while (*text) {
		int length = utf8_length(text);
		if (length == 0) {
			printf("\\udc%02x", *text);
			length = 1;
		} else if (*text < 0x20 || *text == 0x7f) {
			printf("\\u%04x", *text);
		} else if (*text == '"' || *text == '\\') {
			printf("\\%c", *text);
		} else {
			printf("%.*s", length, (const char *)text);
		}
		text += length;
	}
	putchar('"');
}

static void print_member(const char *name, const char *value, bool last)
{
	printf("\"%s\": ", name);
	print_string(value);
	fputs(last ? "}" : ", ", stdout);
}

static void print_json_entry(const viso_manifest *manifest, size_t i, bool first)
{
	fputs(first ? " {" : ",\n {", stdout);
	print_member("path", viso_manifest_path(manifest, i), false);
	print_member("type", viso_entry_type_name((viso_entry_type)viso_manifest_type(manifest, i)), false);
	printf("\"mode\": %d, \"size\": %lld, ", viso_manifest_mode(manifest, i),
	       (long long)viso_manifest_size(manifest, i));
	print_member("sha256", viso_manifest_sha256(manifest, i), false);
	print_member("link", viso_manifest_link(manifest, i), false);
	print_member("reason", viso_manifest_reason(manifest, i), false);
	print_member("state", viso_entry_state_name((viso_entry_state)viso_manifest_state(manifest, i)), true);
}

/* The control characters of ISO 8859, in UTF-8 or as single bytes, are among those. */
static bool is_control(const unsigned char *text, int length)
{
	return length == 0 || *text < 0x20 || *text == 0x7f || (length == 2 && *text == 0xc2 && text[1] < 0xa0);
}

void print_safely(FILE *out, const char *string)
{
	const unsigned char *text = (const unsigned char *)string;
	while (*text) {
		int length = utf8_length(text);
		if (is_control(text, length))
			putc('?', out);
		else
			fwrite(text, 1, (size_t)length, out);
		text += length ? length : 1;
	}
}

static void print_text_entry(const viso_manifest *manifest, size_t i, enum print_what what)
{
	if (what == PRINT_DIFFERENCES)
		printf("%-9s ", viso_entry_state_name((viso_entry_state)viso_manifest_state(manifest, i)));
	else
		printf("%c %04o %10lld ", "?d-lD"[viso_manifest_type(manifest, i)], viso_manifest_mode(manifest, i),
		       (long long)viso_manifest_size(manifest, i));
	print_safely(stdout, viso_manifest_path(manifest, i));
	if (viso_manifest_type(manifest, i) == VISO_ENTRY_LINK) {
		fputs(" -> ", stdout);
		print_safely(stdout, viso_manifest_link(manifest, i));
	}
	fputs("  (", stdout);
	print_safely(stdout, viso_manifest_reason(manifest, i));
	fputs(")\n", stdout);
}

void print_manifest(const viso_manifest *manifest, enum print_what what, bool json)
{
	bool first = true;
	if (json)
		puts("[");
	for (size_t i = 0; i < viso_manifest_count(manifest); i++) {
		if (what == PRINT_DIFFERENCES && viso_manifest_state(manifest, i) == VISO_ENTRY_RIGHT)
			continue;
		if (json)
			print_json_entry(manifest, i, first);
		else
			print_text_entry(manifest, i, what);
		first = false;
	}
	if (json)
		puts(first ? "]" : "\n]");
}

void print_count(const char *name, int count, const char *directory, bool json)
{
	if (!json) {
		print_safely(stdout, directory);
		printf(": %d %s\n", count, name);
		return;
	}
	printf("{\"%s\": %d, ", name, count);
	print_member("directory", directory, true);
	putchar('\n');
}

void print_file(const char *file, const char *directory)
{
	putchar('{');
	print_member("file", file, false);
	print_member("directory", directory, true);
	putchar('\n');
}

void print_error(void)
{
	printf("{\"errno\": %d, ", viso_error_number());
	print_member("stage", viso_stage_name(viso_error_stage()), false);
	print_member("object", viso_error_object(), false);
	print_member("message", viso_error_message(), true);
	putchar('\n');
}
