/* SPDX-License-Identifier: MIT */
#include "guest/files/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "guest/files/proc_text.h"
#include "guest/program/program.h"

enum item_kind {
	ITEM_ROOT = 1,
	ITEM_PROCESS, /* a directory of a process, or of one of its threads */
	ITEM_TASKS,
	ITEM_FDS,
	ITEM_FD,
	ITEM_FD_INFOS,
	ITEM_FD_INFO,
	ITEM_SELF,
	ITEM_THREAD_SELF,
	ITEM_MOUNTS_LINK,
	ITEM_CWD,
	ITEM_EXE,
	ITEM_PROCESS_ROOT,
	ITEM_PLAIN_DIRECTORY, /* .fd is its index in plain[] */
	ITEM_TEXT,            /* .fd is its index in texts[] or process_texts[] */
	ITEM_PROCESS_TEXT,
};

/* What is the same for all processes: paths, of directories those that lie above them. */
static const struct {
	const char *path;
	proc_text_fn *text; /* NULL: a directory */
} plain[] = {
	{"cpuinfo", proc_cpuinfo},
	{"filesystems", proc_filesystems},
	{"loadavg", proc_loadavg},
	{"meminfo", proc_meminfo},
	{"stat", proc_stat},
	{"sys", NULL},
	{"sys/fs", NULL},
	{"sys/fs/file-max", proc_file_max},
	{"sys/fs/nr_open", proc_nr_open},
	{"sys/fs/pipe-max-size", proc_pipe_max},
	{"sys/kernel", NULL},
	{"sys/kernel/cap_last_cap", proc_last_capability},
	{"sys/kernel/hostname", proc_hostname},
	{"sys/kernel/ngroups_max", proc_ngroups_max},
	{"sys/kernel/osrelease", proc_release},
	{"sys/kernel/ostype", proc_ostype},
	{"sys/kernel/pid_max", proc_pid_max},
	{"sys/kernel/random", NULL},
	{"sys/kernel/random/boot_id", proc_boot_id},
	{"sys/kernel/random/entropy_avail", proc_entropy},
	{"sys/kernel/random/uuid", proc_uuid},
	{"sys/kernel/threads-max", proc_threads_max},
	{"sys/kernel/version", proc_os_version},
	{"sys/vm", NULL},
	{"sys/vm/max_map_count", proc_max_map_count},
	{"sys/vm/mmap_min_addr", proc_mmap_min},
	{"sys/vm/overcommit_memory", proc_overcommit},
	{"uptime", proc_uptime},
	{"version", proc_version},
};

static const struct {
	const char *name;
	proc_text_fn *text;
} process_texts[] = {
	{"auxv", proc_auxv},          {"cgroup", proc_cgroup},       {"cmdline", proc_cmdline},
	{"comm", proc_comm},          {"environ", proc_environ},     {"limits", proc_limits},
	{"maps", proc_maps},          {"mountinfo", proc_mountinfo}, {"mounts", proc_mounts},
	{"oom_score_adj", proc_zero}, {"stat", proc_process_stat},   {"statm", proc_statm},
	{"status", proc_status},      {"uid_map", proc_id_map},      {"gid_map", proc_id_map},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *name;
	int kind;
} process_items[] = {
	{"cwd", ITEM_CWD}, {"exe", ITEM_EXE},         {"root", ITEM_PROCESS_ROOT},
	{"fd", ITEM_FDS},  {"fdinfo", ITEM_FD_INFOS}, {"task", ITEM_TASKS},
};

static const struct {
	const char *name;
	int kind;
} root_items[] = {{"self", ITEM_SELF}, {"thread-self", ITEM_THREAD_SELF}, {"mounts", ITEM_MOUNTS_LINK}};

static mode_t mode_of(const struct proc_item *item)
{
	switch (item->kind) {
	case ITEM_ROOT:
	case ITEM_PROCESS:
	case ITEM_TASKS:
	case ITEM_PLAIN_DIRECTORY:
		return S_IFDIR | 0555;
	case ITEM_FDS:
	case ITEM_FD_INFOS:
		return S_IFDIR | 0555;
	case ITEM_TEXT:
	case ITEM_PROCESS_TEXT:
	case ITEM_FD_INFO:
		return S_IFREG | 0444;
	default:
		return S_IFLNK | 0777;
	}
}

static int set(struct spot *out, int kind, int pid, int number)
{
	out->proc = (struct proc_item){.kind = kind, .pid = pid, .fd = number};
	out->top = 0;
	mode_t mode = mode_of(&out->proc);
	out->st = (struct stat){
		.st_dev = out->mount->device,
		.st_ino = 1 + (uint64_t)kind + ((uint64_t)(unsigned)number << 8) + ((uint64_t)(unsigned)pid << 32),
		.st_mode = mode,
		.st_nlink = S_ISDIR(mode) ? 2 : 1,
		.st_blksize = 1024,
	};
	return 0;
}

int proc_root(struct spot *out)
{
	return set(out, ITEM_ROOT, 0, 0);
}

/* A decimal number without a sign; -1 where it is none. */
static int number_of(const char *name)
{
	char *end;
	if (name[0] < '0' || name[0] > '9' || strlen(name) > 9)
		return -1;
	long value = strtol(name, &end, 10);
	return *end ? -1 : (int)value;
}

/* What lies in the directory `prefix` of plain[] under this name. */
static int look_plain(const char *prefix, const char *name, struct spot *out)
{
	size_t length = strlen(prefix);
	for (size_t i = 0; i < COUNT(plain); i++) {
		const char *path = plain[i].path;
		if (strncmp(path, prefix, length) != 0 || (length && path[length] != '/'))
			continue;
		if (!strcmp(path + length + (length ? 1 : 0), name))
			return set(out, plain[i].text ? ITEM_TEXT : ITEM_PLAIN_DIRECTORY, 0, (int)i);
	}
	return -ENOENT;
}

static int look_root(const char *name, struct spot *out)
{
	for (size_t i = 0; i < COUNT(root_items); i++)
		if (!strcmp(name, root_items[i].name))
			return set(out, root_items[i].kind, 0, 0);
	int pid = number_of(name);
	if (pid >= 0)
		return proc_has_process(out->view, pid) ? set(out, ITEM_PROCESS, pid, 0) : -ENOENT;
	return look_plain("", name, out);
}

static int look_process(const struct proc_item *item, const char *name, struct spot *out)
{
	int pid = item->pid;
	/* A thread has no threads. */
	for (size_t i = 0; i < COUNT(process_items); i++)
		if (!strcmp(name, process_items[i].name) && (process_items[i].kind != ITEM_TASKS || !item->fd))
			return set(out, process_items[i].kind, pid, 0);
	for (size_t i = 0; i < COUNT(process_texts); i++)
		if (!strcmp(name, process_texts[i].name))
			return set(out, ITEM_PROCESS_TEXT, pid, (int)i);
	return -ENOENT;
}

static int look_fd(const struct proc_item *item, const char *name, struct spot *out)
{
	int fd = number_of(name);
	struct program *program = proc_process(out->view, item->pid);
	if (fd < 0 || !program || !program_file(program, fd))
		return -ENOENT;
	return set(out, item->kind == ITEM_FDS ? ITEM_FD : ITEM_FD_INFO, item->pid, fd);
}

int proc_look(struct spot *directory, const char *name, struct spot *out)
{
	const struct proc_item *item = &directory->proc;
	int number = number_of(name);
	switch (item->kind) {
	case ITEM_ROOT:
		return look_root(name, out);
	case ITEM_PROCESS:
		return look_process(item, name, out);
	case ITEM_TASKS:
		return proc_has_thread(out->view, item->pid, number) ? set(out, ITEM_PROCESS, item->pid, number)
								     : -ENOENT;
	case ITEM_PLAIN_DIRECTORY:
		return look_plain(plain[item->fd].path, name, out);
	case ITEM_FDS:
	case ITEM_FD_INFOS:
		return look_fd(item, name, out);
	default:
		return -ENOTDIR;
	}
}

bool proc_is_fd(const struct spot *spot)
{
	return spot->mount && spot->mount->is_proc && spot->proc.kind == ITEM_FD;
}

bool proc_is_directory_fd(struct program *program, const struct spot *spot)
{
	struct program *owner = proc_process(spot->view, spot->proc.pid);
	struct file *file = owner ? program_file(owner, spot->proc.fd) : NULL;
	/* Of another process: by its name, since its file is not this one's to have. */
	return owner != program || (file && S_ISDIR(file->type));
}

/* What a fd is a link to, as the kernel names it. */
static int fd_target(const struct file *file, char *out, size_t size)
{
	if (file->path)
		return snprintf(out, size, "%s", file->path);
	const char *kind = S_ISFIFO(file->type) ? "pipe" : S_ISSOCK(file->type) ? "socket" : NULL;
	if (kind)
		return snprintf(out, size, "%s:[%lu]", kind, (unsigned long)((uintptr_t)file >> 4 & 0xffffff));
	return snprintf(out, size, "%s", S_ISCHR(file->type) ? "/dev/null" : "anon_inode:[file]");
}

ssize_t proc_read_link(struct program *program, const struct spot *spot, char *out, size_t size)
{
	struct program *process = proc_process(spot->view, spot->proc.pid);
	struct file *file = process ? program_file(process, spot->proc.fd) : NULL;
	int n = -ENOENT;
	switch (spot->proc.kind) {
	case ITEM_SELF:
		n = snprintf(out, size, "%d", proc_own_pid(program));
		break;
	case ITEM_THREAD_SELF:
		n = snprintf(out, size, "%d/task/%d", proc_own_pid(program), proc_own_tid(program));
		break;
	case ITEM_MOUNTS_LINK:
		n = snprintf(out, size, "self/mounts");
		break;
	case ITEM_FD:
		n = file ? fd_target(file, out, size) : -ENOENT;
		break;
	case ITEM_CWD:
		n = process ? snprintf(out, size, "%s", process->cwd) : -ENOENT;
		break;
	case ITEM_EXE:
		n = process && process->executable ? snprintf(out, size, "%s", process->executable) : -ENOENT;
		break;
	case ITEM_PROCESS_ROOT:
		n = snprintf(out, size, "/");
		break;
	default:
		return -EINVAL;
	}
	return n >= (int)size ? (ssize_t)size - 1 : n;
}

static int list_plain(const char *prefix, layer_entry_fn *entry, void *data)
{
	size_t length = strlen(prefix);
	int r = 0;
	for (size_t i = 0; i < COUNT(plain) && r == 0; i++) {
		const char *path = plain[i].path, *name = path + length + (length ? 1 : 0);
		if (strncmp(path, prefix, length) != 0 || (length && path[length] != '/') || strchr(name, '/'))
			continue;
		r = entry(data, name, i + 1, plain[i].text ? DT_REG : DT_DIR, false);
	}
	return r;
}

static int list_number(layer_entry_fn *entry, void *data, int number, unsigned char type)
{
	char name[16];
	snprintf(name, sizeof(name), "%d", number);
	return entry(data, name, 1, type, false);
}

static int list_root(struct spot *directory, layer_entry_fn *entry, void *data)
{
	int r = list_plain("", entry, data);
	for (size_t i = 0; i < COUNT(root_items) && r == 0; i++)
		r = entry(data, root_items[i].name, 1, DT_LNK, false);
	for (int pid = 0; r == 0 && (pid = proc_next_process(directory->view, pid)) > 0;)
		r = list_number(entry, data, pid, DT_DIR);
	return r;
}

static int list_process(const struct proc_item *item, layer_entry_fn *entry, void *data)
{
	int r = 0;
	for (size_t i = 0; i < COUNT(process_items) && r == 0; i++)
		if (process_items[i].kind != ITEM_TASKS || !item->fd)
			r = entry(data, process_items[i].name, 1, i < 3 ? DT_LNK : DT_DIR, false);
	for (size_t i = 0; i < COUNT(process_texts) && r == 0; i++)
		r = entry(data, process_texts[i].name, 1, DT_REG, false);
	return r;
}

int proc_list(struct program *program, const struct spot *directory, layer_entry_fn *entry, void *data)
{
	const struct proc_item *item = &directory->proc;
	struct program *process = proc_process(directory->view, item->pid);
	int r = 0;
	switch (item->kind) {
	case ITEM_ROOT:
		return list_root((struct spot *)directory, entry, data);
	case ITEM_PROCESS:
		return list_process(item, entry, data);
	case ITEM_PLAIN_DIRECTORY:
		return list_plain(plain[item->fd].path, entry, data);
	case ITEM_TASKS:
		for (int tid = 0; r == 0 && (tid = proc_next_thread(directory->view, item->pid, tid)) > 0;)
			r = list_number(entry, data, tid, DT_DIR);
		return r;
	case ITEM_FDS:
	case ITEM_FD_INFOS:
		for (size_t fd = 0; process && r == 0 && fd < process->slot_count; fd++)
			if (process->slots[fd].file)
				r = list_number(entry, data, (int)fd, item->kind == ITEM_FDS ? DT_LNK : DT_REG);
		return r;
	default:
		return -ENOTDIR;
	}
}

static void write_text(struct program *program, const struct spot *spot, FILE *out)
{
	struct program *process = proc_process(spot->view, spot->proc.pid);
	const struct proc_subject subject = {
		.program = process ? process : program,
		.view = spot->view,
	};
	if (spot->proc.kind == ITEM_TEXT)
		plain[spot->proc.fd].text(&subject, out);
	else if (spot->proc.kind == ITEM_PROCESS_TEXT)
		process_texts[spot->proc.fd].text(&subject, out);
	else
		proc_fd_info(&subject, spot->proc.fd, out);
}

int proc_set_size(struct file *file, size_t size)
{
	if (!counts_list(&file->view->counts, size))
		return -ENOMEM;
	file->object_size = size;
	return 0;
}

int proc_open(struct program *program, const struct spot *spot, int flags, struct file **out_file)
{
	char *text = NULL;
	size_t size = 0;
	if (spot->proc.pid && !proc_process(spot->view, spot->proc.pid))
		return -ENOENT;
	FILE *out = open_memstream(&text, &size);
	if (!out)
		return -ENOMEM;
	write_text(program, spot, out);
	if (fclose(out) != 0) {
		free(text);
		return -ENOMEM;
	}
	struct file *file = file_new(FILE_TEXT, -1, flags & (O_ACCMODE | O_NONBLOCK));
	if (!file) {
		free(text);
		return -ENOMEM;
	}
	file->object = text;
	file->path = strdup(spot->path);
	int r = file->path ? program_count_file(program, file) : -ENOMEM;
	if (r == 0)
		r = proc_set_size(file, size);
	if (r < 0)
		file_unref(file);
	else
		*out_file = file;
	return r;
}

static int64_t read_text(struct program *program, struct file *file, const struct iovec *pieces, int count, size_t size,
			 int64_t offset)
{
	uint64_t at = offset < 0 ? file->position : (uint64_t)offset, start = at;
	for (int i = 0; i < count && at < file->object_size; i++) {
		size_t left = file->object_size - at, n = pieces[i].iov_len < left ? pieces[i].iov_len : left;
		memcpy(pieces[i].iov_base, (const char *)file->object + at, n);
		at += n;
	}
	if (offset < 0)
		file->position = at;
	return (int64_t)(at - start);
}

static int64_t seek_text(struct program *program, struct file *file, int64_t offset, int whence)
{
	if (whence == SEEK_CUR && __builtin_add_overflow(offset, (int64_t)file->position, &offset))
		return -EINVAL;
	if ((whence != SEEK_SET && whence != SEEK_CUR) || offset < 0)
		return -EINVAL;
	file->position = (uint64_t)offset;
	return offset;
}

static int text_status(struct file *file, struct stat *out)
{
	*out = (struct stat){.st_mode = S_IFREG | 0444, .st_nlink = 1, .st_ino = 2, .st_blksize = 1024};
	return 0;
}

static void release_text(struct file *file)
{
	if (file->view)
		file->view->counts.listed -= file->object_size;
	free(file->object);
}

const struct file_ops text_ops = {
	.pread = read_text,
	.seek = seek_text,
	.status = text_status,
	.release = release_text,
};
