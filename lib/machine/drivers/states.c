/* SPDX-License-Identifier: MIT */
/*
 * How it stands with a module: loaded, a part of the kernel, a file that is there, or nowhere.
 *
 * A module that is a part of the kernel has a directory in /sys/module only where it has parameters or a version, and
 * then no initstate (kernel/params.c, kernel/module/sysfs.c); its driver on a bus has no link to a module (or to that
 * directory); depmod(8) and the kernel's options name it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "machine/drivers/drivers.h"

enum { LOADED_MAX = 1 << 20, BUILT_IN_MAX = 4 << 20, AVAILABLE_MAX = 16 << 20, OPTIONS_MAX = 4 << 20, NOTHING = -1 };

int evidence_add(struct strings *evidence, int error, const char *source, const char *format, ...)
{
	char value[512], *line;
	const char *name = error < 0 ? strerrorname_np(-error) : NULL;
	va_list args;
	va_start(args, format);
	vsnprintf(value, sizeof(value), format, args);
	va_end(args);
	if (asprintf(&line, "%s: %s", source, error < 0 ? name ? name : "EIO" : value) < 0)
		return -ENOMEM;
	/* It goes to people, and comes from devices and captured files. */
	make_printable(line);
	return strings_take(evidence, line);
}

void kernel_files_init(struct kernel_files *files, struct provider *provider)
{
	struct utsname name;
	*files = (struct kernel_files){.provider = provider, .container = provider_in_container(provider)};
	if (provider_uname(provider, &name) < 0)
		return;
	/* It becomes a part of paths. */
	if (!strchr(name.release, '/') && name.release[0] != '.')
		snprintf(files->release, sizeof(files->release), "%s", name.release);
}

void kernel_files_clear(struct kernel_files *files)
{
	struct text *const texts[] = {&files->loaded, &files->built_in, &files->available, &files->options};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		free(texts[i]->text);
}

/* The text of a file, read once. NULL and the errno where there is none. */
static const char *read_once(struct kernel_files *files, struct text *text, const char *path, size_t max)
{
	size_t size;
	if (!text->tried) {
		text->error = provider_read_all(files->provider, path, max, &text->text, &size);
		text->tried = text->error != -ENOMEM;
	}
	return text->text;
}

/* Names of modules have - and _ as they like. */
static bool is_name(const char *text, size_t length, const char *name)
{
	size_t i = 0;
	for (; i < length && name[i]; i++)
		if (text[i] != name[i] && !(text[i] == '-' && name[i] == '_'))
			return false;
	return i == length && !name[i];
}

/* Each of the looks below gives a state, NOTHING, or -ENOMEM. */
struct look {
	struct kernel_files *files;
	const struct module *module;
	struct strings *evidence;
	bool uncertain; /* something could not be read */
};

static int nothing(struct look *look, int error)
{
	if (error == -ENOMEM)
		return error;
	look->uncertain |= error < 0 && error != -ENOENT;
	return NOTHING;
}

static int found(struct look *look, viso_driver_state state, const char *source, const char *value, size_t length)
{
	int r = evidence_add(look->evidence, 0, source, "%.*s", (int)length, value);
	return r < 0 ? r : (int)state;
}

static int look_at_loaded(struct look *look)
{
	struct kernel_files *files = look->files;
	const char *text = read_once(files, &files->loaded, "/proc/modules", LOADED_MAX);
	if (!text)
		return nothing(look, files->loaded.error);
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, "\n");
		if (is_name(line, strcspn(line, " \n"), look->module->name))
			return found(look, VISO_DRIVER_LOADED, "/proc/modules", line, length);
	}
	return NOTHING;
}

static int look_at_sysfs(struct look *look)
{
	static const char without[] = "there, without initstate";
	char path[128], state[32];
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", look->module->name);
	int r = provider_read_line(look->files->provider, path, state, sizeof(state));
	if (r == 0)
		return found(look, VISO_DRIVER_LOADED, path, state, strlen(state));
	if (r != -ENOENT)
		return nothing(look, r);
	snprintf(path, sizeof(path), "/sys/module/%s", look->module->name);
	r = provider_exists(look->files->provider, path);
	return r == 1 ? found(look, VISO_DRIVER_BUILT_IN, path, without, strlen(without)) : nothing(look, r);
}

/* A driver "BUS/NAME". Where it has a link to a module, that is another one: /sys/module had no word of this. */
static int look_at_driver(struct look *look, const char *bus, size_t bus_length, const char *name)
{
	static const char without[] = "there, without a module";
	char path[160], link[192], target[512];
	snprintf(path, sizeof(path), "/sys/bus/%.*s/drivers/%s", (int)bus_length, bus, name);
	int r = provider_exists(look->files->provider, path);
	if (r != 1)
		return nothing(look, r);
	snprintf(link, sizeof(link), "%s/module", path);
	r = provider_read_link(look->files->provider, link, target, sizeof(target));
	return r == -ENOENT ? found(look, VISO_DRIVER_BUILT_IN, path, without, strlen(without)) : nothing(look, r);
}

/* By a driver on a bus, or whatever else shows that it works. */
static int look_at_buses(struct look *look)
{
	const struct module *module = look->module;
	int r = module->sign ? provider_exists(look->files->provider, module->sign) : 0;
	if (r == 1)
		return found(look, VISO_DRIVER_BUILT_IN, module->sign, "there", strlen("there"));
	r = nothing(look, r);
	for (size_t i = 0; r == NOTHING && i < DRIVERS_MAX && module->drivers[i]; i++) {
		const char *slash = strchr(module->drivers[i], '/');
		r = look_at_driver(look, module->drivers[i], (size_t)(slash - module->drivers[i]), slash + 1);
	}
	for (size_t i = 0; r == NOTHING && !module->drivers[0] && i < ALIASES_MAX && module->aliases[i]; i++)
		r = look_at_driver(look, module->aliases[i], strcspn(module->aliases[i], ":"), module->name);
	return r;
}

/* The line of a list of depmod(8) that has the module's file: kernel/drivers/net/virtio_net.ko.xz: … */
static const char *find_file(const char *text, const char *name, size_t *out_length)
{
	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		size_t length = strcspn(line, ":\n"), begin = length;
		while (begin > 0 && line[begin - 1] != '/')
			begin--;
		const char *dot = memmem(line + begin, length - begin, ".ko", 3);
		if (dot && is_name(line + begin, (size_t)(dot - line) - begin, name)) {
			*out_length = length;
			return line;
		}
	}
	return NULL;
}

static int look_at_list(struct look *look, struct text *text, const char *list, size_t max, viso_driver_state state)
{
	struct kernel_files *files = look->files;
	char path[128];
	size_t length;
	if (!files->release[0])
		return NOTHING;
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", files->release, list);
	const char *lines = read_once(files, text, path, max);
	if (!lines)
		return nothing(look, text->error);
	const char *line = find_file(lines, look->module->name, &length);
	return line ? found(look, state, path, line, length) : NOTHING;
}

/* An option may also be a comment, "is not set". */
static int look_at_options(struct look *look)
{
	struct kernel_files *files = look->files;
	char path[128], option[64];
	if (!files->release[0])
		return NOTHING;
	snprintf(path, sizeof(path), "/boot/config-%s", files->release);
	const char *text = read_once(files, &files->options, path, OPTIONS_MAX);
	if (!text)
		return nothing(look, files->options.error);
	int length = snprintf(option, sizeof(option), "\nCONFIG_%s=y\n", look->module->option);
	return strstr(text, option) ? found(look, VISO_DRIVER_BUILT_IN, path, option + 1, (size_t)length - 2) : NOTHING;
}

/*
 * Nowhere: is that certain? Without /proc/modules the kernel takes no modules (CONFIG_MODULES), and whatever it has is
 * a part of it. The files below /lib/modules are the kernel's own outside of containers only.
 */
static int conclude(struct look *look)
{
	struct kernel_files *files = look->files;
	char path[128];
	int r = evidence_add(look->evidence, files->loaded.error, "/proc/modules", "not in it");
	if (r < 0)
		return r;
	look->uncertain |= provider_exists(files->provider, "/proc/self") != 1;
	look->uncertain |= provider_exists(files->provider, "/sys/module") != 1;
	/* What has neither a driver on a bus nor parameters is a part of the kernel without a trace but in its options.
	 */
	look->uncertain |= !look->module->aliases[0] && !files->built_in.text && !files->options.text;
	if (files->loaded.error != -ENOENT) {
		look->uncertain |= files->container != VISO_ANSWER_NO || !files->release[0];
		snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", files->release);
		r = evidence_add(look->evidence, files->available.error, path, "not in it");
	}
	return r < 0 ? r : look->uncertain ? VISO_DRIVER_UNKNOWN : VISO_DRIVER_MISSING;
}

int module_state(struct kernel_files *files, const struct module *module, struct strings *evidence)
{
	struct look look = {.files = files, .module = module, .evidence = evidence};
	int r = look_at_loaded(&look);
	if (r == NOTHING)
		r = look_at_sysfs(&look);
	if (r == NOTHING)
		r = look_at_buses(&look);
	if (r == NOTHING)
		r = look_at_list(&look, &files->built_in, "modules.builtin", BUILT_IN_MAX, VISO_DRIVER_BUILT_IN);
	if (r == NOTHING)
		r = look_at_options(&look);
	if (r == NOTHING)
		r = look_at_list(&look, &files->available, "modules.dep", AVAILABLE_MAX, VISO_DRIVER_AVAILABLE);
	return r == NOTHING ? conclude(&look) : r;
}
