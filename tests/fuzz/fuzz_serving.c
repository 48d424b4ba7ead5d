/* SPDX-License-Identifier: MIT */
/*
 * What the program of a guest can ask for: sequences of system calls with wild numbers, pointers and lengths, memory
 * that it has filled for them, exceptions, signals, threads, processes and programs, and calls, requests, snapshots and
 * clones in between. The library is the real one, the processor is one of paper (fake_kvm.h).
 *
 * An input is a byte of settings and then steps; see run_step().
 */
#include "fake_kvm.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
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
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <virtiso.h>

#include "guest/numbers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Where the program has its memory, with holes in between. */
#define TEXT 0x400000ull
#define PLAIN 0x10000000ull
#define READ_ONLY 0x10010000ull
#define NO_ACCESS 0x10020000ull
#define OF_FILE 0x10030000ull /* ends in its second page; a third one is mapped */
#define SHARED 0x10040000ull
#define SHARED_FILE 0x10050000ull
#define SLOTS (PLAIN + 0x1000) /* of 128 bytes: names and structures */

enum { STEPS_MAX = 600, WAITS_MAX = 200, SLOT = 128, SLOT_COUNT = 32, STRUCTURES = 20, PAGE = 4096 };
enum { UPPER = 1, BIND = 2, STAYS = 4, CONNECTS = 8 }; /* settings */

/* Ends the run; libFuzzer keeps the input. */
static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fuzz_serving: %s; errno %d, the library says: %s\n", what, errno, viso_error_message());
	abort();
}

/* The input that is left. What is beyond it is zero. */
static const uint8_t *input, *input_end;

static uint64_t take(size_t size)
{
	uint64_t value = 0;
	size_t left = (size_t)(input_end - input);
	memcpy(&value, input, size < left ? size : left);
	input += size < left ? size : left;
	return value;
}

/* The directory of all: root/ with the program's files, work/ to bind, and a secret. */
static char base[64];

static void make_file(const char *name, const void *data, size_t size, unsigned mode)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	expect(fd >= 0 && write(fd, data, size) == (ssize_t)size && fchmod(fd, mode) == 0, path);
	close(fd);
}

static void make_directory(const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	expect(mkdir(path, 0777) == 0 && chmod(path, 0777) == 0, path);
}

static void make_link(const char *target, const char *name)
{
	char path[128];
	snprintf(path, sizeof(path), "%s/%s", base, name);
	expect(symlink(target, path) == 0, path);
}

static void make_program(void)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segments[2];
		uint8_t code[64];
	} file = {0};
	const Elf64_Phdr text = {.p_type = PT_LOAD,
				 .p_flags = PF_R | PF_X,
				 .p_vaddr = TEXT,
				 .p_filesz = sizeof(file),
				 .p_memsz = sizeof(file),
				 .p_align = PAGE};
	file.header = (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
				   .e_type = ET_EXEC,
				   .e_machine = EM_X86_64,
				   .e_version = EV_CURRENT,
				   .e_entry = TEXT + offsetof(__typeof__(file), code),
				   .e_phoff = offsetof(__typeof__(file), segments),
				   .e_ehsize = sizeof(file.header),
				   .e_phentsize = sizeof(Elf64_Phdr),
				   .e_phnum = 2};
	file.segments[0] = text;
	file.segments[1] = text;
	file.segments[1].p_flags = PF_R | PF_W;
	file.segments[1].p_vaddr += 16 * PAGE;
	file.segments[1].p_memsz += 3 * PAGE;
	make_file("root/program", &file, sizeof(file), 0755);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return walk->level == 0 && !strstr(path, "serving-") ? 0 : remove(path);
}

static void remove_base(void)
{
	nftw(base, remove_entry, 20, FTW_DEPTH | FTW_PHYS);
}

static void make_root(void)
{
	static const char script[] = "#!/program argument\n";
	static const uint8_t bytes[PAGE + 1000] = {1, 2, 3};
	snprintf(base, sizeof(base), "/tmp/serving-XXXXXX");
	expect(mkdtemp(base) && chmod(base, 0755) == 0, "no temporary directory");
	atexit(remove_base);
	make_file("secret", "secret", 6, 0644);
	make_directory("work");
	make_directory("root");
	make_directory("root/dir");
	make_directory("root/dir/sub");
	make_program();
	make_file("root/file", bytes, sizeof(bytes), 0666);
	make_file("root/dir/one", "one", 3, 0444);
	make_file("root/script", script, strlen(script), 0755);
	make_link("../../../../../../../../etc/passwd", "root/up");
	make_link("/file", "root/link");
	make_link("loop", "root/loop");
	make_link("dir/sub", "root/inner");
	char path[128];
	snprintf(path, sizeof(path), "%s/root/fifo", base);
	expect(mkfifo(path, 0666) == 0, path);
}

static int remove_below(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	return walk->level == 0 ? 0 : remove(path);
}

/* Whatever the program did: it did nothing out here. */
static void look_around(void)
{
	char path[128], text[16] = "";
	snprintf(path, sizeof(path), "%s/secret", base);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	expect(fd >= 0 && read(fd, text, sizeof(text)) == 6 && memcmp(text, "secret", 6) == 0, "the secret is changed");
	close(fd);
	snprintf(path, sizeof(path), "%s/work", base);
	expect(nftw(path, remove_below, 20, FTW_DEPTH | FTW_PHYS) == 0, "the bound directory cannot be emptied");
}

/* What the slots hold in the beginning. */
static void fill_slots(uint8_t slots[SLOT_COUNT * SLOT])
{
	static const char *const names[STRUCTURES] = {"/file",
						      "/dir",
						      "file",
						      "/link",
						      "/up",
						      "/fifo",
						      "/program",
						      "/script",
						      "/work/new",
						      "/new",
						      "/proc/self/maps",
						      "/proc/self/fd/3",
						      "..",
						      "",
						      "/dir/sub/../one",
						      "/loop",
						      "/dev/virtiso",
						      "/proc/self/exe",
						      "/inner/x",
						      "/dev/null"};
	const uint64_t pointers[] = {SLOTS, SLOTS + SLOT, 0};
	const struct iovec pieces[] = {{(void *)PLAIN, 100},
				       {(void *)(READ_ONLY - 8), 64},
				       {(void *)(PLAIN + 0x3ff0), 16},
				       {(void *)SHARED, 5000}};
	const struct timespec times[2] = {{.tv_nsec = 100000}, {.tv_sec = 1, .tv_nsec = 5}};
	const struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = 7};
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dir/socket"};
	const struct pollfd fds[3] = {
		{.fd = 5, .events = POLLIN}, {.fd = 7, .events = POLLIN}, {.fd = 10, .events = POLLOUT}};
	const uint64_t action[4] = {TEXT, SA_SIGINFO | SA_NODEFER | 0x04000000, TEXT, 0};
	const uint64_t message[7] = {0, 0, SLOTS + 21 * SLOT, 2, SLOTS + 29 * SLOT, 64, 0};
	const uint64_t control[3] = {20, (uint64_t)SCM_RIGHTS << 32 | SOL_SOCKET, 3};
	const struct sigevent notice = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	const uint64_t clone_args[11] = {0, 0, 0, 0, SIGCHLD};
	const struct {
		const void *data;
		size_t size;
	} structures[] = {{pointers, sizeof(pointers)}, {pieces, sizeof(pieces)},        {times, sizeof(times)},
			  {&event, sizeof(event)},      {&address, sizeof(address)},     {fds, sizeof(fds)},
			  {action, sizeof(action)},     {&notice, sizeof(notice)},       {message, sizeof(message)},
			  {control, sizeof(control)},   {clone_args, sizeof(clone_args)}};
	for (size_t i = 0; i < STRUCTURES; i++)
		memcpy(slots + i * SLOT, names[i], strlen(names[i]));
	for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++) {
		size_t room = SLOT, wanted = structures[i].size;
		memcpy(slots + (STRUCTURES + i) * SLOT, structures[i].data, wanted < room ? wanted : room);
	}
}

/* What each input begins with: memory, files and a clock that ends every wait. */
static const struct call {
	uint64_t number;
	uint64_t args[6];
} beginning[] = {
	{SYS_mmap, {PLAIN, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{0, {SLOTS}},
	{SYS_mmap, {READ_ONLY, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{SYS_mmap, {NO_ACCESS, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{SYS_mmap, {SHARED, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, (uint64_t)-1}},
	{SYS_open, {SLOTS, O_RDONLY}},                          /* 3 */
	{SYS_open, {SLOTS + SLOT, O_RDONLY | O_DIRECTORY}},     /* 4 */
	{SYS_pipe2, {PLAIN}},                                   /* 5, 6 */
	{SYS_socketpair, {AF_UNIX, SOCK_STREAM, 0, PLAIN + 8}}, /* 7, 8 */
	{SYS_epoll_create1, {0}},                               /* 9 */
	{SYS_eventfd2, {3, 0}},                                 /* 10 */
	{SYS_timerfd_create, {CLOCK_MONOTONIC, 0}},             /* 11 */
	{SYS_memfd_create, {SLOTS + 2 * SLOT, 0}},              /* 12 */
	{SYS_ftruncate, {12, 5000}},
	{SYS_open, {SLOTS + 8 * SLOT, O_RDWR | O_CREAT, 0600}}, /* 13 where there is a bind */
	{SYS_open, {SLOTS + 16 * SLOT, O_RDWR}},
	{SYS_mmap, {OF_FILE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, 3}},
	{SYS_mmap, {SHARED_FILE, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, 12}},
	{SYS_rt_sigaction, {SIGALRM, SLOTS + 26 * SLOT, 0, 8}},
	{SYS_rt_sigaction, {SIGUSR1, SLOTS + 26 * SLOT, 0, 8}},
	{SYS_setitimer, {ITIMER_REAL, SLOTS + 22 * SLOT, 0}},
};
enum { BEGINNING = sizeof(beginning) / sizeof(beginning[0]) };

static size_t begun, steps;
static uint64_t last_result;

static uint64_t choose_special(uint8_t which)
{
	static const uint64_t special[32] = {0,
					     (uint64_t)-1,
					     (uint64_t)AT_FDCWD,
					     INT64_MAX,
					     INT64_MIN,
					     INT32_MAX,
					     (uint64_t)INT32_MIN,
					     UINT32_MAX,
					     PAGE - 1,
					     PAGE,
					     PAGE + 1,
					     0x7fffffffefff,
					     0x7ffffffff000,
					     0x800000000000,
					     0xffff800000000000,
					     0xffffffffff600000,
					     1ull << 32,
					     0x1000,
					     0x2000,
					     0x3ff8,
					     0x4000,
					     SYS_fork,
					     CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
						     CLONE_SYSVSEM,
					     CLONE_VM | CLONE_VFORK | SIGCHLD,
					     SIGCHLD,
					     O_RDWR | O_CREAT,
					     O_NONBLOCK,
					     MAP_SHARED | MAP_ANONYMOUS,
					     MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
					     PROT_READ | PROT_WRITE,
					     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW,
					     UIO_MAXIOV + 1};
	return special[which % 32];
}

static uint64_t choose_address(uint8_t which)
{
	static const struct {
		uint64_t start;
		uint64_t pages;
	} areas[8] = {{PLAIN, 4},   {PLAIN, 4},  {READ_ONLY, 2},   {NO_ACCESS, 2},
		      {OF_FILE, 3}, {SHARED, 2}, {SHARED_FILE, 3}, {TEXT, 1}};
	uint64_t offset = take(1), size = areas[which % 8].pages * PAGE;
	return areas[which % 8].start + (offset < 128 ? offset * 8 : size - (offset - 128));
}

/* A number as programs give it: most often a fd, a pointer, a length or a flag. */
static uint64_t choose(void)
{
	uint8_t kind = (uint8_t)take(1);
	if (kind < 64)
		return kind;
	if (kind < 128)
		return choose_address(kind);
	if (kind < 160)
		return SLOTS + (uint64_t)(kind % SLOT_COUNT) * SLOT;
	if (kind < 192)
		return choose_special(kind);
	if (kind < 208)
		return 1ull << take(1) % 64;
	if (kind < 216)
		return last_result;
	return take(kind < 232 ? 2 : kind < 244 ? 4 : 8);
}

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

static int begin_program(struct fake_vm *vm)
{
	uint8_t slots[SLOT_COUNT * SLOT] = {0};
	const struct call *call = &beginning[begun];
	if (call->number || call->args[0] != SLOTS) {
		begun++;
		return make_call(vm, call);
	}
	fill_slots(slots);
	if (fake_access(vm, SLOTS, slots, sizeof(slots), true)) {
		begun++;
		return begin_program(vm);
	}
	return 0;
}

static int call_wildly(struct fake_vm *vm)
{
	enum { NUMBERS = 480, OWN = 32 };
	struct call call = {.number = take(2) % (NUMBERS + OWN)};
	size_t count = take(1) % 7;
	if (call.number >= NUMBERS)
		call.number +=
			VISO_HYPERCALL_BASE - NUMBERS + (call.number < NUMBERS + 8 ? 0 : VISO_HYPERCALL_READY - 8);
	for (size_t i = 0; i < count; i++)
		call.args[i] = choose();
	return make_call(vm, &call);
}

/* The program writes; where it cannot, that is the step. Then it takes the next one. */
static int write_numbers(struct fake_vm *vm)
{
	uint64_t address = choose(), numbers[8];
	size_t count = take(1) % 8 + 1;
	for (size_t i = 0; i < count; i++)
		numbers[i] = choose();
	return fake_access(vm, address, numbers, count * sizeof(numbers[0]), true) ? 1 : 0;
}

static int write_bytes(struct fake_vm *vm)
{
	uint8_t bytes[64];
	uint64_t address = choose();
	size_t count = take(1) % sizeof(bytes);
	for (size_t i = 0; i < count; i++)
		bytes[i] = (uint8_t)take(1);
	return fake_access(vm, address, bytes, count, true) ? 1 : 0;
}

static int set_registers(struct fake_vm *vm)
{
	struct kvm_regs *regs = fake_regs(vm);
	uint8_t which = (uint8_t)take(1);
	uint64_t value = choose();
	if (which % 8 == 0)
		regs->rip = value;
	else if (which % 8 == 1)
		regs->rflags = value;
	else
		regs->rsp = value;
	return 1;
}

static int jump_to_stub(struct fake_vm *vm)
{
	struct kvm_regs *regs = fake_regs(vm);
	regs->rcx = choose();
	regs->r11 = choose();
	regs->rax = take(2) % PAGE;
	return fake_jump_to_stub(vm);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int do_the_odd(struct fake_vm *vm)
{
	uint8_t which = (uint8_t)take(1), number = (uint8_t)take(1);
	switch (which % 32) {
	case 0:
		return fake_exit(vm, number);
	case 1:
		return fail(EFAULT);
	case 2:
		fake_kvm_fail(number % 8, which & 32 ? ENOMEM : EINVAL);
		return 1;
	case 3:
	case 4:
		return jump_to_stub(vm);
	case 5:
	case 6:
	case 7:
		return fake_exception(vm, number % 32, take(1), choose());
	default:
		return fail(which & 64 ? EINTR : EAGAIN);
	}
}

/* 0 with an exit, -1 with errno, 1 where the program goes on. */
static int run_step(struct fake_vm *vm)
{
	switch (take(1) % 16) {
	case 10:
	case 11:
	case 12:
		return write_numbers(vm);
	case 13:
		return write_bytes(vm);
	case 14:
		return set_registers(vm);
	case 15:
		return do_the_odd(vm);
	default:
		return call_wildly(vm);
	}
}

static int run_program(struct fake_vm *vm)
{
	static const struct call last = {SYS_exit_group, {3}};
	int r = 1;
	last_result = fake_regs(vm)->rax;
	if (begun < BEGINNING)
		return begin_program(vm);
	/* What a page fault interrupted is not made again: the program that has a handler for it could do something
	 * else. */
	while (r == 1 && input < input_end && steps < STEPS_MAX && fake_waits() < WAITS_MAX) {
		steps++;
		r = run_step(vm);
	}
	if (r != 1)
		return r;
	return steps++ < 2 * STEPS_MAX ? make_call(vm, &last) : fail(EFAULT);
}

static int64_t answer(viso_hypercall *hypercall, void *userdata)
{
	uint64_t from = 0, to = 0, size = 0;
	uint8_t bytes[5000];
	expect(viso_hypercall_argument(hypercall, 0, &from) == 0 && viso_hypercall_argument(hypercall, 1, &to) == 0 &&
		       viso_hypercall_argument(hypercall, 2, &size) == 0,
	       "a hypercall without arguments");
	size %= sizeof(bytes);
	int r = viso_hypercall_read(hypercall, from, bytes, size);
	expect(r == 0 || r == -EFAULT, "another errno of viso_hypercall_read()");
	r = viso_hypercall_write(hypercall, to, bytes, r == 0 ? size : 0);
	expect(r == 0 || r == -EFAULT, "another errno of viso_hypercall_write()");
	return (int64_t)from;
}

static int64_t defer(viso_hypercall *hypercall, void *userdata)
{
	return viso_hypercall_defer(hypercall);
}

static int connect_pair(const char *address, void *userdata)
{
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ssize_t n = write(pair[1], address, strlen(address));
	close(pair[1]);
	return n < 0 ? -EPIPE : pair[0];
}

static viso_guest *make_guest(viso_root *root, unsigned settings)
{
	char path[128];
	viso_guest *guest = viso_guest_new();
	snprintf(path, sizeof(path), "%s/work", base);
	bool is_set = guest && viso_guest_set_root(guest, root) == 0 &&
		      viso_guest_set_memory_max(guest, 8 << 20) == 0 && viso_guest_set_processes_max(guest, 6) == 0 &&
		      viso_guest_set_files_max(guest, 60) == 0 && viso_guest_set_written_max(guest, 4 << 20) == 0 &&
		      viso_guest_set_syscalls_max(guest, 2000) == 0 &&
		      viso_guest_set_hypercall_handler(guest, 0, answer, NULL, NULL) == 0 &&
		      viso_guest_set_hypercall_handler(guest, 1, defer, NULL, NULL) == 0 &&
		      (!(settings & UPPER) || viso_guest_set_upper_discarded(guest, 1 << 20) == 0) &&
		      (!(settings & BIND) || viso_guest_add_bind(guest, path, "/work", 1) == 0) &&
		      (!(settings & CONNECTS) || viso_guest_set_connect_handler(guest, connect_pair, NULL, NULL) == 0);
	expect(is_set, "a guest that cannot be made");
	return guest;
}

static viso_command *make_command(void)
{
	viso_command *command = viso_command_new("/program");
	expect(command && viso_command_add_arg(command, "argument") == 0 && viso_command_capture(command, 5000) == 0 &&
		       viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL) == 0 &&
		       viso_command_set_timeout_ms(command, 60 * 1000) == 0,
	       "a command that cannot be made");
	return command;
}

static void look_at(viso_result *result)
{
	expect(viso_result_reason(result) >= 0 && viso_result_exit_code(result) >= -1 &&
		       viso_result_exit_code(result) <= 255 && viso_result_signal(result) >= 0 &&
		       viso_result_signal(result) <= 64,
	       "no result");
	viso_result_unref(result);
}

static void run_to_the_end(viso_guest *guest, viso_command *command)
{
	viso_result *result = NULL;
	int r = viso_sandbox_run(viso_guest_sandbox(guest), command, &result);
	expect(r == 0 || (r == -viso_error_number() && viso_error_message()[0]), "a failure without its error");
	if (r == 0)
		look_at(result);
}

/* The host's turn, with whatever the program has become. */
static void use(viso_guest *guest)
{
	uint8_t in[100] = {1, 2, 3}, out[100];
	viso_result *result = NULL;
	int64_t n = viso_guest_request(guest, in, take(1) % sizeof(in), out, sizeof(out), 60000);
	expect(n <= (int64_t)sizeof(out), "an answer that is too long");
	expect(viso_guest_call(guest, "nothing", NULL, 0, 60000, NULL) < 0, "a function that is not there");
	if (viso_guest_last_result(guest, &result) == 0)
		look_at(result);
}

static void stay(viso_guest *guest, viso_command *command)
{
	viso_snapshot *snapshot = NULL;
	viso_guest *clone = NULL;
	viso_result *result = NULL;
	int r = viso_guest_initialise(guest, command, &result);
	if (result)
		look_at(result);
	if (r < 0)
		return;
	use(guest);
	if (viso_guest_snapshot(guest, &snapshot) == 0 && viso_snapshot_clone(snapshot, &clone) == 0)
		for (int i = 0; i < 3; i++) {
			use(clone);
			if (viso_guest_reset(clone) < 0)
				break;
		}
	viso_snapshot_unref(snapshot);
	use(guest);
	viso_guest_unref(clone);
}

static int lowest_fd(void)
{
	int fd = open("/", O_PATH | O_CLOEXEC);
	close(fd);
	return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static viso_root *root;
	static viso_command *command;
	if (!root) {
		char path[128];
		make_root();
		snprintf(path, sizeof(path), "%s/root", base);
		root = viso_root_new();
		expect(root && viso_root_use_directory(root, path) == 0, "a root that cannot be made");
		command = make_command();
	}
	input = data;
	input_end = data + size;
	begun = steps = 0;
	unsigned settings = (unsigned)take(1);
	fake_kvm_begin(run_program);
	int fd = lowest_fd();
	viso_guest *guest = make_guest(root, settings);
	if (settings & STAYS)
		stay(guest, command);
	else
		run_to_the_end(guest, command);
	viso_guest_unref(guest);
	expect(lowest_fd() == fd, "a fd is left");
	look_around();
	return 0;
}
