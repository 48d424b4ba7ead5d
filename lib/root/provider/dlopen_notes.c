/* SPDX-License-Identifier: MIT */
/*
 * A note is an array of objects: {"soname": ["libx.so.1", ...], "feature": ..., "priority": "required"}. Of several
 * sonames the first one that is found is what the program will load. What is not there is an error only where it is
 * required; the others are features that the host does without as well.
 */
#include "root/provider/dlopen_notes.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/log.h"

enum { SONAMES_MAX = 64, DEPTH_MAX = 8 };

static void cleanup_json(json_object **json)
{
	json_object_put(*json);
}

static void cleanup_tokener(json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

static const char *string_of(json_object *json)
{
	return json_object_is_type(json, json_type_string) ? json_object_get_string(json) : NULL;
}

static int fail_missing(const struct object *needer, json_object *feature, const char *soname)
{
	const char *priority = string_of(json_object_object_get(feature, "priority"));
	if (priority && !strcmp(priority, "required"))
		return error_fail(VISO_STAGE_ROOT, ENOENT, soname,
				  "the library %s, which %s loads by itself and requires, is missing; install it",
				  soname, needer->path);
	log_info("the library %s, which %s would load by itself, is not there", soname, needer->path);
	return 0;
}

static int add_feature(struct closure *closure, struct object *needer, json_object *feature)
{
	json_object *sonames = NULL;
	const char *first = NULL;
	if (!json_object_is_type(feature, json_type_object) ||
	    !json_object_object_get_ex(feature, "soname", &sonames) || !json_object_is_type(sonames, json_type_array))
		return 0;
	for (size_t i = 0; i < json_object_array_length(sonames) && i < SONAMES_MAX; i++) {
		const char *soname = string_of(json_object_array_get_idx(sonames, i));
		if (!soname || !*soname)
			continue;
		first = first ? first : soname;
		int r = closure_add_dlopened(closure, needer, soname);
		if (r != 1)
			return r;
	}
	return first ? fail_missing(needer, feature, first) : 0;
}

static int add_note(struct closure *closure, struct object *needer, const char *text)
{
	_cleanup_(cleanup_tokener) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return error_memory();
	_cleanup_(cleanup_json) json_object *json = json_tokener_parse_ex(tokener, text, (int)strlen(text) + 1);
	if (!json && json_tokener_get_error(tokener) == json_tokener_success)
		return error_memory();
	if (!json_object_is_type(json, json_type_array)) {
		log_warning("the .note.dlopen of %s is no list", needer->path);
		return 0;
	}
	int r = 0;
	for (size_t i = 0; r >= 0 && i < json_object_array_length(json); i++)
		r = add_feature(closure, needer, json_object_array_get_idx(json, i));
	return r;
}

int dlopen_notes_add(struct closure *closure, const char *host)
{
	int r = 0;
	const char *before = manifest_set_reason(closure->manifest, "dlopen note of %s", host);
	/* What is found brings notes of its own. */
	for (size_t i = 0; r >= 0 && closure->program_count && i < closure->objects.count; i++) {
		struct object *object = closure->objects.items[i];
		for (size_t j = 0; r >= 0 && j < object->elf.dlopen_notes.count; j++)
			r = add_note(closure, object, object->elf.dlopen_notes.items[j]);
	}
	manifest_restore_reason(closure->manifest, before);
	return r;
}
