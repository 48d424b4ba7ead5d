/* SPDX-License-Identifier: MIT */
/* Finding and reading config.json, and its outermost object. */
#include "container/bundle/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "container/container.h"
#include "core/cleanup.h"
#include "core/error.h"

enum { SIZE_MAX_BYTES = 4 << 20, DEPTH_MAX = 32 };

static const char config_name[] = "config.json";

static void cleanup_json(json_object **json)
{
	json_object_put(*json);
}

static void cleanup_tokener(json_tokener **tokener)
{
	if (*tokener)
		json_tokener_free(*tokener);
}

static int read_version(struct bundle *bundle, const struct item *item)
{
	int major, minor;
	if (sscanf(item_string(item), "%d.%d", &major, &minor) != 2)
		return item_fail_value(item, "no version");
	/* A later one of the same number adds things only, and what is not known is refused. */
	return major == 1 ? 0 : item_fail_unsupported(item, "the library knows version 1");
}

static int read_mounts(struct bundle *bundle, const struct item *item)
{
	return item_read_list(bundle, item, json_type_object, bundle_read_mount);
}

static int read_hostname(struct bundle *bundle, const struct item *item)
{
	const char *name = item_string(item);
	return *name ? item_result(item, viso_container_set_hostname(bundle->container, name)) : 0;
}

static int read_domainname(struct bundle *bundle, const struct item *item)
{
	const char *name = item_string(item);
	return *name ? item_result(item, viso_container_set_domainname(bundle->container, name)) : 0;
}

/* "linux" first: how things are mounted depends on the namespaces. */
static int read_all(struct bundle *bundle, const struct item *item)
{
	static const struct member members[] = {
		{"ociVersion", json_type_string, read_version, true},
		{"root", json_type_object, bundle_read_root, true},
		{"linux", json_type_object, bundle_read_linux, true},
		{"process", json_type_object, bundle_read_process, true},
		{"hostname", json_type_string, read_hostname},
		{"domainname", json_type_string, read_domainname},
		{"mounts", json_type_array, read_mounts},
		{"hooks", json_type_object, bundle_read_hooks},
		{"annotations", json_type_object, item_check_strings},
		{NULL},
	};
	return item_read_members(bundle, item, members);
}

static int fail_syntax(const char *what)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, config_name, "config.json is no JSON object: %s", what);
}

int bundle_parse(struct bundle *bundle, const char *text, size_t size)
{
	_cleanup_(cleanup_tokener) json_tokener *tokener = json_tokener_new_ex(DEPTH_MAX);
	if (!tokener)
		return error_memory();
	_cleanup_(cleanup_json) json_object *json = json_tokener_parse_ex(tokener, text, (int)size);
	enum json_tokener_error error = json_tokener_get_error(tokener);
	if (error != json_tokener_success)
		return fail_syntax(json_tokener_error_desc(error));
	for (size_t i = json_tokener_get_parse_end(tokener); i < size; i++)
		if (!text[i] || !strchr(" \t\r\n", text[i]))
			return fail_syntax("something stands behind the object");
	if (!json_object_is_type(json, json_type_object))
		return fail_syntax("it is something else");
	bundle->container = viso_container_new();
	if (!bundle->container)
		return -ENOMEM;
	bundle->container->hooks.bundle = strdup(bundle->directory);
	if (!bundle->container->hooks.bundle)
		return error_memory();
	const struct item whole = {.json = json};
	return read_all(bundle, &whole);
}

void bundle_release(struct bundle *bundle)
{
	viso_container_unref(bundle->container);
	viso_command_unref(bundle->command);
}

/* 0 and the text, with a NUL behind it; or a negative errno with the error set. */
static int read_config(int directory, char **out_text, size_t *out_size)
{
	struct stat st;
	_cleanup_close_ int fd = openat(directory, config_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, config_name,
				  "the bundle's config.json cannot be opened: %s", strerrordesc_np(errno));
	if (!S_ISREG(st.st_mode))
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, config_name,
				  "the bundle's config.json is no regular file");
	_cleanup_free_ char *text = malloc(SIZE_MAX_BYTES + 1);
	size_t size = 0;
	ssize_t n = 1;
	if (!text)
		return error_memory();
	while (size <= SIZE_MAX_BYTES && (n = read(fd, text + size, SIZE_MAX_BYTES + 1 - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, config_name,
				  "the bundle's config.json cannot be read: %s", strerrordesc_np(errno));
	if (size > SIZE_MAX_BYTES)
		return error_fail(VISO_STAGE_ARGUMENT, EFBIG, config_name,
				  "the bundle's config.json is larger than %d bytes", SIZE_MAX_BYTES);
	text[size] = '\0';
	*out_text = TAKE_PTR(text);
	*out_size = size;
	return 0;
}

int viso_container_load_bundle(const char *directory, viso_container **out_container, viso_command **out_command)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(bundle_release) struct bundle bundle = {0};
	size_t size = 0;
	if (!directory || !out_container)
		return error_argument(__func__, "the directory or out_container is NULL");
	_cleanup_free_ char *path = realpath(directory, NULL);
	_cleanup_close_ int fd = path ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (fd < 0)
		return error_fail(VISO_STAGE_ARGUMENT, errno, directory, "the bundle %s cannot be opened: %s",
				  directory, strerrordesc_np(errno));
	bundle.directory = path;
	int r = read_config(fd, &text, &size);
	if (r == 0)
		r = bundle_parse(&bundle, text, size);
	if (r < 0)
		return r;
	*out_container = TAKE_PTR(bundle.container);
	if (out_command)
		*out_command = TAKE_PTR(bundle.command);
	return 0;
}
