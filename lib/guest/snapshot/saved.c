/* SPDX-License-Identifier: MIT */
#include "guest/snapshot/saved.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/transfer.h"
#include "guest/contained/cloned.h"
#include "guest/contained/contained.h"
#include "guest/guest.h"
#include "guest/instance.h"
#include "guest/kernel/kernel.h"
#include "guest/memory/shared_memory.h"
#include "guest/vm/vm.h"

static const uint32_t format = 2;

/* Everything but the pages is read at once. */
static const uint64_t state_max = 1ull << 30;

static void compute_sum(const struct saved_head *head, const uint8_t *state, uint8_t out[SAVED_SUM])
{
	struct saved_head blank = *head;
	memset(blank.sum, 0, sizeof(blank.sum));
	const struct saved_part parts[] = {{&blank, sizeof(blank)}, {state, head->state_size}};
	saved_sum(parts, 2, out);
}

int saved_find_processor(const struct processor **out)
{
	_cleanup_close_ int fd = vm_open_kvm();
	return fd < 0 ? fd : processor_get(fd, out);
}

static int put_state(struct saved_writer *writer, const viso_snapshot *snapshot, struct saved_pages *pages)
{
	const struct processor *processor;
	int r = saved_find_processor(&processor);
	if (r < 0)
		return r;
	saved_put_processor(writer, processor);
	saved_put_number(writer, guest_memory_max(snapshot->settings));
	saved_put_number(writer, snapshot->program.uid);
	saved_put_number(writer, snapshot->program.gid);
	saved_put_view(writer, &snapshot->view);
	saved_put_processes(writer, snapshot);
	saved_put_channels(writer, snapshot);
	saved_put_files(writer, snapshot);
	saved_put_queued(writer, snapshot);
	saved_put_spaces(writer, snapshot, pages);
	saved_put_tasks(writer, snapshot);
	if (writer->error == 0 && writer->bytes.size > state_max)
		writer->error = saved_refuse("files", "more than a gigabyte in files in memory");
	return writer->error == -ENOMEM ? error_memory() : writer->error;
}

static struct saved_head make_head(uint64_t magic, const struct memory_buffer *state, uint64_t pages)
{
	struct saved_head head = {
		.magic = magic,
		.version = format,
		.page_size = GUEST_PAGE,
		.state_size = state->size,
		.pages = pages,
	};
	saved_build(head.build);
	compute_sum(&head, state->data, head.sum);
	return head;
}

int saved_write_file(const char *path, uint64_t magic, const struct memory_buffer *state, uint64_t pages,
		     const struct saved_body *body)
{
	const struct saved_head head = make_head(magic, state, pages);
	return saved_write(path, &head, state, body);
}

static int write_to_file(const struct memory_buffer *state, const struct saved_pages *pages, const char *path)
{
	const struct saved_body body = {saved_write_pages, pages};
	return saved_write_file(path, SAVED_PROGRAM, state, pages->count, &body);
}

static int64_t write_to_sink(const struct memory_buffer *state, const struct saved_pages *pages,
			     const struct saved_sink *sink)
{
	const struct saved_head head = make_head(SAVED_PROGRAM, state, pages->count);
	uint64_t offset = saved_pages_offset(&head);
	int r = sink->put(sink, &head, sizeof(head), 0);
	if (r == 0)
		r = sink->put(sink, state->data, state->size, sizeof(head));
	if (r == 0)
		r = saved_put_pages(sink, offset, pages);
	return r ? error_fail(VISO_STAGE_GUEST, r, "snapshot", NULL) : (int64_t)(offset + pages->count * GUEST_PAGE);
}

/* To a file, or to a sink. */
static int64_t save(const viso_snapshot *snapshot, const char *path, const struct saved_sink *sink)
{
	struct saved_writer writer = {.has_streams = sink != NULL};
	struct saved_pages pages = {0};
	int64_t r = saved_pages_init(&pages, snapshot);
	if (r == 0)
		r = put_state(&writer, snapshot, &pages);
	if (r == 0)
		r = sink ? write_to_sink(&writer.bytes, &pages, sink) : write_to_file(&writer.bytes, &pages, path);
	saved_pages_release(&pages);
	free(writer.numbers.entries);
	free(writer.bytes.data);
	return r;
}

int64_t saved_hand_over(const viso_snapshot *snapshot, const struct saved_sink *sink)
{
	return save(snapshot, NULL, sink);
}

/*
 * What a contained guest's snapshot holds was said by a process that the guest may have taken over: only such processes
 * load it. A file of it would look like one for the host program.
 */
int viso_snapshot_save(const viso_snapshot *snapshot, const char *path)
{
	int r = handle_check(snapshot ? &snapshot->handle : NULL, __func__);
	if (r < 0)
		return r;
	if (!path)
		return error_argument(__func__, "path is NULL");
	if (snapshot->contained)
		return contained_refuse_to_save(__func__);
	return snapshot->computer ? snapshot->settings->kernel->ops->save(snapshot, path)
				  : (int)save(snapshot, path, NULL);
}

uint64_t saved_pages_offset(const struct saved_head *head)
{
	return (sizeof(*head) + head->state_size + GUEST_PAGE - 1) & ~(GUEST_PAGE - 1);
}

static int fail_no_snapshot(const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EINVAL, path, "%s is no file with a snapshot", path);
}

/*
 * Whoever can shorten a file that is mapped can have the host program end by SIGBUS. So nobody may who is not trusted
 * with this process anyway.
 */
static int open_file(const char *path, struct stat *out_st)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		int error = errno == ENOENT || errno == ENOTDIR  ? ENOENT
			    : errno == EMFILE || errno == ENFILE ? EMFILE
			    : errno == ENOMEM                    ? ENOMEM
								 : EACCES;
		return error_fail(VISO_STAGE_ARGUMENT, error, path, "the snapshot %s cannot be opened: %s", path,
				  strerrordesc_np(errno));
	}
	if (fstat(fd, out_st) < 0 || !S_ISREG(out_st->st_mode))
		return fail_no_snapshot(path);
	if ((out_st->st_uid != geteuid() && out_st->st_uid != 0) || (out_st->st_mode & 022))
		return error_fail(VISO_STAGE_ARGUMENT, EACCES, path,
				  "the snapshot %s can be written to by others, who could do harm to this process; it "
				  "must belong to its user or to root, with a mode such as 0600",
				  path);
	return TAKE_FD(fd);
}

static int check_head(const struct saved_head *head, uint64_t magic, const char *path, uint64_t file_size)
{
	uint8_t build[SAVED_SUM];
	if (head->magic != magic && (head->magic == SAVED_PROGRAM || head->magic == SAVED_COMPUTER))
		return error_fail(VISO_STAGE_ARGUMENT, EINVAL, path, "%s is the snapshot of %s", path,
				  magic == SAVED_PROGRAM ? "a computer; give viso_snapshot_load() a guest with a kernel"
							 : "a program; give viso_snapshot_load() a guest without a "
							   "kernel");
	if (head->magic != magic)
		return fail_no_snapshot(path);
	saved_build(build);
	if (head->version != format || memcmp(head->build, build, sizeof(build)) != 0)
		return error_fail(VISO_STAGE_ARGUMENT, EPROTO, path,
				  "the snapshot %s was saved by another build of the library; make it anew", path);
	if (head->page_size != GUEST_PAGE || head->state_size > state_max || head->pages > UINT32_MAX ||
	    saved_pages_offset(head) + head->pages * GUEST_PAGE != file_size)
		return saved_damaged("size");
	return 0;
}

static int read_state(int fd, const char *path, uint64_t magic, uint64_t file_size, struct saved_head *head,
		      uint8_t **out)
{
	uint8_t sum[SAVED_SUM];
	ssize_t n = read_whole_at(fd, head, sizeof(*head), 0);
	if (n < 0)
		return error_fail(VISO_STAGE_ARGUMENT, EIO, path, NULL);
	if ((size_t)n < sizeof(*head))
		return fail_no_snapshot(path);
	int r = check_head(head, magic, path, file_size);
	if (r < 0)
		return r;
	uint8_t *state = malloc(head->state_size + 1);
	if (!state)
		return error_memory();
	*out = state;
	if (read_whole_at(fd, state, head->state_size, sizeof(*head)) != (ssize_t)head->state_size)
		return error_fail(VISO_STAGE_ARGUMENT, EIO, path, NULL);
	compute_sum(head, state, sum);
	return memcmp(sum, head->sum, sizeof(sum)) == 0 ? 0 : saved_damaged("checksum");
}

int saved_open_file(const char *path, uint64_t magic, struct saved_head *out_head, uint8_t **out_state)
{
	struct stat st;
	_cleanup_close_ int fd = open_file(path, &st);
	int r = fd < 0 ? fd : read_state(fd, path, magic, (uint64_t)st.st_size, out_head, out_state);
	return r < 0 ? r : TAKE_FD(fd);
}

static int make_origin(struct saved_reader *reader, viso_snapshot *snapshot, viso_guest *guest, int root_fd)
{
	uint64_t memory_max, uid, gid;
	if (!saved_get_number(reader, UINT64_MAX, &memory_max) || !saved_get_number(reader, UINT32_MAX, &uid) ||
	    !saved_get_number(reader, UINT32_MAX, &gid))
		return saved_damaged("settings");
	if (memory_max != guest_memory_max(guest))
		return error_fail(
			VISO_STAGE_ARGUMENT, EINVAL, "memory",
			"the guest of the snapshot had a memory limit of %llu bytes; make a guest with the same",
			(unsigned long long)memory_max);
	const struct view_setting setting = {
		.files = &guest->files,
		.root_fd = root_fd,
		.memory_max = memory_max,
		.files_max = guest->limits.files_max,
		.written_max = guest->limits.written_max,
		.uid = (unsigned)uid,
		.gid = (unsigned)gid,
	};
	snapshot->program.uid = (unsigned)uid;
	snapshot->program.gid = (unsigned)gid;
	snapshot->origin.program = &snapshot->program;
	return view_init(&snapshot->origin, &setting);
}

/* Each part refers to those before it alone. */
static int get_parts(struct saved_reader *reader, viso_snapshot *snapshot, struct saved_source *source)
{
	int r = saved_get_view(reader, snapshot);
	if (r == 0)
		r = saved_get_processes(reader, snapshot);
	if (r == 0)
		r = saved_get_channels(reader, snapshot);
	if (r == 0)
		r = saved_get_files(reader, snapshot);
	if (r == 0)
		r = saved_get_queued(reader, snapshot);
	if (r == 0)
		r = saved_get_spaces(reader, snapshot, source);
	if (r == 0)
		r = saved_get_tasks(reader, snapshot, source->processor);
	return r == 0 && reader->at != reader->size ? saved_damaged("end") : r;
}

/* What the snapshot keeps has references of its own. */
static void release_lists(struct saved_reader *reader)
{
	struct saved_list *const lists[] = {&reader->programs, &reader->channels, &reader->files, &reader->mapped,
					    &reader->spaces,   &reader->shared,   &reader->tasks};
	for (size_t i = 0; i < reader->files.count; i++)
		file_unref(reader->files.items[i]);
	for (size_t i = 0; i < reader->mapped.count; i++)
		file_unref(reader->mapped.items[i]);
	for (size_t i = 0; i < reader->shared.count; i++)
		shared_memory_forget(reader->shared.items[i]);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		free(lists[i]->items);
}

int saved_get_state(struct saved_reader *reader, viso_snapshot *snapshot, viso_guest *guest,
		    struct saved_source *source)
{
	snapshot->holder = calloc(1, sizeof(*snapshot->holder));
	if (!snapshot->holder)
		return error_memory();
	snapshot->program.instance = snapshot->holder;
	snapshot->program.space = &snapshot->space;
	snapshot->program.view = &snapshot->view;
	snapshot->frozen_at = clock_now(CLOCK_MONOTONIC);
	snapshot->settings = guest_new_like(guest);
	int r = snapshot->settings ? make_origin(reader, snapshot, guest, source->root_fd) : -ENOMEM;
	if (r == 0)
		r = get_parts(reader, snapshot, source);
	release_lists(reader);
	if (r == 0)
		snapshot_put_state(snapshot, source->processor);
	return r;
}

static int load(int fd, const struct saved_head *head, struct saved_reader reader, viso_guest *guest, int root_fd,
		viso_snapshot **out_snapshot)
{
	struct saved_source source = {
		.fd = fd, .offset = saved_pages_offset(head), .pages = head->pages, .root_fd = root_fd};
	int r = saved_find_processor(&source.processor);
	if (r == 0)
		r = saved_get_processor(&reader, source.processor);
	if (r < 0)
		return r;
	viso_snapshot *snapshot = calloc(1, sizeof(*snapshot));
	if (!snapshot)
		return error_memory();
	handle_init(&snapshot->handle);
	pthread_mutex_init(&snapshot->lock, NULL);
	r = saved_get_state(&reader, snapshot, guest, &source);
	if (r == 0)
		*out_snapshot = snapshot;
	else
		viso_snapshot_unref(snapshot);
	return r;
}

int saved_take_over(int fd, viso_guest *guest, int root_fd, viso_snapshot **out_snapshot)
{
	static const char name[] = "snapshot";
	_cleanup_free_ uint8_t *state = NULL;
	struct saved_head head;
	struct stat st;
	if (fstat(fd, &st) < 0)
		return error_fail(VISO_STAGE_GUEST, errno, name, NULL);
	int r = read_state(fd, name, SAVED_PROGRAM, (uint64_t)st.st_size, &head, &state);
	if (r < 0)
		return r;
	const struct saved_reader reader = {.data = state, .size = head.state_size, .has_streams = true};
	return load(fd, &head, reader, guest, root_fd, out_snapshot);
}

static int check_guest(viso_guest *guest, const char *function)
{
	int r = contained_check_setting(guest, function);
	if (r < 0)
		return r;
	pthread_mutex_lock(&guest->lock);
	if (guest->initialised || guest->use != GUEST_IDLE)
		r = error_fail(VISO_STAGE_ARGUMENT, EBUSY, function,
			       "%s: the guest has been initialised; take one that has not run anything", function);
	pthread_mutex_unlock(&guest->lock);
	return r;
}

int viso_snapshot_load(const char *path, viso_guest *guest, viso_snapshot **out_snapshot)
{
	_cleanup_close_ int fd = -1, root_fd = -1;
	_cleanup_free_ uint8_t *state = NULL;
	struct saved_head head;
	if (!path || !out_snapshot)
		return error_argument(__func__, !path ? "path is NULL" : "out_snapshot is NULL");
	int r = sandbox_check_use(guest ? &guest->sandbox : NULL, __func__);
	if (r == 0 && guest->kernel)
		return guest->kernel->ops->load(path, guest, out_snapshot);
	if (r == 0)
		r = check_guest(guest, __func__);
	if (r < 0)
		return r;
	fd = saved_open_file(path, SAVED_PROGRAM, &head, &state);
	r = fd < 0 ? fd : sandbox_prepare_start(&guest->sandbox, __func__, &root_fd);
	const struct saved_reader reader = {.data = state, .size = head.state_size};
	return r < 0 ? r : load(fd, &head, reader, guest, root_fd, out_snapshot);
}
