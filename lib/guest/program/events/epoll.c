/* SPDX-License-Identifier: MIT */
/* epoll_create(2) and epoll_ctl(2): the list of what is waited for. */
#include "guest/program/events/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/fd.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/copies.h"
#include "guest/program/object.h"
#include "guest/program/readiness.h"

static const uint32_t known_flags = EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP;
/* What may stand beside EPOLLEXCLUSIVE, by epoll_ctl(2). */
static const uint32_t exclusive_flags =
	EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;

/* A look that comes here by many ways asks the files once: else it would take as long as the product of all lists. */
static short poll_epoll(struct file *file, short events, struct readiness *readiness)
{
	struct epoll *epoll = file->object;
	if (epoll->look != readiness->look)
		epoll->is_ready = epoll_check(epoll, readiness, NULL, 0);
	epoll->look = readiness->look;
	return epoll->is_ready ? events & (POLLIN | POLLRDNORM) : 0;
}

/* The host's file may be open elsewhere too: closing our fd would not take it out. */
static void remove_from_host(struct epoll_item *item)
{
	if (item->on_host)
		epoll_ctl(item->epoll->file->fd, EPOLL_CTL_DEL, item->file->fd, NULL);
	item->on_host = false;
}

/* Takes an item from its epoll, its file and the host. */
static void remove_item(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;
	*(item->previous ? &item->previous->next : &epoll->first) = item->next;
	*(item->next ? &item->next->previous : &epoll->last) = item->previous;
	epoll->count--;
	epoll->instance->epoll_items--;
	/* All items of a guest may be of one file. */
	*(item->previous_watcher ? &item->previous_watcher->next_watcher : &item->file->watchers) = item->next_watcher;
	if (item->next_watcher)
		item->next_watcher->previous_watcher = item->previous_watcher;
	remove_from_host(item);
	free(item);
}

static void release_epoll(struct file *file)
{
	struct epoll *epoll = file->object;
	while (epoll->first)
		remove_item(epoll->first);
	free(epoll);
}

static int copy_epoll(const struct file *file, struct file *copy, struct copies *copies)
{
	struct epoll *epoll = malloc(sizeof(*epoll));
	if (!epoll)
		return -ENOMEM;
	*epoll = (struct epoll){.instance = copies->instance, .file = copy};
	copy->object = epoll;
	return 0;
}

static const char *describe_epoll(const struct file *file, struct object_state *out)
{
	out->kind = OBJECT_EPOLL;
	return NULL;
}

static const struct file_ops ops = {
	.poll = poll_epoll, .release = release_epoll, .copy = copy_epoll, .describe = describe_epoll};

struct epoll *epoll_of(const struct file *file)
{
	return file->ops == &ops ? file->object : NULL;
}

void epoll_forget(struct file *file)
{
	while (file->watchers)
		remove_item(file->watchers);
}

int epoll_host_fd(const struct file *file)
{
	return file->kind == FILE_STREAM || (file->kind == FILE_OBJECT && file->ops != &ops) ? file->fd : -1;
}

static int new_epoll(struct program *program, int flags, struct file **out)
{
	struct epoll *epoll = malloc(sizeof(*epoll));
	struct file *file = epoll ? file_new_object(&ops, epoll, 0, flags) : NULL;
	if (!file) {
		free(epoll);
		return -ENOMEM;
	}
	*epoll = (struct epoll){.instance = program->instance, .file = file};
	*out = file;
	return 0;
}

int epoll_revive(struct program *program, const struct object_state *state, int flags, struct file **out)
{
	return (flags & O_ACCMODE) == O_RDWR ? new_epoll(program, flags, out) : -EINVAL;
}

static int64_t make_epoll(struct program *program, int flags)
{
	struct file *file;
	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	int r = new_epoll(program, O_RDWR, &file);
	return r < 0 ? r : program_add_file(program, file, 0, flags & EPOLL_CLOEXEC);
}

int64_t call_epoll_create(struct program *program, const uint64_t args[6])
{
	return (int)args[0] > 0 ? make_epoll(program, 0) : -EINVAL;
}

int64_t call_epoll_create1(struct program *program, const uint64_t args[6])
{
	return make_epoll(program, (int)args[0]);
}

/*
 * An epoll may wait for another one, which then waits for none, and is waited for by none that is waited for: so there
 * are no loops, and a look at all files is bounded. Linux has five levels, ELOOP beyond them too.
 */
static int check_nesting(const struct epoll *outer, const struct epoll *inner)
{
	if (outer->file->watchers)
		return -ELOOP;
	for (const struct epoll_item *item = inner->first; item; item = item->next)
		if (epoll_of(item->file))
			return -ELOOP;
	return 0;
}

static bool can_be_polled(const struct file *file)
{
	if (file->kind == FILE_STREAM)
		return !S_ISREG(file->type);
	return file->kind == FILE_OBJECT || file->kind == FILE_CAPTURE;
}

static struct epoll_item *find_item(struct epoll *epoll, const struct file *file, int fd)
{
	for (struct epoll_item *item = epoll->first; item; item = item->next)
		if (item->file == file && item->fd == fd)
			return item;
	return NULL;
}

static void append_item(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;
	item->next = NULL;
	item->previous = epoll->last;
	*(epoll->last ? &epoll->last->next : &epoll->first) = item;
	epoll->last = item;
}

void epoll_move_last(struct epoll_item *item)
{
	struct epoll *epoll = item->epoll;
	if (!item->next)
		return;
	*(item->previous ? &item->previous->next : &epoll->first) = item->next;
	item->next->previous = item->previous;
	append_item(item);
}

/*
 * Edges of a host's file are told by an epoll of the host's. Where there can be none, or where the same file is in it
 * already by another fd of the program's, the item is told of as if without EPOLLET.
 */
static void add_to_host(struct program *program, struct epoll_item *item)
{
	struct file *own = item->epoll->file;
	int fd = epoll_host_fd(item->file);
	item->host_edges = 0;
	if (fd < 0 || !(item->events & EPOLLET))
		return;
	if (own->fd < 0) {
		if (!program_take_host_fd(program, own))
			return;
		own->fd = fd_above_streams(epoll_create1(EPOLL_CLOEXEC));
	}
	struct epoll_event event = {.events = (item->events & ~known_flags) | EPOLLET, .data.ptr = item};
	int operation = item->on_host ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	item->on_host = own->fd >= 0 && epoll_ctl(own->fd, operation, fd, &event) == 0;
}

void epoll_set_host_fd(struct program *program, struct file *file, int fd)
{
	for (struct epoll_item *item = file->watchers; item; item = item->next_watcher)
		remove_from_host(item);
	close_fd(file->fd);
	file->fd = fd;
	for (struct epoll_item *item = file->watchers; item; item = item->next_watcher)
		add_to_host(program, item);
	file_changed(program->instance, file);
}

static void set_item(struct program *program, struct epoll_item *item, const struct epoll_event *event)
{
	if (!(event->events & EPOLLET))
		remove_from_host(item);
	item->events = event->events;
	item->data = event->data.u64;
	item->disabled = item->is_told = false;
	add_to_host(program, item);
	file_changed(item->epoll->instance, item->epoll->file);
}

/* A new item in its list and in its file's. */
static void link_item(struct epoll_item *item, struct epoll *epoll, struct file *file)
{
	item->epoll = epoll;
	item->file = file;
	item->previous_watcher = NULL;
	item->next_watcher = file->watchers;
	if (item->next_watcher)
		item->next_watcher->previous_watcher = item;
	file->watchers = item;
	append_item(item);
	epoll->count++;
	epoll->instance->epoll_items++;
}

int epoll_copy_items(struct copies *copies, const struct file *file, struct file *copy)
{
	const struct epoll *epoll = epoll_of(file);
	for (const struct epoll_item *item = epoll ? epoll->first : NULL; item; item = item->next) {
		struct file *watched = copy_map_find(&copies->files, item->file);
		struct epoll_item *own = watched ? malloc(sizeof(*own)) : NULL;
		if (watched && !own)
			return -ENOMEM;
		if (!own)
			continue;
		*own = *item;
		own->on_host = false;
		link_item(own, copy->object, watched);
		add_to_host(copies->program, own);
	}
	return 0;
}

int epoll_revive_item(struct program *program, struct file *own, struct file *file, const struct epoll_item *values)
{
	struct epoll *epoll = epoll_of(own);
	if (!epoll || own == file || !can_be_polled(file) ||
	    (epoll_of(file) && check_nesting(epoll, epoll_of(file)) < 0))
		return -EINVAL;
	if (epoll->instance->epoll_items >= EPOLL_ITEMS_MAX)
		return -EINVAL;
	struct epoll_item *item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->fd = values->fd;
	item->events = values->events;
	item->data = values->data;
	item->disabled = values->disabled;
	item->is_told = values->is_told;
	item->seen = values->seen;
	link_item(item, epoll, file);
	add_to_host(program, item);
	return 0;
}

static int64_t add_item(struct program *program, struct epoll *epoll, struct file *file, int fd,
			const struct epoll_event *event)
{
	int r = epoll_of(file) ? check_nesting(epoll, epoll_of(file)) : 0;
	if (r < 0)
		return r;
	if (epoll->instance->epoll_items >= EPOLL_ITEMS_MAX)
		return -ENOSPC;
	struct epoll_item *item = calloc(1, sizeof(*item));
	if (!item)
		return -ENOMEM;
	item->fd = fd;
	link_item(item, epoll, file);
	set_item(program, item, event);
	return 0;
}

static bool flags_are_right(int operation, uint32_t events, const struct file *file)
{
	if (!(events & EPOLLEXCLUSIVE))
		return true;
	return operation == EPOLL_CTL_ADD && !(events & ~exclusive_flags) && !epoll_of(file);
}

int64_t call_epoll_ctl(struct program *program, const uint64_t args[6])
{
	struct epoll_event event = {0};
	int operation = (int)args[1], fd = (int)args[2];
	if (operation != EPOLL_CTL_DEL && space_read(program->space, &event, args[3], sizeof(event)) < 0)
		return -EFAULT;
	struct file *own = program_file(program, (int)args[0]), *file = program_file(program, fd);
	if (!own || !file || file->kind == FILE_PATH)
		return -EBADF;
	if (!can_be_polled(file))
		return -EPERM;
	struct epoll *epoll = epoll_of(own);
	if (!epoll || own == file || !flags_are_right(operation, event.events, file))
		return -EINVAL;
	struct epoll_item *item = find_item(epoll, file, fd);
	switch (operation) {
	case EPOLL_CTL_ADD:
		return item ? -EEXIST : add_item(program, epoll, file, fd, &event);
	case EPOLL_CTL_MOD:
		if (!item)
			return -ENOENT;
		if (item->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		set_item(program, item, &event);
		return 0;
	case EPOLL_CTL_DEL:
		if (item)
			remove_item(item);
		return item ? 0 : -ENOENT;
	default:
		return -EINVAL;
	}
}
