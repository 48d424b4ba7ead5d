/* SPDX-License-Identifier: MIT */
/*
 * For programs that ask for users, groups, hosts, services or protocols, see closure/uses.h. The modules are those that
 * the host's nsswitch.conf names. The accounts of the host are none of the root's business: passwd, group and shadow
 * are not taken.
 */
#include "root/provider/nss.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "root/closure/uses.h"
#include "root/provider/take.h"
#include "root/source.h"

static const char settings[] = "/etc/nsswitch.conf";

/* What libc and the modules `files` and `dns` read; musl reads the first of them. */
static const char *const files[] = {
	"/etc/hosts",    "/etc/services", "/etc/protocols", "/etc/resolv.conf", "/etc/networks", "/etc/host.conf",
	"/etc/gai.conf", "/etc/ethers",   "/etc/netgroup",  "/etc/rpc",         settings,
};

static bool is_service(const char *name, size_t length)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	return length && length < 64 && strspn(name, letters) >= length;
}

static int add_module(struct closure *closure, const char *service, size_t length)
{
	char name[96];
	snprintf(name, sizeof(name), "libnss_%.*s.so.2", (int)length, service);
	/* A service that is not installed is skipped by libc as well. */
	int r = closure_add_dlopened(closure, NULL, name);
	return r < 0 ? r : 0;
}

/* "hosts: files mdns4_minimal [NOTFOUND=return] dns" */
static int add_line(struct closure *closure, char *line)
{
	line[strcspn(line, "#")] = '\0';
	char *rest = strchr(line, ':');
	if (!rest)
		return 0;
	for (rest++; *(rest += strspn(rest, " \t"));) {
		size_t length = strcspn(rest, *rest == '[' ? "]" : " \t[");
		if (is_service(rest, length)) {
			int r = add_module(closure, rest, length);
			if (r < 0)
				return r;
		}
		rest += length;
		rest += *rest == ']';
	}
	return 0;
}

static int add_modules(struct closure *closure)
{
	enum { SETTINGS_MAX = 1 << 20 };
	char defaults[] = "hosts: files dns";
	_cleanup_free_ char *text = source_read(closure->manifest->source, settings, SETTINGS_MAX);
	int r = add_line(closure, defaults);
	char *rest = text;
	for (char *line; r >= 0 && (line = strsep(&rest, "\n"));)
		r = add_line(closure, line);
	return r;
}

int nss_add(struct closure *closure, const char *host)
{
	if (!closure->program_count || !(closure_uses(closure) & USES_NSS))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "nss of %s", host);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
		r = take_file(closure, files[i]);
	if (r >= 0 && !closure->loader.musl)
		r = add_modules(closure);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
