/* SPDX-License-Identifier: MIT */
/*
 * Names and attributes go into the tree of the base, contents into files of its own. What a base does not take: sockets
 * and FIFOs, setuid and setgid bits, extended attributes, and devices other than those that every root has.
 */
#include "root/base/layer.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "root/failure.h"

struct unpacking {
	struct base *base;
	const struct libarchive *library;
	struct archive *archive;
	struct layer_input *input;
	bool whiteouts;
};

static const char whiteout_prefix[] = ".wh.";

ssize_t layer_read(struct layer_input *input)
{
	ssize_t n;
	do
		n = read(input->fd, input->buffer, sizeof(input->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		input->error = errno;
		return -1;
	}
	input->done += (uint64_t)n;
	if (input->hash && input->done > input->size) {
		input->error = EINVAL;
		return -1;
	}
	if (input->hash)
		sha256_update(input->hash, (size_t)n, (const uint8_t *)input->buffer);
	return n;
}

static la_ssize_t on_read(struct archive *archive, void *data, const void **out_buffer)
{
	struct layer_input *input = data;
	*out_buffer = input->buffer;
	return layer_read(input);
}

static int fail(const struct unpacking *unpacking, int error, const char *entry, const char *sentence)
{
	return error_fail(VISO_STAGE_IMAGE, error, entry, "%s in %s %s", entry, unpacking->input->name, sentence);
}

/* What libarchive has to say. */
static int fail_archive(const struct unpacking *unpacking)
{
	const char *name = unpacking->input->name;
	if (unpacking->input->error)
		return fail_path(unpacking->input->error, "read", name);
	if (unpacking->library->archive_errno(unpacking->archive) == ENOMEM)
		return error_memory();
	const char *reason = unpacking->library->archive_error_string(unpacking->archive);
	return error_fail(VISO_STAGE_IMAGE, EINVAL, name, "%s is no tar archive, or a damaged one: %s", name,
			  reason ? reason : "unknown error");
}

static int write_block(int fd, const char *block, size_t size, off_t offset)
{
	while (size) {
		ssize_t n = pwrite(fd, block, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		block += n;
		size -= (size_t)n;
		offset += n;
	}
	return 0;
}

/* Only what is there is written: a size that is only declared takes no room. */
static int write_contents(const struct unpacking *unpacking, int fd, int64_t declared)
{
	const void *block;
	size_t size;
	la_int64_t offset;
	int64_t end = 0;
	for (;;) {
		int r = unpacking->library->archive_read_data_block(unpacking->archive, &block, &size, &offset);
		if (r == ARCHIVE_EOF)
			break;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return fail_archive(unpacking);
		r = write_block(fd, block, size, offset);
		if (r < 0)
			return fail_path(-r, "unpack into", unpacking->base->scratch.path);
		end = offset + (int64_t)size;
	}
	if (declared > end && ftruncate(fd, declared) < 0)
		return fail_path(errno, "unpack into", unpacking->base->scratch.path);
	return 0;
}

static int put_file(const struct unpacking *unpacking, struct archive_entry *entry, struct base_node *node)
{
	const struct libarchive *library = unpacking->library;
	_cleanup_close_ int fd = base_create(unpacking->base, &node->number);
	if (fd < 0)
		return fd;
	int r = write_contents(unpacking, fd, library->archive_entry_size(entry));
	const struct timespec times[] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = library->archive_entry_mtime(entry), .tv_nsec = library->archive_entry_mtime_nsec(entry)},
	};
	/* A time that no file can have is none. */
	if (r >= 0 && futimens(fd, times) < 0 && errno != EINVAL)
		r = fail_path(errno, "unpack into", unpacking->base->scratch.path);
	return r;
}

static int put_link(const struct unpacking *unpacking, struct archive_entry *entry, const char *name,
		    struct base_node *node)
{
	const char *text = unpacking->library->archive_entry_symlink(entry);
	if (!text || !*text || strlen(text) >= PATH_MAX)
		return fail(unpacking, EINVAL, name, "is a symbolic link without a text, or with one that is too long");
	return base_node_set_link(node, text);
}

/* The same contents under one more name. */
static int put_hard_link(const struct unpacking *unpacking, const char *name, const char *to,
			 const struct base_place *place)
{
	struct base_tree *tree = &unpacking->base->tree;
	struct base_place old_place;
	int r = base_tree_place(tree, to, &old_place);
	if (r < 0)
		return r;
	const struct base_node *old = base_tree_at(tree, &old_place);
	if (!old || old->type == MANIFEST_DIRECTORY)
		return fail(unpacking, EINVAL, name, "is a hard link to something that is no file of the archive");
	/* To itself. */
	if (old == base_tree_at(tree, place))
		return 0;
	struct base_node wanted = *old;
	_cleanup_free_ char *text = old->link ? strdup(old->link) : NULL;
	if (old->link && !text)
		return error_memory();
	struct base_node *node = base_tree_put(tree, place, wanted.type);
	if (!node)
		return -viso_error_number();
	node->mode = wanted.mode;
	node->uid = wanted.uid;
	node->gid = wanted.gid;
	node->device = wanted.device;
	node->number = wanted.number;
	node->link = TAKE_PTR(text);
	return 0;
}

/*
 * Others would open the host's own devices, a disk among them, to whoever packed the archive. The numbers are those of
 * Documentation/admin-guide/devices.txt of the kernel.
 */
static bool is_harmless_device(unsigned type, dev_t device)
{
	static const struct {
		unsigned major, minor;
	} harmless[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}};
	for (size_t i = 0; type == AE_IFCHR && i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (device == makedev(harmless[i].major, harmless[i].minor))
			return true;
	return false;
}

/* DIRECTORY, FILE, LINK or DEVICE; -1 for what is left out. */
static int type_of(const struct unpacking *unpacking, struct archive_entry *entry)
{
	unsigned type = unpacking->library->archive_entry_filetype(entry);
	switch (type) {
	case AE_IFDIR:
		return MANIFEST_DIRECTORY;
	case AE_IFREG:
		return MANIFEST_FILE;
	case AE_IFLNK:
		return MANIFEST_LINK;
	case AE_IFCHR:
	case AE_IFBLK:
		return is_harmless_device(type, unpacking->library->archive_entry_rdev(entry)) ? MANIFEST_DEVICE : -1;
	default:
		return -1;
	}
}

static int set_attributes(const struct unpacking *unpacking, struct archive_entry *entry, const char *name,
			  struct base_node *node)
{
	int64_t uid = unpacking->library->archive_entry_uid(entry);
	int64_t gid = unpacking->library->archive_entry_gid(entry);
	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return fail(unpacking, EINVAL, name, "has an owner that there cannot be");
	/* The attributes of the directory that was packed are an accident: of the root, they would lock its programs
	 * out. */
	if (!node->parent)
		return 0;
	node->uid = (uid_t)uid;
	node->gid = (gid_t)gid;
	node->mode = unpacking->library->archive_entry_perm(entry) & (node->type == MANIFEST_DIRECTORY ? 01777 : 0777);
	return 0;
}

static int put(const struct unpacking *unpacking, struct archive_entry *entry, const char *name,
	       const struct base_place *place)
{
	int type = type_of(unpacking, entry);
	if (type < 0)
		return 0;
	if (!place->parent && type != MANIFEST_DIRECTORY)
		return fail(unpacking, EINVAL, name, "would take the place of the directory that all is unpacked in");
	struct base_node *node = base_tree_put(&unpacking->base->tree, place, (enum manifest_type)type);
	if (!node)
		return -viso_error_number();
	int r = set_attributes(unpacking, entry, name, node);
	if (r < 0)
		return r;
	node->device = type == MANIFEST_DEVICE ? unpacking->library->archive_entry_rdev(entry) : 0;
	if (type == MANIFEST_FILE)
		return put_file(unpacking, entry, node);
	return type == MANIFEST_LINK ? put_link(unpacking, entry, name, node) : 0;
}

/* See layer.md of the OCI Image Format Specification. */
static int apply_whiteout(const struct unpacking *unpacking, const char *name, const struct base_place *place)
{
	struct base_place hidden = *place;
	struct base_tree *tree = &unpacking->base->tree;
	const char *what = place->name + strlen(whiteout_prefix);
	if (!strcmp(what, ".wh..opq")) {
		base_tree_hide_beneath(tree, place->parent);
		return 0;
	}
	/* Other notes of the file system aufs. */
	if (!strncmp(what, whiteout_prefix, strlen(whiteout_prefix)))
		return 0;
	if (!*what || !strcmp(what, ".") || !strcmp(what, ".."))
		return fail(unpacking, EINVAL, name, "is a whiteout of nothing");
	memmove(hidden.name, hidden.name + strlen(whiteout_prefix), strlen(what) + 1);
	base_tree_hide(tree, &hidden);
	return 0;
}

static int unpack_entry(const struct unpacking *unpacking, struct archive_entry *entry)
{
	struct base_place place;
	const char *name = unpacking->library->archive_entry_pathname(entry);
	if (!name || !*name)
		return fail(unpacking, EINVAL, "an entry", "has no name");
	int r = base_tree_place(&unpacking->base->tree, name, &place);
	if (r < 0)
		return r;
	if (unpacking->whiteouts && !strncmp(place.name, whiteout_prefix, strlen(whiteout_prefix)))
		return apply_whiteout(unpacking, name, &place);
	const char *hard_link = unpacking->library->archive_entry_hardlink(entry);
	if (!hard_link)
		return put(unpacking, entry, name, &place);
	if (!place.parent)
		return fail(unpacking, EINVAL, name, "would take the place of the directory that all is unpacked in");
	return put_hard_link(unpacking, name, hard_link, &place);
}

static int unpack(const struct unpacking *unpacking)
{
	const struct libarchive *library = unpacking->library;
	struct archive_entry *entry;
	if (library->archive_read_open(unpacking->archive, unpacking->input, NULL, on_read, NULL) != ARCHIVE_OK)
		return fail_archive(unpacking);
	for (;;) {
		int r = library->archive_read_next_header(unpacking->archive, &entry);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return fail_archive(unpacking);
		r = unpack_entry(unpacking, entry);
		if (r < 0)
			return r;
	}
}

int layer_unpack(struct base *base, const struct libarchive *library, unsigned compressions, struct layer_input *input,
		 bool whiteouts)
{
	struct unpacking unpacking = {.base = base, .library = library, .input = input, .whiteouts = whiteouts};
	unpacking.archive = libarchive_new(library, compressions);
	if (!unpacking.archive)
		return -viso_error_number();
	/* Else libarchive would turn the UTF-8 names of pax headers into the host's character set. */
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t before = plain ? uselocale(plain) : (locale_t)0;
	int r = plain ? unpack(&unpacking) : error_memory();
	if (plain) {
		uselocale(before);
		freelocale(plain);
	}
	library->archive_read_free(unpacking.archive);
	return r;
}
