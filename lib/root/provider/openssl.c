/* SPDX-License-Identifier: MIT */
/* For programs that have loaded libcrypto. Private keys of the host are not taken. */
#include "root/provider/openssl.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "root/provider/take.h"
#include "root/source.h"

/* OPENSSLDIR is compiled in; these are what distributions choose. */
static const char *const settings[] = {"/usr/lib/ssl/openssl.cnf", "/etc/ssl/openssl.cnf", "/etc/pki/tls/openssl.cnf"};

static const char *const modules[] = {"ossl-modules", "engines-3", "engines-1.1"};

/* ".include = /path" and ".include /path" */
static int add_includes(struct closure *closure, const char *path)
{
	enum { SETTINGS_MAX = 1 << 20 };
	static const char include[] = ".include";
	_cleanup_free_ char *text = source_read(closure->manifest->source, path, SETTINGS_MAX);
	char *rest = text;
	int r = 0;
	for (char *line; r >= 0 && (line = strsep(&rest, "\n"));) {
		if (strncmp(line, include, sizeof(include) - 1) != 0)
			continue;
		line += sizeof(include) - 1;
		line += strspn(line, " \t=");
		line[strcspn(line, " \t#")] = '\0';
		if (line[0] == '/' && strlen(line) < PATH_MAX)
			r = source_has_directory(closure->manifest->source, line) ? take_tree(closure, line, NULL)
										  : take_file(closure, line);
	}
	return r;
}

static int add_modules(struct closure *closure, const struct object *libcrypto)
{
	char path[PATH_MAX];
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (!take_beside(libcrypto, modules[i], path))
			continue;
		r = take_tree(closure, path, NULL);
		if (r >= 0)
			r = take_each(closure, path, ".so", closure_add_module);
	}
	return r;
}

int openssl_add(struct closure *closure, const char *host)
{
	const struct object *libcrypto = closure_find(closure, "libcrypto.so.");
	if (!libcrypto)
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "openssl of %s", host);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(settings) / sizeof(settings[0]); i++) {
		r = take_file(closure, settings[i]);
		if (r >= 0)
			r = add_includes(closure, settings[i]);
	}
	if (r >= 0)
		r = add_modules(closure, libcrypto);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
