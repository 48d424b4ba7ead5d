/* SPDX-License-Identifier: MIT */
/* A call that only the privileged have and that gives the whole kernel: argv[2]. Each is made so that it does nothing;
 * that the kernel looked at what it was given shows that it may be made. */
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <sys/io.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>

#include "attack.h"

enum { FAN_CLASS_NOTIF_CODE = 0, SYSLOG_SIZE_BUFFER_CODE = 10, SYSLOG_READ_ALL_CODE = 3 };

/* Refused for what it was given, and not for who asked. */
static long looked_at(long result)
{
	return result < 0 && (errno == ENOEXEC || errno == EBADF || errno == EINVAL || errno == ENOENT) ? 0 : result;
}

static long call(const char *name)
{
	char text[16] = "";
	union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(event), .config = PERF_COUNT_SW_CPU_CLOCK};
	struct io_uring_params ring = {0};
	struct timex clock = {0};
	if (!strcmp(name, "bpf"))
		return syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map));
	if (!strcmp(name, "perf_event_open"))
		return syscall(SYS_perf_event_open, &event, -1, 0, -1, 0);
	if (!strcmp(name, "io_uring_setup"))
		return syscall(SYS_io_uring_setup, 1, &ring);
	if (!strcmp(name, "userfaultfd"))
		return syscall(SYS_userfaultfd, O_CLOEXEC);
	if (!strcmp(name, "fanotify_init"))
		return syscall(SYS_fanotify_init, FAN_CLASS_NOTIF_CODE, O_RDONLY);
	if (!strcmp(name, "init_module"))
		return looked_at(syscall(SYS_init_module, text, sizeof(text), ""));
	if (!strcmp(name, "finit_module"))
		return looked_at(syscall(SYS_finit_module, -1, "", 0));
	if (!strcmp(name, "kexec_load"))
		return syscall(SYS_kexec_load, 0, 0, NULL, 0);
	if (!strcmp(name, "kexec_file_load"))
		return looked_at(syscall(SYS_kexec_file_load, -1, -1, 1ul, "", 0));
	if (!strcmp(name, "syslog"))
		return syscall(SYS_syslog, SYSLOG_READ_ALL_CODE, text, sizeof(text));
	if (!strcmp(name, "swapon"))
		return looked_at(swapon("/no-such-file", 0));
	if (!strcmp(name, "acct"))
		return looked_at(syscall(SYS_acct, "/no-such-file"));
	if (!strcmp(name, "clock")) {
		clock.modes = ADJ_STATUS; /* with the status that it has */
		struct timex now = {0};
		if (adjtimex(&now) < 0)
			return -1;
		clock.status = now.status;
		return adjtimex(&clock);
	}
#ifdef __x86_64__
	if (!strcmp(name, "iopl"))
		return syscall(SYS_iopl, 3);
#endif
	errno = ENOSYS;
	return -1;
}

int main(int argc, char **argv)
{
	return outcome(call(argv[2]), argv[2]);
}
