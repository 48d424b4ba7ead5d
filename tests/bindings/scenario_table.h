/* SPDX-License-Identifier: MIT */
/* The table of scenarios that C, Python and Lua run: scenarios.txt, which also describes it. */
#ifndef SCENARIO_TABLE_H
#define SCENARIO_TABLE_H

#include <stddef.h>

enum { SCENARIO_ENTRIES = 32 };

struct scenario_entry {
	char key[16];
	char *value; /* with its escapes resolved; followed by a NUL */
	size_t size;
};

struct scenario {
	char *name;
	struct scenario_entry entries[SCENARIO_ENTRIES];
	size_t count;
};

/* Reads the table; NULL where it cannot be read or is damaged. To be freed by scenario_table_free(). */
struct scenario *scenario_table_read(const char *path, size_t *out_count);
void scenario_table_free(struct scenario *scenarios, size_t count);

/* The first entry with this key after `previous` (NULL: at all); NULL where there is none. */
const struct scenario_entry *scenario_entry(const struct scenario *scenario, const char *key,
					    const struct scenario_entry *previous);

/* The value of a key, or a default. */
const char *scenario_text(const struct scenario *scenario, const char *key, const char *otherwise);
long scenario_number(const struct scenario *scenario, const char *key, long otherwise);

#endif
