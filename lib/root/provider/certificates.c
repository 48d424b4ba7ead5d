/* SPDX-License-Identifier: MIT */
/* For programs that have loaded a library for TLS: the places where these libraries look by default. */
#include "root/provider/certificates.h"

#include <stddef.h>

#include "root/provider/take.h"

static const char *const libraries[] = {"libssl.so.", "libgnutls.so.", "libnss3.so", "libmbedtls.so.",
					"libwolfssl.so."};

static const char *const trees[] = {"/etc/ssl/certs", "/etc/pki/tls/certs", "/etc/pki/ca-trust/extracted",
				    "/etc/ca-certificates/extracted"};

/* Links of a distribution to the trees above, or to the file with all of them. */
static const char *const links[] = {"/usr/lib/ssl/certs"};
static const char *const files[] = {"/usr/lib/ssl/cert.pem", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem",
				    "/etc/pki/tls/cert.pem"};

static bool has_library(const struct closure *closure)
{
	for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++)
		if (closure_find(closure, libraries[i]))
			return true;
	return false;
}

int certificates_add(struct closure *closure, const char *host)
{
	if (!has_library(closure))
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "certificates of %s", host);
	int r = 0;
	for (size_t i = 0; r >= 0 && i < sizeof(trees) / sizeof(trees[0]); i++)
		r = take_tree(closure, trees[i], NULL);
	for (size_t i = 0; r >= 0 && i < sizeof(links) / sizeof(links[0]); i++)
		r = take_links(closure, links[i]);
	for (size_t i = 0; r >= 0 && i < sizeof(files) / sizeof(files[0]); i++)
		r = take_file(closure, files[i]);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
