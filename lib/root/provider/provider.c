/* SPDX-License-Identifier: MIT */
/* The table of all rules. */
#include "root/provider/provider.h"

#include <virtiso/root.h>

#include "root/provider/certificates.h"
#include "root/provider/dlopen_notes.h"
#include "root/provider/gcc.h"
#include "root/provider/gconv.h"
#include "root/provider/git.h"
#include "root/provider/interpreter.h"
#include "root/provider/java.h"
#include "root/provider/locale.h"
#include "root/provider/nginx.h"
#include "root/provider/nss.h"
#include "root/provider/openssl.h"
#include "root/provider/pam.h"
#include "root/provider/python.h"
#include "root/provider/unwinder.h"
#include "root/provider/zoneinfo.h"

static const struct {
	viso_provider provider;
	provider_fn add;
} rules[] = {
	/* First, since the modules that these add can be what the other rules look for. */
	{VISO_PROVIDER_RUNTIME, python_add},
	{VISO_PROVIDER_RUNTIME, perl_add},
	{VISO_PROVIDER_RUNTIME, lua_add},
	{VISO_PROVIDER_RUNTIME, ruby_add},
	{VISO_PROVIDER_RUNTIME, node_add},
	{VISO_PROVIDER_RUNTIME, java_add},
	{VISO_PROVIDER_RUNTIME, gcc_add},
	{VISO_PROVIDER_RUNTIME, git_add},
	{VISO_PROVIDER_RUNTIME, nginx_add},
	/* What loads more libraries stands before what looks at all of them. */
	{VISO_PROVIDER_DLOPEN_NOTES, dlopen_notes_add},
	{VISO_PROVIDER_DLOPEN_NOTES, unwinder_add},
	{VISO_PROVIDER_PAM, pam_add},
	{VISO_PROVIDER_OPENSSL, openssl_add},
	{VISO_PROVIDER_NSS, nss_add},
	{VISO_PROVIDER_DLOPEN_NOTES, dlopen_notes_add},
	{VISO_PROVIDER_CERTIFICATES, certificates_add},
	{VISO_PROVIDER_GCONV, gconv_add},
	{VISO_PROVIDER_LOCALE, locale_add},
	{VISO_PROVIDER_ZONEINFO, zoneinfo_add},
};

int providers_add(struct closure *closure, const char *host, unsigned off)
{
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!(off >> rules[i].provider & 1))
			r = rules[i].add(closure, host);
	return r;
}
