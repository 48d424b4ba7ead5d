/* SPDX-License-Identifier: MIT */
#include "guest/files/proc_text.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

#include "guest/files/view.h"
#include "guest/instance.h"
#include "guest/program/calls.h"
#include "guest/program/processes.h"

static uint64_t memory_used(const struct proc_subject *subject)
{
	return subject->program->space->memory->used * GUEST_PAGE;
}

static uint64_t memory_size(const struct proc_subject *subject)
{
	return subject->program->space->memory->size;
}

static double seconds_since_start(const struct proc_subject *subject)
{
	return (double)(clock_now(CLOCK_MONOTONIC) - subject->program->wall_start) / 1e9;
}

/* One processor; what it can do is told by CPUID, not here. */
void proc_cpuinfo(const struct proc_subject *subject, FILE *out)
{
	fprintf(out,
		"processor\t: 0\nvendor_id\t: virtiso\ncpu family\t: 6\nmodel\t\t: 0\nmodel name\t: virtiso guest\n"
		"stepping\t: 0\ncpu MHz\t\t: 1000.000\nphysical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\n"
		"cpu cores\t: 1\nfpu\t\t: yes\nwp\t\t: yes\nflags\t\t: fpu tsc cx8 cmov mmx fxsr sse sse2 syscall nx "
		"lm\n"
		"address sizes\t: 46 bits physical, 48 bits virtual\n\n");
}

void proc_filesystems(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "nodev\tproc\nnodev\ttmpfs\nnodev\toverlay\n");
}

void proc_loadavg(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "0.00 0.00 0.00 1/1 %d\n", proc_own_pid(subject->program));
}

void proc_meminfo(const struct proc_subject *subject, FILE *out)
{
	unsigned long total = memory_size(subject) / 1024, used = memory_used(subject) / 1024;
	const struct {
		const char *name;
		unsigned long kib;
	} lines[] = {{"MemTotal:", total},
		     {"MemFree:", total - used},
		     {"MemAvailable:", total - used},
		     {"Buffers:", 0},
		     {"Cached:", 0},
		     {"SwapCached:", 0},
		     {"Active:", used},
		     {"Inactive:", 0},
		     {"SwapTotal:", 0},
		     {"SwapFree:", 0},
		     {"Dirty:", 0},
		     {"Shmem:", 0},
		     {"Committed_AS:", used}};
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		fprintf(out, "%-15s %8lu kB\n", lines[i].name, lines[i].kib);
}

void proc_stat(const struct proc_subject *subject, FILE *out)
{
	unsigned long ticks = (unsigned long)(seconds_since_start(subject) * 100);
	time_t boot = time(NULL) - (time_t)seconds_since_start(subject);
	fprintf(out,
		"cpu  %lu 0 0 0 0 0 0 0 0 0\ncpu0 %lu 0 0 0 0 0 0 0 0 0\nintr 0\nctxt 0\nbtime %ld\nprocesses 1\n"
		"procs_running 1\nprocs_blocked 0\n",
		ticks, ticks, (long)boot);
}

void proc_file_max(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%u\n", subject->view->counts.open_max);
}

void proc_nr_open(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%d\n", PROGRAM_FILES_MAX);
}

void proc_pipe_max(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "1048576\n");
}

void proc_last_capability(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "40\n");
}

void proc_hostname(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%s\n", guest_kernel_name.nodename);
}

void proc_ngroups_max(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "65536\n");
}

void proc_release(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%s\n", guest_kernel_name.release);
}

void proc_ostype(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "Linux\n");
}

void proc_pid_max(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "32768\n");
}

static void put_uuid(const uint8_t random[16], FILE *out)
{
	for (int i = 0; i < 16; i++) {
		unsigned byte = random[i];
		/* RFC 9562: version 4, variant 10. */
		if (i == 6)
			byte = (byte & 0x0f) | 0x40;
		if (i == 8)
			byte = (byte & 0x3f) | 0x80;
		fprintf(out, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", byte);
	}
	fprintf(out, "\n");
}

void proc_boot_id(const struct proc_subject *subject, FILE *out)
{
	put_uuid(subject->view->boot_id, out);
}

void proc_entropy(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "256\n");
}

void proc_uuid(const struct proc_subject *subject, FILE *out)
{
	uint8_t random[16] = {0};
	if (getrandom(random, sizeof(random), 0) == sizeof(random))
		put_uuid(random, out);
}

void proc_threads_max(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "4096\n");
}

void proc_os_version(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%s\n", guest_kernel_name.version);
}

void proc_max_map_count(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "65530\n");
}

void proc_mmap_min(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%llu\n", SPACE_START);
}

void proc_overcommit(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "0\n");
}

void proc_uptime(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%.2f 0.00\n", seconds_since_start(subject));
}

void proc_version(const struct proc_subject *subject, FILE *out)
{
	const struct utsname name = guest_kernel_name;
	fprintf(out, "Linux version %s (virtiso) %s\n", name.release, name.version);
}

/* From the guest's memory, up to its first fault. */
static void copy_out(const struct proc_subject *subject, uint64_t start, uint64_t end, FILE *out)
{
	uint8_t buffer[1024];
	for (uint64_t at = start; at < end;) {
		size_t n = end - at < sizeof(buffer) ? (size_t)(end - at) : sizeof(buffer);
		if (space_read(subject->program->space, buffer, at, n) < 0)
			return;
		fwrite(buffer, 1, n, out);
		at += n;
	}
}

void proc_auxv(const struct proc_subject *subject, FILE *out)
{
	const struct program_image *image = &subject->program->image;
	copy_out(subject, image->auxiliary, image->auxiliary_end, out);
}

void proc_cgroup(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "0::/\n");
}

void proc_cmdline(const struct proc_subject *subject, FILE *out)
{
	const struct program_image *image = &subject->program->image;
	copy_out(subject, image->arguments, image->arguments_end, out);
}

static const char *name_of(const struct program *program)
{
	if (program->name[0])
		return program->name;
	const char *slash = program->executable ? strrchr(program->executable, '/') : NULL;
	return slash ? slash + 1 : "program";
}

void proc_comm(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "%.15s\n", name_of(subject->program));
}

void proc_environ(const struct proc_subject *subject, FILE *out)
{
	const struct program_image *image = &subject->program->image;
	copy_out(subject, image->arguments_end, image->environment_end, out);
}

static void put_limit(FILE *out, uint64_t value)
{
	if (value == RLIM_INFINITY)
		fprintf(out, "%-20s ", "unlimited");
	else
		fprintf(out, "%-20llu ", (unsigned long long)value);
}

void proc_limits(const struct proc_subject *subject, FILE *out)
{
	static const struct {
		const char *name, *unit;
		int number;
	} lines[] = {
		{"Max cpu time", "seconds", RLIMIT_CPU},         {"Max file size", "bytes", RLIMIT_FSIZE},
		{"Max data size", "bytes", RLIMIT_DATA},         {"Max stack size", "bytes", RLIMIT_STACK},
		{"Max core file size", "bytes", RLIMIT_CORE},    {"Max resident set", "bytes", RLIMIT_RSS},
		{"Max processes", "processes", RLIMIT_NPROC},    {"Max open files", "files", RLIMIT_NOFILE},
		{"Max locked memory", "bytes", RLIMIT_MEMLOCK},  {"Max address space", "bytes", RLIMIT_AS},
		{"Max file locks", "locks", RLIMIT_LOCKS},       {"Max pending signals", "signals", RLIMIT_SIGPENDING},
		{"Max msgqueue size", "bytes", RLIMIT_MSGQUEUE}, {"Max nice priority", "", RLIMIT_NICE},
		{"Max realtime priority", "", RLIMIT_RTPRIO},    {"Max realtime timeout", "us", RLIMIT_RTTIME},
	};
	fprintf(out, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		fprintf(out, "%-25s ", lines[i].name);
		put_limit(out, subject->program->limits[lines[i].number].rlim_cur);
		put_limit(out, subject->program->limits[lines[i].number].rlim_max);
		fprintf(out, "%-10s\n", lines[i].unit);
	}
}

void proc_maps(const struct proc_subject *subject, FILE *out)
{
	const struct address_space *space = subject->program->space;
	/* More could not be opened: see proc_set_size(). */
	for (size_t i = 0; i < space->count && (uint64_t)ftello(out) <= LISTED_MAX; i++) {
		const struct area *area = &space->areas[i];
		struct stat st = {0};
		const char *name = area->grows_down ? "[stack]" : "";
		if (area->file && file_status(area->file, &st) == 0 && area->file->path)
			name = area->file->path;
		else if (!area->file && area->start < space->heap_end && area->end > space->heap_start)
			name = "[heap]";
		int n = fprintf(out, "%08llx-%08llx %c%c%c%c %08llx %02x:%02x %llu ", (unsigned long long)area->start,
				(unsigned long long)area->end, area->protection & PROT_READ ? 'r' : '-',
				area->protection & PROT_WRITE ? 'w' : '-', area->protection & PROT_EXEC ? 'x' : '-',
				area->shared ? 's' : 'p', (unsigned long long)(area->file ? area->file_offset : 0),
				major(st.st_dev), minor(st.st_dev), (unsigned long long)st.st_ino);
		fprintf(out, "%*s%s\n", *name && n < 73 ? 73 - n : 0, "", name);
	}
}

static const char *type_of(const struct mount *mount)
{
	if (mount->is_proc)
		return "proc";
	return mount->path[1] && layer_is_memory(&mount->layers[0]) ? "tmpfs" : "overlay";
}

/* A space and what else would be taken for the end of a word are written as octal numbers. */
static void put_path(FILE *out, const char *path)
{
	for (; *path; path++)
		if (strchr(" \t\n\\", *path))
			fprintf(out, "\\%03o", (unsigned char)*path);
		else
			fputc(*path, out);
}

void proc_mounts(const struct proc_subject *subject, FILE *out)
{
	for (size_t i = 0; i < subject->view->mount_count; i++) {
		const struct mount *mount = subject->view->mounts[i];
		fprintf(out, "%s ", type_of(mount));
		put_path(out, mount->path);
		fprintf(out, " %s %s,nosuid,nodev 0 0\n", type_of(mount), mount->writable ? "rw" : "ro");
	}
}

void proc_mountinfo(const struct proc_subject *subject, FILE *out)
{
	for (size_t i = 0; i < subject->view->mount_count; i++) {
		const struct mount *mount = subject->view->mounts[i];
		const char *mode = mount->writable ? "rw" : "ro";
		fprintf(out, "%zu %d %u:%u / ", i + 1, i ? 1 : 0, major(mount->device), minor(mount->device));
		put_path(out, mount->path);
		fprintf(out, " %s,nosuid,nodev - %s %s %s\n", mode, type_of(mount), type_of(mount), mode);
	}
}

void proc_zero(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "0\n");
}

void proc_process_stat(const struct proc_subject *subject, FILE *out)
{
	const struct program *program = subject->program;
	int pid = proc_own_pid(subject->program);
	unsigned long ticks = (unsigned long)(seconds_since_start(subject) * 100);
	unsigned long pages = memory_used(subject) / GUEST_PAGE;
	fprintf(out, "%d (%.15s) %c 1 %d %d 0 -1 0 0 0 0 0 %lu 0 0 0 20 0 1 0 0 %llu %lu ", pid, name_of(program),
		program->stopped_by ? 'T' : 'R', pid, pid, ticks, (unsigned long long)program->space->size, pages);
	fprintf(out, "18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
}

void proc_statm(const struct proc_subject *subject, FILE *out)
{
	unsigned long size = subject->program->space->size / GUEST_PAGE, resident = memory_used(subject) / GUEST_PAGE;
	fprintf(out, "%lu %lu 0 0 0 %lu 0\n", size, resident, size);
}

void proc_status(const struct proc_subject *subject, FILE *out)
{
	const struct program *program = subject->program;
	int pid = proc_own_pid(subject->program), threads = 0;
	for (int tid = 0; (tid = proc_next_thread(subject->view, pid, tid)) > 0;)
		threads++;
	fprintf(out, "Name:\t%.15s\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\n",
		name_of(program), program->umask, program->stopped_by ? "T (stopped)" : "R (running)", pid, pid,
		(int)call_getppid(subject->program, NULL));
	fprintf(out, "TracerPid:\t0\nUid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", program->uid, program->uid,
		program->uid, program->uid, program->gid, program->gid, program->gid, program->gid);
	fprintf(out, "FDSize:\t%zu\nGroups:\t", program->slot_count);
	for (size_t i = 0; i < program->group_count; i++)
		fprintf(out, "%u ", program->groups[i]);
	fprintf(out, "\nVmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\nThreads:\t%d\n",
		(unsigned long long)program->space->size / 1024, (unsigned long long)program->space->size / 1024,
		(unsigned long long)program->space->memory->peak * GUEST_PAGE / 1024,
		(unsigned long long)memory_used(subject) / 1024, threads);
	fprintf(out, "SigPnd:\t0000000000000000\nSigBlk:\t%016llx\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n",
		(unsigned long long)program->task->signals.mask);
	fprintf(out, "Seccomp:\t0\nCpus_allowed:\t1\nCpus_allowed_list:\t0\n");
}

void proc_id_map(const struct proc_subject *subject, FILE *out)
{
	fprintf(out, "         0          0 4294967295\n");
}

void proc_fd_info(const struct proc_subject *subject, int fd, FILE *out)
{
	struct file *file = program_file(subject->program, fd);
	if (!file)
		return;
	int64_t at = file_is_seekable(file) ? file->ops->seek(subject->program, file, 0, SEEK_CUR) : 0;
	fprintf(out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t1\n", (long long)(at < 0 ? 0 : at), (unsigned)file->flags);
}

struct program *proc_process(struct view *view, int pid)
{
	struct instance *instance = view->program->instance;
	struct program *found = instance && pid ? process_find(instance, pid) : NULL;
	/* One that has ended has no memory to tell of. */
	if (instance)
		return found && !found->ended && found->space ? found : NULL;
	return pid && pid == view->program->pid ? view->program : NULL;
}

bool proc_has_process(struct view *view, int pid)
{
	return proc_process(view, pid) != NULL;
}

bool proc_has_thread(struct view *view, int pid, int tid)
{
	struct program *program = proc_process(view, pid);
	struct task *task = program && program->instance ? program_find_task(program->instance, tid) : NULL;
	return task && task->program == program;
}

int proc_next_process(struct view *view, int pid)
{
	int next = 0;
	for (const struct program *at = view->program; at; at = at->next)
		if (at->pid > pid && (!next || at->pid < next))
			next = at->pid;
	return next;
}

int proc_next_thread(struct view *view, int pid, int tid)
{
	struct program *program = proc_process(view, pid);
	int next = 0;
	if (!program || !program->instance)
		return 0;
	for (struct task *task = NULL; (task = scheduler_after(&program->instance->scheduler, task));)
		if (task->program == program && task->tid > tid && (!next || task->tid < next))
			next = task->tid;
	return next;
}

int proc_own_pid(struct program *program)
{
	return program ? (int)call_getpid(program, NULL) : 0;
}

int proc_own_tid(struct program *program)
{
	return program ? (int)call_gettid(program, NULL) : 0;
}
