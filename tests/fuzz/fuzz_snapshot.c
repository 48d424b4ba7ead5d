/* SPDX-License-Identifier: MIT */
/*
 * What somebody can write into the file of a snapshot who knows its checksum. A program of several threads and
 * processes, with something of each kind open, is frozen and saved in the beginning; an input is a list of changes to
 * that file's state, and what the program of a clone does afterwards, if the file is taken. The processor is one of
 * paper.
 */
#include "fake_kvm.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <nettle/sha2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <virtiso.h>

#include "guest/numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TEXT 0x400000ull
#define PLAIN 0x10000000ull
#define SHARED 0x10010000ull
#define RECEIVE (VISO_HYPERCALL_BASE + VISO_HYPERCALL_RECEIVE)
#define REPLY (VISO_HYPERCALL_BASE + VISO_HYPERCALL_REPLY)

enum { PAGE = 4096, STEPS_MAX = 100, WAITS_MAX = 100, CHANGES_MAX = 8 };
/* As lib/guest/snapshot/saved.h has it. */
enum { STATE_SIZE = 48, SUM = 64, HEAD = 96 };

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_snapshot: %s; errno %d, the library says: %s\n", what, errno, viso_error_message());
	abort();
}

static const uint8_t *input, *input_end;

static uint64_t take(size_t size)
{
	uint64_t value = 0;
	size_t left = (size_t)(input_end - input);
	memcpy(&value, input, size < left ? size : left);
	input += size < left ? size : left;
	return value;
}

static char base[64];

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return remove(path);
}

static void remove_base(void)
{
	nftw(base, remove_entry, 20, FTW_DEPTH | FTW_PHYS);
}

static void make_program(void)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		uint8_t code[64];
	} file = {0};
	char path[128];
	file.header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				   .e_type = ET_EXEC,
				   .e_machine = EM_X86_64,
				   .e_version = EV_CURRENT,
				   .e_entry = TEXT + offsetof(__typeof__(file), code),
				   .e_phoff = offsetof(__typeof__(file), segments),
				   .e_ehsize = sizeof(file.header),
				   .e_phentsize = sizeof(Elf64_Phdr),
				   .e_phnum = 2};
	file.segments[0] = (Elf64_Phdr){.p_type = PT_LOAD,
					.p_flags = PF_R | PF_X,
					.p_vaddr = TEXT,
					.p_filesz = sizeof(file),
					.p_memsz = sizeof(file),
					.p_align = PAGE};
	file.segments[1] = file.segments[0];
	file.segments[1].p_flags = PF_R | PF_W;
	file.segments[1].p_vaddr += 16 * PAGE;
	file.segments[1].p_memsz += 3 * PAGE;
	snprintf(base, sizeof(base), "/tmp/snapshot-XXXXXX");
	expect(mkdtemp(base) && chmod(base, 0755) == 0, "no temporary directory");
	atexit(remove_base);
	snprintf(path, sizeof(path), "%s/program", base);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	expect(fd >= 0 && write(fd, &file, sizeof(file)) == sizeof(file) && fchmod(fd, 0755) == 0, path);
	close(fd);
}

/* What lies in the program's memory from PLAIN on. */
struct contents {
	char name[64];
	struct epoll_event event, edge;
	struct itimerspec soon;
	struct itimerval later;
	uint64_t signals;
	struct iovec part;
	uint64_t message[7];
	uint64_t control[3];
	uint32_t word;
	char text[32];
};
#define AT(field) (PLAIN + offsetof(struct contents, field))

static const struct contents contents = {
	.name = "/tmp/new",
	.event = {.events = EPOLLIN, .data.u64 = 1},
	.edge = {.events = EPOLLIN | EPOLLET, .data.u64 = 2},
	.soon = {.it_value.tv_sec = 10, .it_interval.tv_sec = 1},
	.later = {.it_value.tv_sec = 20},
	.signals = 1 << (SIGUSR1 - 1),
	.part = {(void *)AT(text), 4},
	.message = {0, 0, AT(part), 1, AT(control), 24, 0},
	.control = {20, (uint64_t)SCM_RIGHTS << 32 | SOL_SOCKET, 3},
	.word = 5,
	.text = "some text",
};

struct call {
	uint64_t number;
	uint64_t args[6];
	int role; /* of a child of clone(2) */
};

enum { LEADER, THREAD, SLEEPER, CHILD, LEAVER, BORROWER, ROLES };

static const uint64_t thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

/* By fds: 3, 4 a pipe; 5, 6 and 7, 8 pairs; 9, 10 epolls; 11 eventfd; 12, 13 timerfds; 14 signalfd; 15, 16 files; 17 a
 * pidfd. */
static const struct call leader[] = {
	{SYS_mmap, {PLAIN, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{0},
	{SYS_mmap, {SHARED, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{SYS_pipe2, {SHARED}},
	{SYS_write, {4, AT(text), 9}},
	{SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, SHARED}},
	{SYS_socketpair, {AF_UNIX, SOCK_SEQPACKET, 0, SHARED}},
	{SYS_sendmsg, {5, AT(message), 0}},
	{SYS_sendmsg, {7, AT(message), 0}},
	{SYS_epoll_create1, {0}},
	{SYS_epoll_create1, {0}},
	{SYS_epoll_ctl, {9, EPOLL_CTL_ADD, 3, AT(event)}},
	{SYS_epoll_ctl, {9, EPOLL_CTL_ADD, 5, AT(edge)}},
	{SYS_epoll_ctl, {10, EPOLL_CTL_ADD, 9, AT(event)}},
	{SYS_eventfd2, {3, 0}},
	{SYS_timerfd_create, {CLOCK_MONOTONIC, 0}},
	{SYS_timerfd_create, {CLOCK_REALTIME, 0}},
	{SYS_timerfd_settime, {12, 0, AT(soon), 0}},
	{SYS_timerfd_settime, {13, 1, AT(soon), 0}},
	{SYS_signalfd4, {(uint64_t)-1, AT(signals), 8, 0}},
	{SYS_open, {AT(name), O_RDWR | O_CREAT, 0600}},
	{SYS_write, {15, AT(text), 9}},
	{SYS_memfd_create, {AT(text), 0}},
	{SYS_setitimer, {ITIMER_REAL, AT(later), 0}},
	{SYS_timer_create, {CLOCK_MONOTONIC, 0, SHARED}},
	{SYS_timer_settime, {0, 0, AT(soon), 0}},
	{SYS_rt_sigprocmask, {SIG_BLOCK, AT(signals), 0, 8}},
	{SYS_kill, {2, SIGUSR1}},
	{SYS_clone, {thread_flags, TEXT}, THREAD},
	{SYS_clone, {thread_flags, TEXT}, SLEEPER},
	{SYS_fork, {0}, CHILD},
	{SYS_fork, {0}, LEAVER},
	{SYS_clone, {thread_flags, TEXT}, BORROWER},
	{SYS_pidfd_open, {5, 0}},
	{SYS_sched_yield},
	{SYS_sched_yield},
	{SYS_sched_yield},
	{SYS_sched_yield},
	{RECEIVE, {SHARED, 100}},
};
static const struct call thread[] = {{SYS_futex, {AT(word), 0, 5, 0}}};
static const struct call sleeper[] = {{SYS_nanosleep, {AT(soon.it_value), 0}}};
static const struct call child[] = {{SYS_futex, {SHARED + 64, 0, 0, 0}}};
static const struct call leaver[] = {{SYS_exit_group, {3}}};
/* A child of vfork(2), for which a thread waits. */
static const struct call borrower[] = {{SYS_vfork, {0}, CHILD}};

static const struct {
	const struct call *calls;
	size_t count;
} scripts[ROLES] = {
	[LEADER] = {leader, sizeof(leader) / sizeof(leader[0])},
	[THREAD] = {thread, 1},
	[SLEEPER] = {sleeper, 1},
	[CHILD] = {child, 1},
	[LEAVER] = {leaver, 1},
	[BORROWER] = {borrower, 1},
};

static int make_call(struct fake_vm *vm, const struct call *call)
{
	struct kvm_regs *regs = fake_regs(vm);
	regs->rax = call->number;
	regs->rdi = call->args[0];
	regs->rsi = call->args[1];
	regs->rdx = call->args[2];
	regs->r10 = call->args[3];
	regs->r8 = call->args[4];
	regs->r9 = call->args[5];
	return fake_syscall(vm);
}

/* A thread knows by R14 and R15 what it is to do, and how far it has come; by R13 what it is where it is a child. */
static int run_script(struct fake_vm *vm)
{
	struct kvm_regs *regs = fake_regs(vm);
	if (regs->r13 && regs->rax == 0) {
		regs->r14 = regs->r13;
		regs->r15 = 0;
	}
	regs->r13 = 0;
	expect(regs->r14 < ROLES, "a thread of the beginning without its registers");
	size_t count = scripts[regs->r14].count;
	const struct call *call = &scripts[regs->r14].calls[regs->r15 < count ? regs->r15 : count - 1];
	if (!call->number) {
		uint8_t copy[sizeof(contents)];
		memcpy(copy, &contents, sizeof(copy));
		if (!fake_access(vm, PLAIN, copy, sizeof(copy), true))
			return 0;
		regs->r15++;
		return run_script(vm);
	}
	regs->r13 = (uint64_t)call->role;
	regs->r15++;
	return make_call(vm, call);
}

static unsigned steps;

/* In a clone: whatever has to do with what the file told of. */
static int run_wildly(struct fake_vm *vm)
{
	static const uint64_t numbers[] = {
		SYS_read,  SYS_write, SYS_close,    SYS_recvmsg,       SYS_sendmsg,         SYS_epoll_wait,
		SYS_futex, SYS_wait4, SYS_kill,     SYS_timer_gettime, SYS_timerfd_gettime, SYS_getitimer,
		SYS_fork,  SYS_mmap,  SYS_munmap,   SYS_exit,          SYS_exit_group,      SYS_sched_yield,
		SYS_poll,  SYS_dup,   SYS_shutdown, SYS_getsockname,   SYS_timer_settime,   SYS_execve,
		REPLY,     RECEIVE};
	static const uint64_t addresses[] = {PLAIN, AT(event), AT(message), SHARED, SHARED + 64, AT(word), TEXT, 0};
	static const struct call last = {SYS_exit_group, {0}};
	if (steps++ >= STEPS_MAX || fake_waits() > WAITS_MAX || input == input_end) {
		if (steps > 2 * STEPS_MAX) {
			errno = EFAULT;
			return -1;
		}
		return make_call(vm, &last);
	}
	uint8_t what = (uint8_t)take(1);
	struct call call = {.number = numbers[what % (sizeof(numbers) / sizeof(numbers[0]))]};
	call.args[0] = take(1) % 24;
	call.args[1] = addresses[take(1) % 8];
	call.args[2] = take(1) % 64;
	call.args[3] = 0;
	if (call.number == SYS_futex)
		call.args[0] = what & 128 ? AT(word) : SHARED + 64, call.args[1] = what >> 6 & 1, call.args[2] = 5;
	if (call.number == SYS_poll)
		call.args[2] = 10;
	uint64_t value = 0;
	if ((what & 32) && !fake_access(vm, addresses[call.args[2] % 8], &value, sizeof(value), what & 64))
		return 0;
	return make_call(vm, &call);
}

static viso_root *root;

static viso_guest *make_guest(void)
{
	viso_guest *guest = viso_guest_new();
	bool is_set = guest && viso_guest_set_root(guest, root) == 0 &&
		      viso_guest_set_memory_max(guest, 8 << 20) == 0 && viso_guest_set_processes_max(guest, 12) == 0 &&
		      viso_guest_set_files_max(guest, 80) == 0 && viso_guest_set_written_max(guest, 4 << 20) == 0;
	expect(is_set, "a guest that cannot be made");
	return guest;
}

/* The file as it is written, and where it is given to the library. */
static uint8_t *good;
static size_t good_size, good_state;
static int file = -1;

static void save_one(void)
{
	char path[128];
	viso_snapshot *snapshot = NULL;
	fake_kvm_begin(run_script);
	viso_guest *guest = make_guest();
	viso_command *command = viso_command_new("/program");
	expect(command && viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL) == 0 &&
		       viso_guest_initialise(guest, command, NULL) == 0,
	       "the program does not begin");
	snprintf(path, sizeof(path), "%s/saved", base);
	expect(viso_guest_snapshot(guest, &snapshot) == 0 && viso_snapshot_save(snapshot, path) == 0,
	       "it cannot be saved");
	viso_snapshot_unref(snapshot);
	viso_guest_unref(guest);
	viso_command_unref(command);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	expect(fd >= 0 && fstat(fd, &st) == 0, path);
	good_size = (size_t)st.st_size;
	good = malloc(good_size);
	expect(good && read(fd, good, good_size) == (ssize_t)good_size, path);
	close(fd);
	uint64_t state;
	memcpy(&state, good + STATE_SIZE, sizeof(state));
	good_state = state;
	file = memfd_create("saved", MFD_CLOEXEC);
	expect(file >= 0 && fchmod(file, 0600) == 0, "no file");
}

static size_t page_up(size_t size)
{
	return (size + PAGE - 1) & ~(size_t)(PAGE - 1);
}

static uint64_t choose(void)
{
	static const uint64_t values[] = {
		0,         1,          2,         3,          5,          16,         0xff,  PAGE,
		INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, 1ull << 47, 1ull << 63, PLAIN, INT64_MAX / 2};
	uint8_t which = (uint8_t)take(1);
	return which < 16 ? values[which] : which < 128 ? which - 16u : take(which < 192 ? 2 : 8);
}

/* A change at a place: of bits, of a number of some size, bytes more or less, or some from elsewhere. The new size. */
static size_t change(uint8_t *state, size_t size)
{
	static const size_t sizes[] = {1, 2, 4, 8};
	uint8_t how = (uint8_t)take(1);
	size_t at = take(4) % (size - 8), length = take(1), from;
	uint64_t value;
	switch (how % 8) {
	case 0:
		state[at] ^= (uint8_t)(1 << length % 8);
		return size;
	case 1:
		memmove(state + at, state + at + (length < size - at ? length : 0), size - at - length % (size - at));
		return length < size - at ? size - length : size;
	case 2:
		memmove(state + at + length, state + at, size - at);
		return size + length;
	case 3:
		from = take(4) % (size - 256);
		memmove(state + at, state + from, length < size - at ? length : 1);
		return size;
	default:
		value = choose();
		memcpy(state + (at & ~7ull), &value, sizes[how / 8 % 4]);
		return size;
	}
}

static void write_file(void)
{
	uint8_t *state = calloc(1, good_state + 256 * CHANGES_MAX + 8);
	expect(state, "no memory");
	memcpy(state, good + HEAD, good_state);
	size_t size = good_state;
	for (uint64_t count = take(1) % CHANGES_MAX; count > 0 && size > 1024; count--)
		size = change(state, size);
	uint8_t head[HEAD];
	const uint64_t state_size = size;
	memcpy(head, good, HEAD);
	memcpy(head + STATE_SIZE, &state_size, sizeof(state_size));
	memset(head + SUM, 0, SHA256_DIGEST_SIZE);
	struct sha256_ctx sum;
	sha256_init(&sum);
	sha256_update(&sum, HEAD, head);
	sha256_update(&sum, size, state);
	sha256_digest(&sum, SHA256_DIGEST_SIZE, head + SUM);
	size_t pages = page_up(HEAD + good_state), to = page_up(HEAD + size);
	bool is_written = ftruncate(file, (off_t)(to + good_size - pages)) == 0 &&
			  pwrite(file, head, HEAD, 0) == HEAD && pwrite(file, state, size, HEAD) == (ssize_t)size &&
			  pwrite(file, good + pages, good_size - pages, (off_t)to) == (ssize_t)(good_size - pages);
	expect(is_written, "the file cannot be written");
	free(state);
}

static void use(viso_guest *guest)
{
	uint8_t in[16] = {1, 2, 3}, out[100];
	int64_t n = viso_guest_request(guest, in, sizeof(in), out, sizeof(out), 60000);
	expect(n <= (int64_t)sizeof(out), "an answer that is too long");
}

static void load(bool is_good)
{
	char path[64];
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL, *guest = make_guest();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	int r = viso_snapshot_load(path, guest, &snapshot);
	expect(r == 0 || (r == -viso_error_number() && viso_error_message()[0]), "a failure without its error");
	expect(r == 0 || r == -EINVAL || r == -ENOEXEC || r == -ESTALE || r == -ENOENT || r == -EACCES ||
		       r == -EMFILE || r == -ENOMEM,
	       "an errno that is not documented");
	expect(r == 0 || !is_good, "the file as it was is refused");
	viso_guest_unref(guest);
	if (r == 0 && viso_snapshot_clone(snapshot, &clone) == 0)
		for (int i = 0; i < 2; i++) {
			steps = 0;
			use(clone);
			if (viso_guest_reset(clone) < 0)
				break;
		}
	viso_guest_unref(clone);
	viso_snapshot_unref(snapshot);
}

static int lowest_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!root) {
		make_program();
		root = viso_root_new();
		expect(root && viso_root_use_directory(root, base) == 0, "a root that cannot be made");
		save_one();
	}
	input = data;
	input_end = data + size;
	fake_kvm_begin(run_wildly);
	int fd = lowest_fd();
	write_file();
	load(size == 0 || data[0] % CHANGES_MAX == 0);
	expect(lowest_fd() == fd, "a fd is left");
	return 0;
}
