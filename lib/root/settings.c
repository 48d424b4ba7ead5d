/* SPDX-License-Identifier: MIT */
/* Where a root takes everything from, and which rules look for what programs load by themselves. */
#include <errno.h>

#include "core/error.h"
#include "root/handle.h"

static const int source_errors[] = {EACCES, EINVAL, EBUSY, ENOENT, ENOTDIR, ENOMEM, ECHILD, 0};
static const int provider_errors[] = {EINVAL, EBUSY, ECHILD, 0};

static const char *const names[] = {
	[VISO_PROVIDER_DLOPEN_NOTES] = "dlopen-notes",
	[VISO_PROVIDER_NSS] = "nss",
	[VISO_PROVIDER_GCONV] = "gconv",
	[VISO_PROVIDER_PAM] = "pam",
	[VISO_PROVIDER_OPENSSL] = "openssl",
	[VISO_PROVIDER_LOCALE] = "locale",
	[VISO_PROVIDER_ZONEINFO] = "zoneinfo",
	[VISO_PROVIDER_CERTIFICATES] = "certificates",
	[VISO_PROVIDER_RUNTIME] = "runtime",
};

enum { PROVIDERS = sizeof(names) / sizeof(names[0]) };

int viso_root_set_source(viso_root *root, const char *path)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if (!path || path[0] != '/')
		r = error_argument(__func__, "the tree is not an absolute path");
	else if (root->manifest.count)
		r = root_busy(__func__, "something was added to this root already; choose its source first");
	else
		r = source_set(&root->source, path);
	return root_end(root, mark, r, source_errors);
}

int viso_root_set_provider(viso_root *root, viso_provider provider, int enabled)
{
	size_t mark;
	int r = root_begin(root, __func__, &mark);
	if (r < 0)
		return r;
	if ((unsigned)provider >= PROVIDERS)
		r = error_argument(__func__, "there is no such provider");
	else if (enabled)
		root->providers_off &= ~(1u << provider);
	else
		root->providers_off |= 1u << provider;
	return root_end(root, mark, r, provider_errors);
}

const char *viso_provider_name(viso_provider provider)
{
	return (unsigned)provider < PROVIDERS ? names[provider] : NULL;
}
