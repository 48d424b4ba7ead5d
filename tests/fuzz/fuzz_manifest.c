/* SPDX-License-Identifier: MIT */
/* A manifest that somebody else wrote: what is read from it is complete, and is the same when it was written and read
 * again. */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <virtiso.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_manifest: %s\n", what);
	abort();
}

static void look_at(const viso_manifest *manifest)
{
	for (size_t i = 0; i < viso_manifest_count(manifest); i++) {
		const char *path = viso_manifest_path(manifest, i);
		expect(path && path[0] == '/', "a path that is not absolute");
		/* An entry above the root would be compared, and removed, there. */
		expect(!strstr(path, "/../") && (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0),
		       "a path that leads out of the root");
		expect(viso_manifest_type(manifest, i) >= VISO_ENTRY_DIRECTORY &&
			       viso_manifest_mode(manifest, i) >= 0 && viso_manifest_mode(manifest, i) <= 07777 &&
			       viso_manifest_size(manifest, i) >= 0,
		       "a number that cannot be");
		expect(viso_manifest_link(manifest, i) && viso_manifest_reason(manifest, i), "no text");
		size_t sum = strlen(viso_manifest_sha256(manifest, i));
		expect(sum == 0 || sum == 64, "half a sum");
		expect(viso_manifest_find(manifest, path) >= 0, "an entry that is not found by its path");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char path[64];
	viso_manifest *manifest = NULL;
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	expect(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size, "no memory file");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int r = viso_manifest_load(path, &manifest);
	expect(r == 0 || r == -EBADMSG || r == -ENOMEM, "an errno that is not documented");
	if (r < 0)
		return 0;
	look_at(manifest);
	viso_manifest_unref(manifest);
	return 0;
}
