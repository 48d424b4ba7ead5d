/* SPDX-License-Identifier: MIT */
/*
 * mtree(5), second format: each line has a whole path. What other readers do not know stands in comments behind its
 * entry: "#: SOURCE MADE" and flags. bsdtar fails at a keyword that it does not know.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "core/error.h"
#include "root/record/record.h"

/* As vis(3) with VIS_OCTAL and VIS_GLOB; a comma parts tags. */
static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (c > ' ' && c < 127 && !strchr("\\#*?[],=", c))
			putc(c, out);
		else
			fprintf(out, "\\%03o", c);
	}
}

static void print_hex(FILE *out, const unsigned char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		fprintf(out, "%02x", bytes[i]);
}

static void print_private(FILE *out, const struct record_entry *entry)
{
	if (!entry->source && !entry->made && !entry->is_bound && !entry->is_sparse && !entry->capability_size)
		return;
	fprintf(out, "#: %" PRIx64 " %" PRIx64, entry->source, entry->made);
	if (entry->is_linked)
		fputs(" linked", out);
	if (entry->is_bound)
		fputs(" bound", out);
	if (entry->is_sparse)
		fprintf(out, " sparse=%s", entry->sum);
	if (entry->capability_size) {
		fputs(" capability=", out);
		print_hex(out, entry->capability, entry->capability_size);
	}
	putc('\n', out);
}

static void print_type(FILE *out, const struct record_entry *entry)
{
	switch (entry->type) {
	case VISO_ENTRY_DIRECTORY:
		fputs(" type=dir", out);
		break;
	case VISO_ENTRY_LINK:
		fputs(" type=link link=", out);
		print_escaped(out, entry->link);
		break;
	case VISO_ENTRY_DEVICE:
		fprintf(out, " type=%s device=native,%u,%u", entry->is_block ? "block" : "char", major(entry->device),
			minor(entry->device));
		break;
	default:
		fprintf(out, " size=%" PRIu64, entry->size);
		if (entry->sum[0] && !entry->is_sparse)
			fprintf(out, " sha256digest=%s", entry->sum);
		break;
	}
}

/* What differs from the `/set` line at the beginning. */
static void print_entry(FILE *out, const struct record_entry *entry)
{
	putc('.', out);
	if (entry->path[1])
		print_escaped(out, entry->path);
	print_type(out, entry);
	if (entry->mode != 0644)
		fprintf(out, " mode=%04o", entry->mode);
	if (entry->has_owner && entry->uid)
		fprintf(out, " uid=%u", (unsigned)entry->uid);
	if (entry->has_owner && entry->gid)
		fprintf(out, " gid=%u", (unsigned)entry->gid);
	if (entry->reason[0]) {
		fputs(" tags=", out);
		print_escaped(out, entry->reason);
	}
	putc('\n', out);
}

char *record_print(const viso_manifest *record, bool is_private, size_t *out_size)
{
	char *text = NULL;
	bool has_owner = record->count && record->entries[0].has_owner;
	FILE *out = open_memstream(&text, out_size);
	if (!out) {
		error_memory();
		return NULL;
	}
	fputs("#mtree v2.0\n", out);
	if (is_private)
		fprintf(out, "#boot %s\n", record->boot);
	fputs(has_owner ? "/set type=file mode=0644 uid=0 gid=0\n" : "/set type=file mode=0644\n", out);
	for (size_t i = 0; i < record->count; i++) {
		print_entry(out, &record->entries[i]);
		if (is_private || record->entries[i].is_sparse || record->entries[i].capability_size)
			print_private(out, &record->entries[i]);
	}
	bool failed = ferror(out);
	failed |= fclose(out) != 0;
	/* To cut its buffer needs memory, too: glibc's fclose() does not say that it had none. */
	if (failed || !text) {
		free(text);
		error_memory();
		return NULL;
	}
	if (*out_size > RECORD_FILE_MAX) {
		free(text);
		error_fail(VISO_STAGE_ROOT, EFBIG, "manifest",
			   "a manifest of %zu entries is larger than %d bytes; make several roots of it", record->count,
			   RECORD_FILE_MAX);
		return NULL;
	}
	return text;
}
