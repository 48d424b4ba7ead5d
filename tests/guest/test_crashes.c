/* SPDX-License-Identifier: MIT */
/* What is left of a program that did not end well: registers, the faulting address, a core file. */
#include "guest_support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static uint64_t reg(const viso_result *result, const char *name)
{
	uint64_t value = 0;
	assert_ok(viso_result_register(result, name, &value));
	return value;
}

static void assert_no_address(const viso_result *result)
{
	uint64_t address = 17;
	assert_fails(viso_result_fault_address(result, &address), ENODATA, VISO_STAGE_PROCESS,
		     "viso_result_fault_address");
	assert_int_equal(address, 17);
}

static void test_registers_and_address(void **state)
{
	struct fixture *fixture = *state;
	uint64_t address = 0, value = 3;
	need_kvm();
	viso_result *result = run(fixture, "/probe", "signal-crash", "0x1234");
	assert_int_equal(viso_result_signal(result), SIGSEGV);
	assert_ok(viso_result_fault_address(result, &address));
	assert_int_equal(address, 0x1234);
	/* crash_inner(0x1234, 0x4711) writes to its first argument at once. */
	assert_int_equal(reg(result, "rdi"), 0x1234);
	assert_int_equal(reg(result, "rsi"), 0x4711);
	assert_true(reg(result, "rip") >= 0x10000 && reg(result, "rsp") > 0x10000 && reg(result, "fs_base") > 0x10000);
	assert_int_equal(reg(result, "rflags") & 0x3202, 0x202);
	assert_int_equal(reg(result, "gs_base"), 0);
	static const char *const others[] = {"rax", "rbx", "rcx", "rdx", "rbp", "r8", "r9",
					     "r10", "r11", "r12", "r13", "r14", "r15"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		reg(result, others[i]);
	assert_fails(viso_result_register(result, "eax", &value), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_register");
	assert_fails(viso_result_register(result, NULL, &value), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_register");
	assert_fails(viso_result_register(result, "rax", NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_register");
	assert_fails(viso_result_register(NULL, "rax", &value), EINVAL, VISO_STAGE_ARGUMENT, "viso_result_register");
	assert_fails(viso_result_fault_address(NULL, &address), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_result_fault_address");
	assert_int_equal(value, 3);
	viso_result_unref(result);
}

static void test_kinds_of_ends(void **state)
{
	struct fixture *fixture = *state;
	uint64_t value, address;
	need_kvm();
	static const struct {
		const char *probe;
		bool has_address;
	} cases[] = {{"opcode", false},     {"divide", false},        {"overflow-stack", true},
		     {"beyond-file", true}, {"non-canonical", false}, {"abort", false}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i].probe);
		viso_result *result = run(fixture, "/probe", cases[i].probe);
		assert_true(reg(result, "rip") >= 0x10000);
		if (cases[i].has_address)
			assert_ok(viso_result_fault_address(result, &address));
		else
			assert_no_address(result);
		if (!strcmp(cases[i].probe, "overflow-stack"))
			assert_true(address <= reg(result, "rsp") + 4096 && address + (1 << 16) > reg(result, "rsp"));
		viso_result_unref(result);
	}
	/* A handler that cannot be entered: the fault that wanted it counts. */
	viso_result *result = run(fixture, "/probe", "signal-overflow");
	assert_ok(viso_result_fault_address(result, &address));
	viso_result_unref(result);
	/* Where it loops is told too; not of a program that ended by itself. */
	viso_command *command = new_command("/probe", "loop", NULL);
	assert_ok(viso_command_set_cpu_time_ms(command, 100));
	result = run_in(fixture->guest, command);
	assert_true(reg(result, "rip") >= 0x10000);
	assert_no_address(result);
	viso_result_unref(result);
	result = run(fixture, "/probe", "exit", "3");
	assert_fails(viso_result_register(result, "rip", &value), ENODATA, VISO_STAGE_PROCESS, "viso_result_register");
	assert_no_address(result);
	viso_result_unref(result);
}

/* A guest with a core path in the fixture's directory. */
static viso_guest *guest_with_core(struct fixture *fixture, char *out_path)
{
	viso_guest *guest = new_guest(fixture, 0);
	snprintf(out_path, PATH_MAX, "%s/core", fixture->base);
	unlink(out_path);
	assert_ok(viso_guest_set_core_path(guest, out_path));
	return guest;
}

static void test_core_is_elf(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX];
	struct stat st;
	need_kvm();
	viso_guest *guest = guest_with_core(fixture, path);
	assert_exited(run_in(guest, new_command("/probe", "exit", "0", NULL)), 0);
	assert_signalled(run_in(guest, new_command("/probe", "raise", "15", NULL)), SIGTERM);
	assert_int_equal(access(path, F_OK), -1);
	assert_signalled(run_in(guest, new_command("/probe", "abort", NULL)), SIGABRT);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	const uint8_t *file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	assert_true(file != MAP_FAILED);
	const Elf64_Ehdr *head = (const void *)file;
	const Elf64_Phdr *segments = (const void *)(file + head->e_phoff);
	assert_memory_equal(head->e_ident, ELFMAG, SELFMAG);
	assert_int_equal(head->e_type, ET_CORE);
	assert_int_equal(segments[0].p_type, PT_NOTE);
	uint64_t types = 0;
	for (uint64_t at = 0; at < segments[0].p_filesz;) {
		const Elf64_Nhdr *note = (const void *)(file + segments[0].p_offset + at);
		types |= note->n_type < 64 ? 1ull << note->n_type : 0;
		at += sizeof(*note) + ((note->n_namesz + 3) & ~3u) + ((note->n_descsz + 3) & ~3u);
	}
	assert_int_equal(types & 0x4e, 1 << NT_PRSTATUS | 1 << NT_FPREGSET | 1 << NT_PRPSINFO | 1 << NT_AUXV);
	for (int i = 1; i < head->e_phnum; i++) {
		assert_int_equal(segments[i].p_type, PT_LOAD);
		assert_true(segments[i].p_offset + segments[i].p_filesz <= (uint64_t)st.st_size);
		assert_true(segments[i].p_filesz <= segments[i].p_memsz && segments[i].p_vaddr % 4096 == 0);
	}
	munmap((void *)file, (size_t)st.st_size);
	close(fd);
	viso_guest_unref(guest);
}

static char *backtrace(const char *program, const char *core)
{
	char *command;
	assert_true(
		asprintf(&command,
			 "gdb -nx -q -batch -ex 'bt' -ex 'info registers rdi rip' -ex 'info auxv' -ex 'p $ymm0' -ex "
			 "'x/s *(char **)($rsp)' %s %s 2>&1; true",
			 program, core) > 0);
	char *output = host_output(command);
	free(command);
	return output;
}

static void test_gdb_shows_the_backtrace(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX], program[PATH_MAX];
	static const char *const programs[] = {"probe", "probe-pie"};
	need_kvm();
	skip_without(system("gdb --version >/dev/null 2>&1") == 0, "gdb");
	for (int i = 0; i < 2; i++) {
		viso_guest *guest = guest_with_core(fixture, path);
		snprintf(program, sizeof(program), "/%s", programs[i]);
		viso_result *result = run_in(guest, new_command(program, "signal-crash", "0x1234", NULL));
		snprintf(program, sizeof(program), "%s/%s", fixture->root_path, programs[i]);
		char *output = backtrace(program, path);
		const char *inner = strstr(output, "crash_inner"), *outer = strstr(output, "crash_outer");
		assert_non_null(strstr(output, "Program terminated with signal SIGSEGV"));
		assert_true(inner && outer && inner < outer && strstr(outer, "signals_crash") && strstr(outer, "main"));
		assert_non_null(strstr(output, "0x1234"));
		assert_non_null(strstr(output, "AT_ENTRY"));
		free(output);
		assert_signalled(result, SIGSEGV);
		viso_guest_unref(guest);
	}
}

static void test_gdb_shows_all_threads(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX], *command;
	need_kvm();
	skip_without(system("gdb --version >/dev/null 2>&1") == 0, "gdb");
	viso_guest *guest = guest_with_core(fixture, path);
	viso_result *result = run_in(guest, new_command("/probe", "signal-crash-thread", NULL));
	assert_true(asprintf(&command, "gdb -nx -q -batch -ex 'thread apply all bt' %s/probe %s 2>&1; true",
			     fixture->root_path, path) > 0);
	char *output = host_output(command);
	assert_non_null(strstr(output, "crash_in_thread"));
	/* The other one is within the C library, where a debugger may find no way back. */
	assert_true(strstr(output, "Thread 1 ") && strstr(output, "Thread 2 "));
	free(output);
	free(command);
	assert_signalled(result, SIGSEGV);
	viso_guest_unref(guest);
}

static void test_core_paths(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX];
	need_kvm();
	viso_guest *guest = new_guest(fixture, 0);
	assert_fails(viso_guest_set_core_path(guest, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_core_path");
	assert_fails(viso_guest_set_core_path(guest, ""), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_core_path");
	assert_fails(viso_guest_set_core_path(NULL, "core"), EINVAL, VISO_STAGE_ARGUMENT, "viso_guest_set_core_path");
	assert_fails(viso_guest_set_core_path(guest, fixture->base), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_guest_set_core_path");
	snprintf(path, sizeof(path), "%s/none/core", fixture->base);
	assert_fails(viso_guest_set_core_path(guest, path), ENOENT, VISO_STAGE_GUEST, path);
	snprintf(path, sizeof(path), "%s/secret/core", fixture->base);
	assert_fails(viso_guest_set_core_path(guest, path), ENOTDIR, VISO_STAGE_GUEST, path);
	/* A directory that went away: no core, and no harm. */
	snprintf(path, sizeof(path), "%s/gone", fixture->base);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/core");
	assert_ok(viso_guest_set_core_path(guest, path));
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	assert_signalled(run_in(guest, new_command("/probe", "abort", NULL)), SIGABRT);
	assert_fails(viso_guest_set_core_path(guest, "core"), EBUSY, VISO_STAGE_ARGUMENT, "viso_guest_set_core_path");
	viso_guest_unref(guest);
}

/* The signal of the limit would end the host program. */
static void test_core_beyond_the_file_limit(void **state)
{
	struct fixture *fixture = *state;
	char path[PATH_MAX];
	struct rlimit old, small;
	struct stat st;
	need_kvm();
	viso_guest *guest = guest_with_core(fixture, path);
	assert_signalled(run_in(guest, new_command("/probe", "abort", NULL)), SIGABRT);
	assert_int_equal(stat(path, &st), 0);
	viso_guest_unref(guest);
	guest = guest_with_core(fixture, path);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){(rlim_t)st.st_size / 2, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	viso_result *result = run_in(guest, new_command("/probe", "abort", NULL));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_signalled(result, SIGABRT);
	assert_int_equal(access(path, F_OK), -1);
	viso_guest_unref(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_registers_and_address),
		cmocka_unit_test(test_kinds_of_ends),
		cmocka_unit_test(test_core_is_elf),
		cmocka_unit_test(test_gdb_shows_the_backtrace),
		cmocka_unit_test(test_gdb_shows_all_threads),
		cmocka_unit_test(test_core_paths),
		cmocka_unit_test(test_core_beyond_the_file_limit),
	};
	return cmocka_run_group_tests_name("guest crashes", tests, fixture_setup, fixture_teardown);
}
