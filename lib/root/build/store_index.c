/* SPDX-License-Identifier: MIT */
#include "root/build/store_index.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"

/* "IDENTITY SUM\n"; a larger file than this is begun anew. */
enum { LINE_SIZE = 2 * IDENTITY_SIZE + 1 + SUM_TEXT, FILE_MAX = 256 << 20 };

static const char index_name[] = "index";

static struct store_line *find_slot(const struct store_index *index, const unsigned char *identity)
{
	size_t slot;
	memcpy(&slot, identity, sizeof(slot));
	for (slot &= index->slots - 1;; slot = (slot + 1) & (index->slots - 1))
		if (!index->lines[slot].sum[0] || !memcmp(index->lines[slot].identity, identity, IDENTITY_SIZE))
			return &index->lines[slot];
}

static bool read_hex(const char *text, unsigned char *out, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < size; i++) {
		const char *high = strchr(digits, text[2 * i]), *low = strchr(digits, text[2 * i + 1]);
		if (!text[2 * i] || !text[2 * i + 1] || !high || !low)
			return false;
		out[i] = (unsigned char)((high - digits) << 4 | (low - digits));
	}
	return true;
}

/* A line that was cut by a full disk, or is damaged, is passed over. */
static void read_line(struct store_index *index, const char *line)
{
	struct store_line new;
	unsigned char digest[32];
	if (line[2 * IDENTITY_SIZE] != ' ' || !read_hex(line, new.identity, IDENTITY_SIZE) ||
	    !read_hex(line + 2 * IDENTITY_SIZE + 1, digest, sizeof(digest)))
		return;
	sum_print(digest, new.sum);
	struct store_line *slot = find_slot(index, new.identity);
	index->count += !slot->sum[0];
	*slot = new;
}

static int read_lines(struct store_index *index, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	/* Room for twice as many as a build of the same size brings. */
	for (index->slots = 4096; index->slots < 4 * (size / LINE_SIZE);)
		index->slots *= 2;
	index->lines = calloc(index->slots, sizeof(*index->lines));
	if (!text || !index->lines)
		return -ENOMEM;
	ssize_t n = size ? pread(index->fd, text, size, 0) : 0;
	if (n < 0)
		return -errno;
	text[n] = '\0';
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1)
		if (end - line == LINE_SIZE - 1)
			read_line(index, line);
	return 0;
}

int store_index_open(struct store_index *index, int store)
{
	struct stat st;
	*index = (struct store_index){.fd = -1};
	index->fd = openat(store, index_name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (index->fd < 0 || fstat(index->fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_mode & 022)
		return -EACCES;
	/* A umask that takes the owner's rights away: the next one could not open it. */
	if ((st.st_mode & 0600) != 0600)
		fchmod(index->fd, 0600);
	if (st.st_size > FILE_MAX && ftruncate(index->fd, 0) < 0)
		return -errno;
	return read_lines(index, st.st_size > FILE_MAX ? 0 : (size_t)st.st_size);
}

void store_index_close(struct store_index *index)
{
	if (index->news && write(index->fd, index->news, index->news_size) < 0)
		/* A full disk: the next root hashes these once more. */
		errno = 0;
	free(index->news);
	free(index->lines);
	index->fd = close_fd(index->fd);
}

bool store_index_find(const struct store_index *index, const struct stat *st, char sum[SUM_TEXT])
{
	unsigned char identity[IDENTITY_SIZE];
	identity_compute(st, true, identity);
	const struct store_line *line = find_slot(index, identity);
	if (!line->sum[0])
		return false;
	memcpy(sum, line->sum, SUM_TEXT);
	return true;
}

void store_index_note(struct store_index *index, const struct stat *st, const char *sum)
{
	struct store_line new;
	if (!identity_is_settled(st))
		return;
	char *news = realloc(index->news, index->news_size + LINE_SIZE + 1);
	if (!news)
		return;
	index->news = news;
	identity_compute(st, true, new.identity);
	memcpy(new.sum, sum, SUM_TEXT);
	char *out = news + index->news_size;
	for (size_t i = 0; i < IDENTITY_SIZE; i++)
		out += snprintf(out, 3, "%02x", new.identity[i]);
	index->news_size += (size_t)(out - (news + index->news_size));
	index->news_size += (size_t)sprintf(out, " %s\n", sum);
	struct store_line *slot = find_slot(index, new.identity);
	if (slot->sum[0] || 4 * index->count < 3 * index->slots) {
		index->count += !slot->sum[0];
		*slot = new;
	}
}

void store_index_remove(int store)
{
	unlinkat(store, index_name, 0);
}
