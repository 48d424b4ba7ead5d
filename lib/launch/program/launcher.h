/* SPDX-License-Identifier: MIT */
/*
 * The launcher: a small static program that starts and ends everything for one host process.
 *
 *   main.c       waits for the host's death, keeps workers ready, removes guarded trees at the end
 *   worker.c     takes one request at a time and sees it through: start, supervise, end, report
 *   start.c      clones the first process of a jail or container
 *   join.c       the same where it joins namespaces
 *   container.c  what a container's init does: namespaces, mounts, then the program
 *   mount/       the file systems of a container (mount/mounts.h)
 *   jail.c       what a jail's program does before exec: ids and devices, chroot, Landlock
 *   exec.c       what both do last: streams, limits, credentials, seccomp, exec
 *   credentials.c  of that: ids, capabilities, no_new_privs
 *   bounding.c   the capability bounding set
 *   landlock.c   Landlock, of a jail's root or a container's paths
 *   filter.c     seccomp, and the calls behind it
 *   attributes.c scheduling and the like of the program's process
 *   idmap.c      its ids, sysctl.c its kernel parameters
 *   members.c    the end of a container that joined a pid namespace
 *   instance.c   an instance that stays: one process holds it, another one serves its plans from within
 *   joined.c     what is special about an instance of a container: its init, and how a command gets into it
 *   detached.c   an instance that goes on without its host
 *   restore.c    one that criu makes
 *   terminal.c   a terminal for the program
 *   hooks.c      programs that run at certain moments of a container's life
 *   receive.c    files of the host that are copied in
 *   pids.c       which processes there are
 *   hollow.c     what plain containers are cloned from
 *   pool.c       what is kept ready for a container of a pool: template.c its mounts, pristine.c its network
 *   network.c    the network of a container, as its init sees it; interfaces.c  what is left of it
 *   companion.c  a helper program of its network
 *   supervise.c  streams, time limits, orders, until the end
 *   pause.c      stopping all processes and letting them go on
 *   usage.c      what they use
 *   cgroup/      control groups
 *   children.c  idrange.c  report.c; of the library itself: core/remove_tree.c
 *
 * It is single-threaded throughout. A container's program and a jail's, but for an ordinary user's, are started by
 * vfork semantics, so the code up to exec runs on the memory of the worker (or of the container's init): it makes
 * system calls and writes to the shared page only.
 */
#ifndef LAUNCHER_H
#define LAUNCHER_H

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <virtiso/container.h>
#include <virtiso/error.h>
#include <virtiso/process.h>

#include "cgroup/cgroup.h"
#include "launch/plan/plan.h"

enum { CHILD_STACK_SIZE = 64 * 1024, WORKERS_MAX = 4096, SMALL_ARRAY = 128 };

/* How a hook ended: a positive errno, ECANCELED where it did not exit with 0; and its status as of wait(2). */
struct hook_end {
	int32_t error;
	int32_t status;
};

/* Shared by all processes of one launcher. */
struct launcher_shared {
	atomic_int idle_workers;
	atomic_uint container_starts; /* until there are enough for hollow.c */
	atomic_int hollow;            /* its state, and main's fd of it */
};

/*
 * One for each worker, shared with the processes that it starts, which have no other way to answer, and with main,
 * which puts things right where the worker is killed.
 */
struct start_page {
	atomic_uint idle; /* the worker is counted in idle_workers */
	struct cgroup cgroups[CGROUPS];
	struct report_failure failure;
	int64_t step_ns[PLAN_STEPS];
	pid_t companion_pid;
	atomic_uint network_made; /* futex: the container's init may go on */
	struct hook_end hook;
	atomic_uint maps_written;  /* futex: the user namespace of the container has its id maps */
	atomic_uint set_up;        /* the container's init has no child any more but the program to come */
	atomic_uint program_ended; /* by a container's init, before it exits: status and usage are valid */
	atomic_uint ends_all;      /* in an instance: all that the command started is being killed */
	int32_t status;
	struct report_usage usage;
	pid_t init_pid; /* of a container that joins namespaces */
	int proc_fd;    /* from one process to another that shares its fds; -1 for none */
	int mount_fd;
	uint64_t members; /* id of the mount namespace of one that joined a pid namespace, while it runs; else 0 */
	struct cgroup spare[CGROUPS]; /* of a pool: for the next job; last, since it outlives the one before */
};

/* A process of the host that a container's network needs; it ends with the container. */
struct companion {
	pid_t pid; /* of the init of its pid namespace; 0: none */
	int pidfd;
	int ready; /* readable when it works, or has ended; -1 afterwards */
	int complaints;
};

/* Everything about the request that a worker serves. */
struct job {
	const struct plan *plan;
	size_t plan_mapped;        /* bytes, where the plan is a mapped memfd; else 0 */
	int fds[1 + PLAN_FDS_MAX]; /* the channel, and those of the message */
	int fd_count;
	int channel;
	int root;
	int proc;      /* container that joins a pid namespace of root's: a detached procfs of that; else -1 */
	int root_copy; /* container of root: the detached root */
	int stream[3]; /* what becomes the program's 0, 1, 2 */
	int capture_read[3];
	int capture_write[3];
	int events;             /* where events are told; -1 for nowhere */
	struct cgroup *cgroups; /* of the page */
	uint32_t host_uid;      /* a jail's uid and gid on the host, or first of the container's range */
	int pidfd;              /* of the first process: the jail's program, or the container's init */
	int pid;
	int ready; /* container with PLAN_REPORT_START: readable when the program is executing or has failed */
	int ready_write;
	int upper_lock;     /* container with an upper that is kept: an open file that has the lock */
	int init_socket[2]; /* of a container's instance, while it starts: the holder's end and the init's */
	int hook_socket[2]; /* container, while it starts: the worker's end and the init's; -1 without such hooks */
	bool hooks_begun;   /* those at the end are to run */
	struct report_failure hook_failure; /* that is not to harm, as long as the host does not know of it */
	int pts;                            /* of a container: O_PATH fd of its devpts, where it is needed */
	int program_parent; /* where the program ends with it: the pid of its parent, as the program sees it; else 0 */
	char **argv;        /* in the small arrays, or allocated */
	char **env;
	char *small_argv[SMALL_ARRAY];
	char *small_env[SMALL_ARRAY];
	struct companion companion;
	uint64_t start_ns;
	bool launcher_gone;     /* main was killed meanwhile */
	bool builds_template;   /* the mounts are those of the template */
	bool has_template;      /* in which it was cloned */
	bool in_hollow;         /* likewise */
	bool has_network;       /* a prepared one, in which it was cloned */
	bool network_is_spoilt; /* it is not for another container, whatever it looks like */
	int kept;               /* the channel of the plan, where the process has one of its own; else -1 */
};

/* Constants of a worker's life. */
struct worker {
	int requests;
	int host;     /* pidfd of the host program */
	int launcher; /* pidfd of main */
	pid_t launcher_pid;
	int self; /* pidfd of the worker */
	pid_t pid;
	int null_fd;
	uint32_t uid; /* its own, the caller's */
	uint32_t gid;
	bool owns_ids;           /* root of the host: any id may be used and mapped; else only the caller's own */
	uint32_t first_id;       /* of its range of host ids; 0 where it owns none */
	bool bounding_set_empty; /* its own; only a new user namespace brings a full one */
	bool bounding_set_done;  /* of an init: what its program may not have is dropped */
	int other_worker;        /* plans sent here go to a new worker, whose bounding set is that of the host */
	uint64_t host_files[2];  /* soft and hard RLIMIT_NOFILE of the host, where the launcher has raised its own; else
				    0 */
	int own_root;            /* of an ordinary user's instance: as its mount namespace has it; else -1 */
	struct instance *instance; /* NULL but for what serves the plans of one */
	struct start_page *page;
	char *child_stack;   /* its top */
	int64_t clock_shift; /* by which our clocks are ahead of the host's, in ns */
	char *inner_stack;   /* in a container's instance: of the program, whose parent is on child_stack */
};

extern struct worker worker;

/* report.c */
/* Notes the first failure in the shared page; returns -1. errno is taken where `error` is 0. */
int fail(viso_stage stage, int error, const char *object);
/* The same for a hook. */
int fail_hook(const struct report_failure *failure);
uint64_t now_ns(void);
/* Notes when a step of the start is done. */
void note_step(viso_step step);
/* Adds what a reaped process has used. */
struct rusage;
void add_usage(struct report_usage *sum, const struct rusage *more);

/* worker.c */
/* A stack for the next child that shares our memory: its top, or NULL. */
char *make_child_stack(void);
/* The host has ended. Main sees to the rest, unless somebody has stopped it: then it goes on. */
void launcher_goes_on(void);
/* Where `received` is not 0, the first plan is the one that was taken in by that many bytes. */
_Noreturn void worker_main(struct launcher_shared *shared, struct start_page *page, int wake_main, ssize_t received);
/* In main: takes a plan in that a worker has sent to another one; 0 where there is none. */
ssize_t worker_take_in(int socket);
/* Afterwards: lets go of it; `error` is told to the host where it is not 0. */
void worker_let_go(int error);

/*
 * Sends a fd to the host; also from a container's init, which has the channel as long as it has not closed its fds. The
 * fd stays the caller's. 0, or -1 with the failure noted.
 */
int report_fd(int channel, enum report_fd_kind kind, int fd);

/* All but the channel and the place for events, which alone are needed while the program runs. */
void close_start_fds(struct job *job);

/* Tells the host that the program is executing. */
void report_started(struct job *job, int pid);

/* Takes plans from the worker's socket and serves each in a process of its own. */
_Noreturn void worker_serve_instance(void);
/* The same, but with workers that are there before a plan comes, and that stay. */
/* What that needs; 0, or -1 with the failure noted. */
int worker_prepare_serving(void);
_Noreturn void worker_keep_serving_instance(void);

/* start.c: clones the first process. 0, or -1 with the failure noted and nothing left running. */
int start_job(struct job *job);
int start_container(struct job *job);
/* job->ready, where somebody wants to know that the program is executing. 0, or -1 with the failure noted. */
int make_ready_pipe(struct job *job);
/*
 * A container's init, with these flags and as fork does it. Where `out_pid` is NULL, job->pidfd is set; else the kernel
 * writes the pid there, and CLONE_PARENT is among the flags.
 */
pid_t clone_container(struct job *job, uint64_t flags, pid_t *out_pid);
/* The same as any process that fork makes, in the control group of version 2 where that is not negative. */
pid_t clone_into_group(int group, uint64_t flags, int *out_pidfd, pid_t *out_pid);
/* After a clone that failed: -1 with the failure noted. */
int fail_clone(void);

/* join.c */
/* Whether there is anything to be joined. */
bool join_any(const struct plan *plan);
/* The same as clone_container(), in the namespaces that the plan joins. -1 with the failure noted. */
pid_t join_and_clone(struct job *job, uint64_t flags);

/* members.c */
/* In the worker: takes over a fd of the container's mount namespace, which it cannot open later; -1 for none. */
void members_hold(int mount);
/* There: notes what tells the container's processes, where it joined a pid namespace. 0, or -1 with the failure
 * noted. */
int members_note(const struct plan *plan, pid_t init);
/* There, when the init has ended: ends what is left. */
void members_finish(const struct job *job);
/* The same in main, where the worker was killed. */
void members_kill_left(uint64_t members);
/* In its init: ends and reaps all of its children. */
void members_end_children(const struct plan *plan);

/* sysctl.c: of the init, 0, or -1 with the failure noted. */
/* While the host's /proc is there. */
int sysctls_prepare(const struct plan *plan);
/* When the namespaces are there. */
int sysctls_write(const struct plan *plan);

/* jail.c, container.c: what the first process does; they return only by exit. */
int jail_child(void *job);
/* In the new namespaces of an ordinary user's jail: ids and devices. */
int jail_enter_namespaces(struct job *job);
/* no_new_privs and Landlock, as the plan says. */
int jail_harden(const struct job *job);
_Noreturn void container_init(struct job *job);
/* container.c: what the worker does meanwhile. */
int container_write_maps(const struct job *job);
/* The program of a container: no_new_privs, then exec_program(); returns only by exit. */
int container_program(void *job);
/* Inside a range of ids a process takes the container's uid 0: what it makes must belong to an id that the namespace
 * knows. */
int container_take_inner_root(const struct plan *plan);
/* The captured streams belong to the program, so that it can open /dev/stdout. */
void container_give_captures(const struct job *job);
/* Reaps until the program has ended, and notes how; what it left running is the caller's. */
void container_reap_until(pid_t program);

/* container.c: steps that the making of a template has in common with a container's init. */
void container_end_with_worker(void);
void container_wait_for_maps(void);

/* template.c */
/* Makes the template of the plan's container, where it is not there. 0, or -1 with the failure noted. */
int template_make(struct job *job);
void template_drop(void);
/* Notes where template_leave() goes back to. 0, or -1 with the failure noted. */
int template_find_home(void);
/* What is cloned between these two gets a copy of the template. */
int template_enter(void);
void template_leave(void);

/* hollow.c: the mount namespace that plain containers are cloned from */
/* In main, when it was woken; without it containers are cloned from the host's. */
void hollow_make_where_wanted(struct launcher_shared *with_workers);
/* In a worker, which asks for it so. */
void hollow_ask_by(struct launcher_shared *with_main, int wake);
/* What is cloned then, until template_leave(), is in it where that suits the job. 0, or -1 with the failure noted. */
int hollow_enter(struct job *job);
/* In the init of such a container: its root becomes the one that is attached. 0, or -1 with the failure noted. */
int hollow_enter_root(const struct job *job);

/* pristine.c: one empty network namespace */
/* Where it is not there. A failure shows when a container makes its own. */
void pristine_make(void);
void pristine_drop(void);
/* Whether it is as new, after all processes in it have ended. */
bool pristine_is(void);
/* What is cloned between these two is in it; false where there is none. */
bool pristine_enter(void);
void pristine_leave(void);

/* pages.c: in main; zeroed, or NULL with errno */
struct start_page *page_take(void);
void page_give_back(struct start_page *page);

/* pool.c */
/* Makes this worker one of a pool, with everything ready for the plan's container. 0, or -1 with the failure noted. */
int pool_prepare(struct job *job);
/* The job gets the control groups that are ready for it; false where there are none. */
bool pool_take_cgroups(const struct job *job);
/* Whether what is ready is for this container. 0, or -1 with the failure noted. */
int pool_choose(struct job *job);
/* Before and after the first process is cloned, in the parent. 0, or -1 with the failure noted. */
int pool_enter(struct job *job);
void pool_leave(const struct job *job);
/* After the end was reported. */
void pool_make_ready(const struct job *job);
/* Gives everything up. */
void pool_release(void);

/* mount/mounts.c */
/* A detached procfs of the pid namespace for children; its fd, or -1. */
int mounts_new_proc(void);
/* Of a prepared container: what the template has not, since programs write to it; at the working directory. */
int mounts_add_own_parts(const struct job *job);
/* The container's root, detached, its fd, and copies of what the plan binds in the places of the fds of that; or -1. */
int mounts_copy_root(struct job *job);
/* Makes the root of a container and pivots into it. 0 or -1. */
int mounts_enter(const struct job *job);
/* Makes the root that all containers of hollow.c have below theirs, and pivots into it. 0, or -1 with the failure
 * noted. */
int mounts_enter_hollow(void);
/* Whether the container's network namespace has to be entered before the mounts are made. */
bool mounts_need_network(const struct plan *plan);
/* mount/root.c: locks an upper that is kept, as long as job->upper_lock is open. 0, or -1 with the failure noted. */
int mounts_hold_upper(struct job *job);
/*
 * In a new mount namespace of an ordinary user's jail: device nodes cannot be made in its root, so the host's are bound
 * into its /dev where that is empty. The root with them; the given one where there is nothing to add; or -1.
 */
int mounts_add_devices(int root);

/* network.c */
/* In the container's init: its network namespace; returns when the network is there. 0 or -1. */
/* In a new network namespace. 0, or -1 with the failure noted. */
int network_bring_loopback_up(void);
int network_make(const struct job *job);
int network_bring_loopback_up(void);
/* In the worker: the init may go on. */
void network_continue(void);
/* In the holder of an instance: returns when the init goes on. 0, or -1 with the failure noted. */
int network_await_host(struct job *job);

/* companion.c */
/* Starts it; the init goes on when it is ready. 0, or -1 with the failure noted. */
int companion_start(struct job *job);
/* `ready` is readable: 0 where it works now; else -1 with the failure noted. */
int companion_take_ready(struct job *job);
/* Ends it, if there is one. */
void companion_end(struct job *job);

/* interfaces.c: after the host's death: its interfaces, and the bridge where nobody else uses it */
void interfaces_remove(const char *bridge, uint32_t group);

/* exec.c */
/* All fds from `first` to `last`. */
void close_between(unsigned first, unsigned last);
/* Streams, limits, credentials, seccomp, exec; returns only on failure, which is noted. */
void exec_program(struct job *job);

/* Signals that the launcher ignores are as usual again. */
void restore_ignored_signals(void);
void close_fds_from(unsigned first);

/* hooks.c */
bool hooks_any(const struct plan *plan, viso_hook when);
/* In the worker, before the init is made: a way to hear of it. 0, or -1 with the failure noted. */
int hooks_prepare(struct job *job);
/* There: waits until the init has its namespaces, runs those hooks, and lets it go on. 0, or -1 with the failure noted.
 */
int hooks_serve_init(struct job *job);
void hooks_release(struct job *job);
/* There: those that do no harm where they fail: VISO_HOOK_POSTSTART and VISO_HOOK_POSTSTOP. */
void hooks_after(struct job *job, viso_hook when);
/* In the init: waits for the worker's, and runs those in its namespaces. 0, or -1 with the failure noted. */
int hooks_before_root(struct job *job);
/* There, in the container's root. */
int hooks_before_program(struct job *job);

/* credentials.c */
/* No_new_privs, unless the plan wants new privileges: the condition for Landlock and for a filter. 0 or -1. */
int forbid_new_privileges(const struct plan *plan);
/* Drops from the bounding set what the plan does not keep, where that has not been done. 0 or -1. */
int limit_bounding_set(const struct plan *plan);
/* Secure bits, ids, capabilities. 0 or -1. */
int set_credentials(const struct job *job);

/* landlock.c: 0 or -1, also where there is nothing to restrict. */
int landlock_restrict_to_root(const struct job *job);
int landlock_restrict_to_paths(const struct plan *plan);

/* filter.c */
/* The channel at a number where no fd that is handed in comes to lie, where the filter's listener goes there; or -1. */
int filter_keep_channel(const struct job *job);
/* Loads the filter, and sends its listener to the host. 0 or -1. */
int set_filter(const struct job *job, int channel);
/* Behind the filter: returns only where it fails, with errno. */
void filter_execve(const struct plan *plan, const char *program, char **argv, char **env);
/* Behind a filter that could forbid it, ends this process; else returns. */
void filter_exit(const struct plan *plan);
/* attributes.c: what the plan sets of the program's process, but for the umask; 0, or -1 with the failure noted. */
/* Of the calling process. */
int attributes_apply(const struct plan *plan);
/* Of another one, for itself and what it will start. */
int attributes_apply_to(const struct plan *plan, pid_t pid);

static inline bool attributes_any(const struct plan *plan)
{
	return (plan->attributes.set & ~(uint32_t)PLAN_UMASK) || plan->attributes.cpus_size;
}

/* bounding.c */
/* Empties the worker's own bounding set, once, so that a start need not; where that is not possible, it has to. */
void empty_own_bounding_set(void);
/* Drops all but `keep`, one by one. 0, or -1 with errno. */
int drop_bounding_set(uint64_t keep);

/* supervise.c: from the start to the end of all its processes; fills `end`, returns the capture memfds. */
void supervise(struct job *job, struct report *report, int capture_fd[2]);

/* The next order; `out_pipe` is that of ORDER_PIDS, else -1. As recv(2), without waiting. */
ssize_t receive_order(int channel, struct order *order, int *out_pipe);

/* instance.c */
/* Holds an instance until it is to end; nothing of it is left then. 0, or -1 with the failure noted. */
int instance_hold(struct job *job);
/* In the process that serves one plan of an instance: makes it a worker. */
int instance_enter_worker(void);
/* For a new job of such a worker: the control groups are the instance's. */
void instance_lend_cgroups(struct cgroup *cgroups);
/* Reaps what the command of such a worker left, having ended it where `all` is wanted, and adds what it used. */
void instance_end_children(struct report_usage *sum, bool all);

/* The init of a container's instance, once all is set up. */
_Noreturn void instance_stay(struct job *job);
/* The directory of the instance's control group of version 2, borrowed; or -1. */
int instance_cgroup_version_2(void);
/* A container's devpts for a terminal in such a worker, borrowed. */
int instance_pts(void);

/* detached.c: the holder of an instance that goes on without its host. */
/* Takes what is needed for that, where the plan says so. 0, or -1 with the failure noted. */
int detached_take(const struct job *job);
/* Readable where somebody wants to attach; -1 where nobody may. */
int detached_listener(void);
void detached_serve(int root);
/* At the end: its name is free again. Where it did not start, the host sees to that. */
void detached_release(bool remove);

/* joined.c: an instance of a container. */
/* Has its init made and set up; with the fds that the init sends. 0, or -1 with the failure noted. */
int joined_start_init(struct job *job, int *out_root, int *out_pts);
/* Lets the init go on, once all is prepared that takes its cooperation. 0, or -1 with the failure noted. */
int joined_release_init(struct job *job);
/* In the zygote: enters what can be entered once and for all. 0, or -1 with the failure noted. */
int joined_prepare(const struct job *job);
/* In each worker: its children will be in the pid namespace. 0 or -1. */
int joined_enter_worker(void);
/* In what serves a plan: the process that enters the container for it. 0, or -1 with the failure noted. */
int joined_start(struct job *job);

/* restore.c: in the holder, in place of the two that start and release the init. 0, or -1 with the failure noted. */
int restore_start_init(struct job *job, int *out_root, int *out_pts);
int restore_hide_init(const struct job *job);

/* receive.c: in place of the program of a plan with PLAN_RECEIVE. */
_Noreturn void receive_files(struct job *job);

/* terminal.c */
/* The devpts of the container with this root directory: job->pts; -1 where it has none. */
void terminal_find_pts(struct job *job, int root);
/* The program's streams are its terminal, if it is to have one. 0, or -1 with the failure noted. */
int terminal_open(struct job *job);
/* After setsid(2). */
int terminal_take_control(const struct job *job);

/* pids.c */
/* Processes of ours among the descendants of another one. */
struct pids_of_ours {
	pid_t companion; /* with its children */
	pid_t zygote;    /* hidden with its children; 0 for none */
	pid_t init;      /* of a container's instance: hidden with the grandchildren of the zygote; 0 for none */
};
enum { PIDS_MAX = 16000 }; /* as many as a pipe holds */
/*
 * The descendants of a process, without ours, until the next call; how many there are, which may be more than are told,
 * at most PIDS_MAX.
 */
int pids_find(pid_t ancestor, struct pids_of_ours hidden, const int32_t **out_pids, int *out_count);
/* How many commands of an instance have an attendant, which is hidden. */
int pids_count_attendants(pid_t ancestor, struct pids_of_ours ours);
/* Writes their number to the pipe, and their ids. */
void pids_send(int pipe, pid_t ancestor, struct pids_of_ours hidden);
/* Kills all descendants that live; how many there were. */
int pids_kill(pid_t ancestor);

/* pause.c: of a job whose processes descend from `ancestor`, without those `hidden`; by its control group
 * where it has a freezer, else by SIGSTOP. 0 or a positive errno. */
int pause_processes(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden);
void resume_processes(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden);
/* Whether no thread of a process runs any more. */
bool is_stopped(int32_t pid);

/* usage.c: what such processes use now, by viso_usage; -1 where it is not known. `own` of them are the launcher's. */
void read_usage(const struct cgroup *groups, pid_t ancestor, struct pids_of_ours hidden, int own,
		int64_t figures[PLAN_FIGURES]);
/* What a job's groups have counted when all has ended. */
void read_final_usage(const struct cgroup *groups, int own, int64_t figures[PLAN_FIGURES]);
/* An answer to the host, which may not read it. */
void send_answer(int pipe, const void *data, size_t size);

/* idmap.c: the maps of the user namespace of a task, a pid or "self" as /proc names it; 0, or -1 with the failure noted
 */
/* Those that the plan chooses, or the default. */
int idmap_write(const struct job *job, const char *task);
/* What an id of the container is for the worker. */
uint32_t idmap_outside(const struct job *job, const struct plan_id_map *map, uint32_t id);
/* 0 to 65535 are the host's ids from `first` on. */
int idmap_write_range(const char *task, uint32_t first);
/* The plan's uid and gid, and no others, are the caller's own `uid` and `gid`; there are no groups. */
int idmap_write_one(const char *task, const struct plan *plan, uint32_t uid, uint32_t gid);

/* idrange.c */
/* The first of 65536 host ids that no other worker uses. */
uint32_t id_range_reserve(void);
/* That which begins so; false where another worker has it, or it is none of them. */
bool id_range_take(uint32_t first);

/* children.c: kills all children of this process but those that `spared` (may be NULL) is true for. */
void kill_children(bool (*spared)(pid_t));
/* The number may be another process's meanwhile: then nothing is done, unless that is of the same parent, too. */
void kill_children_of(pid_t parent, pid_t grandparent);
/* Of the worker that holds an instance: its zygote, or what serves a plan there, where it is stopped. */
void kill_stopped_zygotes(pid_t holder);
/* Whether this is its name in proc_pid_comm(5). */
bool process_has_name(pid_t pid, const char *name);
/* Kills everything that has this uid, which nothing else on the host may have. */
void kill_uid(uint32_t uid);
/* Ends and reaps all children of this process, which is a subreaper, and adds what they used. */
void end_children(const struct job *job, struct report_usage *sum);

/* A jail of an ordinary user makes a user namespace of its own; in an instance it has that of the instance. */
static inline bool job_has_namespace(const struct job *job)
{
	return job->plan->isolation == PLAN_JAIL && !worker.owns_ids && !worker.instance;
}

/* Whether the container has a new namespace of this kind (viso_namespace), neither the host's nor a joined one. */
static inline bool plan_owns_namespace(const struct plan *plan, unsigned kind)
{
	return !(plan->namespaces.not_own >> kind & 1);
}

static inline const char *plan_string(const struct plan *plan, plan_offset offset)
{
	return (const char *)plan + offset;
}

static inline int close_quietly(int fd)
{
	if (fd >= 0)
		close(fd);
	return -1;
}

#endif
