/* SPDX-License-Identifier: MIT */
/* What the files of /proc say; see proc(5) for each. */
#ifndef GUEST_FILES_PROC_TEXT_H
#define GUEST_FILES_PROC_TEXT_H

#include <stdbool.h>
#include <stdio.h>

struct program;
struct view;

struct proc_subject {
	struct program *program; /* the process, or for files of no process the one that reads */
	struct view *view;
};

typedef void proc_text_fn(const struct proc_subject *subject, FILE *out);

proc_text_fn proc_cpuinfo, proc_filesystems, proc_loadavg, proc_meminfo, proc_stat, proc_file_max, proc_nr_open,
	proc_pipe_max, proc_last_capability, proc_hostname, proc_ngroups_max, proc_release, proc_ostype, proc_pid_max,
	proc_boot_id, proc_entropy, proc_uuid, proc_threads_max, proc_os_version, proc_max_map_count, proc_mmap_min,
	proc_overcommit, proc_uptime, proc_version;
proc_text_fn proc_auxv, proc_cgroup, proc_cmdline, proc_comm, proc_environ, proc_limits, proc_maps, proc_mountinfo,
	proc_mounts, proc_zero, proc_process_stat, proc_statm, proc_status, proc_id_map;
void proc_fd_info(const struct proc_subject *subject, int fd, FILE *out);

/* The processes and threads of the guest, by what it calls them. */
struct program *proc_process(struct view *view, int pid);
bool proc_has_process(struct view *view, int pid);
bool proc_has_thread(struct view *view, int pid, int tid);
/* The next one behind this; 0 at the end. */
int proc_next_process(struct view *view, int pid);
int proc_next_thread(struct view *view, int pid, int tid);
int proc_own_pid(struct program *program);
int proc_own_tid(struct program *program);

#endif
