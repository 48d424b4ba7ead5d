/* SPDX-License-Identifier: MIT */
/* Damaged and hostile programs are refused, or end as a result; the host goes on. */
#include "guest_support.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static uint8_t *original;
static size_t original_size;

static void load_original(struct fixture *fixture)
{
	char *path;
	struct stat st;
	assert_true(asprintf(&path, "%s/probe", fixture->root_path) > 0);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	original_size = (size_t)st.st_size;
	original = malloc(original_size);
	assert_int_equal(read(fd, original, original_size), original_size);
	close(fd);
	free(path);
}

/* Runs a file with these contents. 0, or the negative errno of the start; the result's reason goes to `out_reason`. */
static int run_bytes(struct fixture *fixture, const uint8_t *bytes, size_t size, int *out_reason)
{
	char *path;
	assert_true(asprintf(&path, "%s/damaged", fixture->root_path) > 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	close(fd);
	viso_command *command = new_command("/damaged", "exit", "3", NULL);
	assert_ok(viso_command_set_timeout_ms(command, 300));
	viso_result *result = NULL;
	int r = viso_sandbox_run(viso_guest_sandbox(fixture->guest), command, &result);
	if (r < 0) {
		assert_int_equal(viso_error_number(), -r);
		assert_true(strlen(viso_error_message()) > 0);
	} else {
		*out_reason = viso_result_reason(result);
	}
	viso_result_unref(result);
	viso_command_unref(command);
	free(path);
	return r;
}

static void assert_refused(struct fixture *fixture, const uint8_t *bytes, size_t size)
{
	int reason;
	assert_int_equal(run_bytes(fixture, bytes, size, &reason), -ENOEXEC);
	assert_int_equal(viso_error_stage(), VISO_STAGE_GUEST);
}

static void test_truncated(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	load_original(fixture);
	static const size_t sizes[] = {0, 1, 4, 16, 63, 64, 65, 119, 120, 500, 4096};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		assert_refused(fixture, original, sizes[i]);
	int reason = 0;
	assert_int_equal(run_bytes(fixture, original, original_size, &reason), 0);
	assert_int_equal(reason, VISO_REASON_EXITED);
	free(original);
}

/* The program with one field of its ELF header or of one program header changed. */
static void test_damaged_fields(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	load_original(fixture);
	uint8_t *copy = malloc(original_size);
	Elf64_Ehdr *header = (Elf64_Ehdr *)copy;

#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		memcpy(copy, original, original_size);                                                                 \
		Elf64_Phdr *segments = (Elf64_Phdr *)(copy + header->e_phoff), *load = segments;                       \
		while (load->p_type != PT_LOAD)                                                                        \
			load++;                                                                                        \
		change;                                                                                                \
		print_message("# %s\n", #change);                                                                      \
		assert_refused(fixture, copy, original_size);                                                          \
	} while (0)

	REFUSED(header->e_ident[0] = 0);
	REFUSED(header->e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(header->e_ident[EI_DATA] = ELFDATA2MSB);
	REFUSED(header->e_machine = EM_AARCH64);
	REFUSED(header->e_type = ET_REL);
	REFUSED(header->e_type = ET_CORE);
	REFUSED(header->e_phentsize = 1);
	REFUSED(header->e_phnum = 0);
	REFUSED(header->e_phnum = 0xffff);
	REFUSED(header->e_phoff = original_size - 8);
	REFUSED(header->e_phoff = UINT64_MAX - 10);
	REFUSED(header->e_phoff = INT64_MAX);
	REFUSED(load->p_filesz = UINT64_MAX);
	REFUSED(load->p_offset = UINT64_MAX - 4095);
	REFUSED(load->p_memsz = load->p_filesz - 1);
	REFUSED(load->p_memsz = UINT64_MAX);
	REFUSED(load->p_vaddr = 0xffff800000000000);
	REFUSED(load->p_vaddr = 0x7ffffffff000);
	REFUSED(load->p_vaddr = 0x1000);
	REFUSED(load->p_vaddr = 0);
	REFUSED(load->p_vaddr += 1);
	REFUSED(for (int i = 0; i < header->e_phnum; i++) segments[i].p_type = PT_NULL);
	REFUSED(load->p_type = PT_INTERP; load->p_filesz = 1);
	REFUSED(load->p_type = PT_INTERP; load->p_filesz = 5000);
	REFUSED(load->p_type = PT_INTERP; load->p_filesz = 20; load->p_offset = 1ull << 63);
#undef REFUSED
	free(copy);
	free(original);
}

/* One byte after the other of the headers is replaced by random ones. What happens is open, but that the host goes on.
 */
static void test_random_damage(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	load_original(fixture);
	uint8_t *copy = malloc(original_size);
	srand(12345);
	for (int i = 0; i < 400; i++) {
		memcpy(copy, original, original_size);
		for (int n = 0; n <= i % 4; n++)
			copy[4 + rand() % 508] = (uint8_t)rand();
		int reason;
		int r = run_bytes(fixture, copy, original_size, &reason);
		if (r == 0)
			assert_int_not_equal(reason, VISO_REASON_GUEST_FAULT);
		else
			assert_true(r == -ENOEXEC || r == -ENOENT || r == -ENOMEM || r == -EACCES || r == -EIO ||
				    r == -ENOTDIR || r == -EFAULT);
	}
	free(copy);
	free(original);
}

static void test_scripts(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	static const struct {
		const char *text;
		int error;
	} cases[] = {{"#!", ENOEXEC},          {"#!\n", ENOEXEC},        {"#!   \n", ENOEXEC},
		     {"#!/no/such\n", ENOENT}, {"#!/damaged\n", ELOOP},  {"#!/damaged x\n", ELOOP},
		     {"#!/fruit\n", EACCES},   {"plain text\n", ENOEXEC}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int reason;
		print_message("# %s\n", cases[i].text);
		assert_int_equal(run_bytes(fixture, (const uint8_t *)cases[i].text, strlen(cases[i].text), &reason),
				 -cases[i].error);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_damaged_fields),
		cmocka_unit_test(test_random_damage),
		cmocka_unit_test(test_scripts),
	};
	return cmocka_run_group_tests_name("guest elf", tests, fixture_setup, fixture_teardown);
}
