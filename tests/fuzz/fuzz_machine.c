/* SPDX-License-Identifier: MIT */
/*
 * A machine that somebody else captured. The first byte chooses: its files are the pieces of the input, in the order in
 * which they are asked for; or its facts (cpuid, msr, uname, ns, errors) are, in a directory. Whatever it says, the
 * layers are in order, and each has its evidence, which can be printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <virtiso.h>

#include "machine/layers/layers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { END_OF_PIECE = 0xfe, ABSENT = 0xfd };

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_machine: %s\n", what);
	abort();
}

static const uint8_t *rest;
static size_t rest_size;

/* The next piece; -ENOENT or another errno where it begins so, but not -ENOMEM, which ends the detection. */
static int take_piece(const uint8_t **out_piece, size_t *out_size)
{
	const uint8_t *end = memchr(rest, END_OF_PIECE, rest_size);
	*out_piece = rest;
	*out_size = end ? (size_t)(end - rest) : rest_size;
	size_t taken = end ? *out_size + 1 : *out_size;
	rest += taken;
	rest_size -= taken;
	if (*out_size == 0)
		return -ENOENT;
	int error = (int)(*out_size % 40 + 1);
	return **out_piece == ABSENT ? -(error == ENOMEM ? EIO : error) : 0;
}

static int made_open(struct provider *provider, const char *path, int flags)
{
	static int fd = -1;
	const uint8_t *piece;
	size_t size;
	int r = take_piece(&piece, &size);
	if (r < 0)
		return r;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (fd < 0)
		fd = memfd_create("fuzz", MFD_CLOEXEC);
	expect(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, piece, size, 0) == (ssize_t)size &&
		       lseek(fd, 0, SEEK_SET) == 0,
	       "no memory file");
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static ssize_t made_read_link(struct provider *provider, const char *path, char *target, size_t size)
{
	return -ENOENT;
}

static int take_bytes(void *bytes, size_t wanted)
{
	const uint8_t *piece;
	size_t size;
	int r = take_piece(&piece, &size);
	if (r < 0)
		return r;
	memset(bytes, 0, wanted);
	memcpy(bytes, piece, size < wanted ? size : wanted);
	return 0;
}

static int made_cpuid(struct provider *provider, uint32_t leaf, uint32_t subleaf, struct cpuid_answer *out_answer)
{
	return take_bytes(out_answer, sizeof(*out_answer));
}

static int made_msr(struct provider *provider, uint32_t number, uint64_t *out_value)
{
	return take_bytes(out_value, sizeof(*out_value));
}

/* Every processor gets its turn. */
static int made_uname(struct provider *provider, struct utsname *out_name)
{
	static const char *const machines[] = {"x86_64", "aarch64", "ppc64le", "s390x", "sparc64", "riscv64"};
	uint8_t which;
	memset(out_name, 0, sizeof(*out_name));
	int r = take_bytes(&which, 1);
	if (r < 0)
		return r;
	strcpy(out_name->machine, machines[which % 6]);
	take_bytes(out_name->release, sizeof(out_name->release) - 1);
	take_bytes(out_name->version, sizeof(out_name->version) - 1);
	return 0;
}

static int made_namespace(struct provider *provider, const char *name, uint64_t *out_inode)
{
	uint8_t near;
	int r = take_bytes(&near, 1);
	*out_inode = 0xeffffff0 + (r < 0 ? 0 : near);
	return r;
}

static int made_mount_root(struct provider *provider)
{
	uint8_t answer;
	int r = take_bytes(&answer, 1);
	return r < 0 ? r : answer & 1;
}

static const struct provider_calls made = {
	.open = made_open,
	.read_link = made_read_link,
	.cpuid = made_cpuid,
	.msr = made_msr,
	.uname = made_uname,
	.namespace = made_namespace,
	.mount_root = made_mount_root,
};

static void look_at(const struct layers *layers)
{
	int last = -1;
	expect(layers->count >= 0 && layers->refuted_count >= 0 &&
		       layers->count + layers->refuted_count <= PRODUCTS + LAYER_KINDS,
	       "too many layers");
	for (int i = 0; i < layers->count; i++) {
		const struct layer *layer = &layers->list[i];
		expect((int)layer->kind >= last && layer->kind < LAYER_KINDS, "layers out of order");
		expect((layer->product == PRODUCTS) == (layer->confidence == VISO_CONFIDENCE_UNKNOWN), "half unknown");
		last = (int)layer->kind;
	}
	for (size_t i = 0; i < layers->evidence_count; i++) {
		const struct evidence *evidence = &layers->evidence[i];
		expect((evidence->error != 0) == (evidence->side == VISO_EVIDENCE_UNREAD), "an errno of what was read");
		for (const char *c = evidence->value; *c; c++)
			expect(*c >= ' ' && *c <= '~', "evidence that is no text");
	}
}

static void detect(struct provider *provider)
{
	struct layers layers = {0};
	expect(layers_detect(&layers, provider) == 0, "no memory");
	look_at(&layers);
	layers_release(&layers);
}

/* The files of facts, whose names are fixed. */
static void detect_captured(void)
{
	static const char *const names[] = {"cpuid", "msr", "uname", "ns", "root", "errors"};
	static char directory[] = "/dev/shm/fuzz-machine-XXXXXX";
	static int made_directory;
	struct provider provider;
	if (!made_directory)
		made_directory = mkdtemp(directory) != NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		const uint8_t *piece;
		size_t size;
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
		if (take_piece(&piece, &size) < 0)
			continue;
		FILE *file = fopen(path, "we");
		expect(file && fwrite(piece, 1, size, file) == size && fclose(file) == 0, "no file");
	}
	expect(provider_init_captured(&provider, directory) == 0, "no directory");
	detect(&provider);
	provider_release(&provider);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
	made_directory = 0;
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct provider provider = {.calls = &made, .root = -1};
	if (size == 0)
		return 0;
	rest = data + 1;
	rest_size = size - 1;
	if (data[0] & 1)
		detect_captured();
	else
		detect(&provider);
	return 0;
}
