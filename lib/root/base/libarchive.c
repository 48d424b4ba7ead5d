/* SPDX-License-Identifier: MIT */
#include "root/base/libarchive.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#include "core/error.h"

#define LIBARCHIVE_SONAME "libarchive.so.13"

/* So that package managers, and viso_root_add_program(), know of it: https://uapi-group.org/specifications/specs/
 * elf_dlopen_metadata/ */
__asm__(".pushsection .note.dlopen, \"a\", %note\n"
	".balign 4\n"
	".long 4, 2f - 1f, 0x407c0c0a\n"
	".asciz \"FDO\"\n"
	"1: .asciz \"[{\\\"feature\\\":\\\"archive\\\",\\\"description\\\":\\\"archives and images as a root's "
	"base\\\","
	"\\\"priority\\\":\\\"suggested\\\",\\\"soname\\\":[\\\"" LIBARCHIVE_SONAME "\\\"]}]\"\n"
	"2: .balign 4\n"
	".popsection\n");

static int fail_missing(const char *what)
{
	return error_fail(VISO_STAGE_IMAGE, EOPNOTSUPP, LIBARCHIVE_SONAME,
			  "reading archives needs libarchive, which cannot be loaded (%s); install it (libarchive13 on "
			  "Debian)",
			  what ? what : "unknown error");
}

int libarchive_load(struct libarchive *out)
{
	/* The loader counts, and gives what is loaded already: there is nothing to remember, and no lock to hold in a
	 * fork. */
	void *handle = dlopen(LIBARCHIVE_SONAME, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	if (!handle)
		return fail_missing(dlerror());
#define LIBARCHIVE_FIND(function)                                                                                      \
	{                                                                                                              \
		void *symbol = dlsym(handle, #function);                                                               \
		if (!symbol)                                                                                           \
			return fail_missing(dlerror());                                                                \
		memcpy(&out->function, &symbol, sizeof(symbol));                                                       \
	}
	LIBARCHIVE_FUNCTIONS(LIBARCHIVE_FIND)
#undef LIBARCHIVE_FIND
	return 0;
}

/* Where libarchive was built without a compression it would start a program for it: ARCHIVE_WARN says so. Not by us. */
static void add_filter(const struct libarchive *library, struct archive *archive, int (*filter)(struct archive *))
{
	struct archive *trial = library->archive_read_new();
	if (trial && filter(trial) == ARCHIVE_OK)
		filter(archive);
	library->archive_read_free(trial);
}

struct archive *libarchive_new(const struct libarchive *library, unsigned compressions)
{
	struct archive *archive = library->archive_read_new();
	if (!archive) {
		error_memory();
		return NULL;
	}
	if (compressions & LIBARCHIVE_GZIP)
		add_filter(library, archive, library->archive_read_support_filter_gzip);
	if (compressions & LIBARCHIVE_BZIP2)
		add_filter(library, archive, library->archive_read_support_filter_bzip2);
	if (compressions & LIBARCHIVE_XZ)
		add_filter(library, archive, library->archive_read_support_filter_xz);
	if (compressions & LIBARCHIVE_ZSTD)
		add_filter(library, archive, library->archive_read_support_filter_zstd);
	if (compressions & LIBARCHIVE_LZ4)
		add_filter(library, archive, library->archive_read_support_filter_lz4);
	if (library->archive_read_support_format_tar(archive) != ARCHIVE_OK) {
		library->archive_read_free(archive);
		error_memory();
		return NULL;
	}
	return archive;
}
