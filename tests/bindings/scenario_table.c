/* SPDX-License-Identifier: MIT */
#include "scenario_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Resolves \n \t \0 \\ \xNN in place; the new length. */
static size_t unescape(char *text)
{
	static const char letters[] = "nt0\\", bytes[] = "\n\t\0\\";
	char *to = text;

	for (const char *from = text; *from; from++) {
		const char *letter = from[0] == '\\' && from[1] ? strchr(letters, from[1]) : NULL;
		if (letter) {
			*to++ = bytes[letter - letters];
			from++;
		} else if (from[0] == '\\' && from[1] == 'x' && from[2] && from[3]) {
			const char digits[] = {from[2], from[3], '\0'};
			*to++ = (char)strtol(digits, NULL, 16);
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}

/* One `key: value` line. 0, or -1. */
static int read_entry(struct scenario *scenario, const char *line)
{
	struct scenario_entry *entry = &scenario->entries[scenario->count];
	const char *colon = strstr(line, ": ");

	if (!colon || (size_t)(colon - line) >= sizeof(entry->key) || scenario->count == SCENARIO_ENTRIES)
		return -1;
	memcpy(entry->key, line, (size_t)(colon - line));
	entry->value = strdup(colon + 2);
	if (!entry->value)
		return -1;
	entry->size = unescape(entry->value);
	scenario->count++;
	return 0;
}

static int read_name(struct scenario **scenarios, size_t *count, char *line)
{
	struct scenario *more = realloc(*scenarios, (*count + 1) * sizeof(*more));
	if (!more)
		return -1;
	*scenarios = more;
	memset(&more[*count], 0, sizeof(*more));
	line[strcspn(line, "]")] = '\0';
	more[*count].name = strdup(line + 1);
	return more[(*count)++].name ? 0 : -1;
}

struct scenario *scenario_table_read(const char *path, size_t *out_count)
{
	FILE *file = fopen(path, "re");
	struct scenario *scenarios = NULL;
	char line[512];
	int r = file ? 0 : -1;

	*out_count = 0;
	while (r == 0 && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '[')
			r = read_name(&scenarios, out_count, line);
		else if (line[0] && line[0] != '#')
			r = *out_count ? read_entry(&scenarios[*out_count - 1], line) : -1;
	}
	if (file)
		fclose(file);
	if (r == 0)
		return scenarios;
	fprintf(stderr, "%s: cannot be read, or this line is damaged: %s\n", path, file ? line : "");
	scenario_table_free(scenarios, *out_count);
	return NULL;
}

void scenario_table_free(struct scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < scenarios[i].count; j++)
			free(scenarios[i].entries[j].value);
		free(scenarios[i].name);
	}
	free(scenarios);
}

const struct scenario_entry *scenario_entry(const struct scenario *scenario, const char *key,
					    const struct scenario_entry *previous)
{
	for (size_t i = previous ? (size_t)(previous - scenario->entries) + 1 : 0; i < scenario->count; i++)
		if (!strcmp(scenario->entries[i].key, key))
			return &scenario->entries[i];
	return NULL;
}

const char *scenario_text(const struct scenario *scenario, const char *key, const char *otherwise)
{
	const struct scenario_entry *entry = scenario_entry(scenario, key, NULL);
	return entry ? entry->value : otherwise;
}

long scenario_number(const struct scenario *scenario, const char *key, long otherwise)
{
	const char *text = scenario_text(scenario, key, NULL);
	return text ? strtol(text, NULL, 10) : otherwise;
}
