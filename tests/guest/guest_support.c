/* SPDX-License-Identifier: MIT */
#include "guest_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WATCHDOG_SECONDS = 230, TIMEOUT_MS = 60000, RIG_PATIENCE = 4 };

/* In the rig all is emulated, and slower. */
static unsigned patience(void)
{
	return getenv("VISO_RIG") ? RIG_PATIENCE : 1;
}

void need_kvm(void)
{
	skip_without(access("/dev/kvm", R_OK | W_OK) == 0, "/dev/kvm");
}

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...)
{
	char *command;
	va_list args;
	va_start(args, format);
	assert_true(vasprintf(&command, format, args) > 0);
	va_end(args);
	assert_int_equal(system(command), 0);
	free(command);
}

static void fill_root(struct fixture *fixture)
{
	const char *root = fixture->root_path, *probes = getenv("VISO_TEST_PROBES");
	assert_non_null(probes);
	shell("mkdir -p %s/bin %s/dir/sub %s/many %s/etc %s/lib64 && chmod -R 755 %s", root, root, root, root, root,
	      root);
	shell("cp %s/probe %s/probe-pie %s/probe-dynamic %s/", probes, probes, probes, root);
	shell("cp %s/probe-files %s/probe-processor %s/", probes, probes, root);
	shell("cp %s/frozen-static %s/frozen-dynamic %s/waiting-* %s/", probes, probes, probes, root);
	shell("cp %s/callee* %s/asker* %s/ringer* %s/", probes, probes, probes, root);
	shell("for f in /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6 /lib/x86_64-linux-gnu/libm.so.6; "
	      "do cp -L "
	      "--parents $f %s/; done",
	      root);
	shell("if test -x /bin/busybox; then cp /bin/busybox %s/bin/; fi", root);
	shell("cp /etc/passwd /etc/group %s/etc/", root);
	shell("echo secret-of-the-host >%s/secret", fixture->base);
	shell("cd %s && printf 'pear\\napple\\nfig\\n' >fruit && printf 'a 1\\nb 2\\n' >table && head -c 100000 "
	      "/dev/urandom >data",
	      root);
	shell("cd %s && head -c 20000000 /dev/urandom >large && printf '#!/probe arguments\\n' >script && chmod 755 "
	      "script",
	      root);
	shell("cd %s/many && i=0; while test $i -lt 3000; do : >file-with-a-rather-long-name-$i; i=$((i+1)); done",
	      root);
	shell("cd %s && ln -s ../../../../../../../..%s/secret up && ln -s %s/secret absolute && ln -s dir/sub inner",
	      root, fixture->base, fixture->base);
	shell("cd %s && ln -s /fruit dir/sub/link && ln -s loop loop && mkfifo fifo && echo x >private && chmod 600 "
	      "private",
	      root);
}

int fixture_setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	*state = fixture;
	/* A guest that hangs must not hang the tests: SIGALRM ends them. */
	alarm(patience() * WATCHDOG_SECONDS);
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		return 0;
	fixture->base = support_temporary_directory();
	assert_true(asprintf(&fixture->root_path, "%s/root", fixture->base) > 0);
	fill_root(fixture);
	fixture->root = viso_root_new();
	assert_ok(viso_root_use_directory(fixture->root, fixture->root_path));
	fixture->guest = new_guest(fixture, 0);
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *fixture = *state;
	viso_guest_unref(fixture->guest);
	viso_root_unref(fixture->root);
	if (fixture->base)
		support_remove_tree(fixture->base);
	free(fixture->base);
	free(fixture->root_path);
	free(fixture);
	return 0;
}

viso_guest *new_guest(struct fixture *fixture, uint64_t memory_max)
{
	viso_guest *guest = viso_guest_new();
	assert_non_null(guest);
	assert_ok(viso_guest_set_root(guest, fixture->root));
	if (memory_max)
		assert_ok(viso_guest_set_memory_max(guest, memory_max));
	/* All tests with all guests contained: what cannot be done there says so. */
	if (getenv("VISO_TEST_CONTAINED"))
		assert_ok(viso_guest_set_placement(guest, VISO_PLACEMENT_CONTAINED));
	return guest;
}

viso_command *new_command(const char *program, ...)
{
	viso_command *command = viso_command_new(program);
	assert_non_null(command);
	va_list args;
	va_start(args, program);
	for (const char *arg; (arg = va_arg(args, const char *));)
		assert_ok(viso_command_add_arg(command, arg));
	va_end(args);
	assert_ok(viso_command_set_stdio(command, VISO_STDIN, VISO_STDIO_NULL));
	assert_ok(viso_command_capture(command, 1 << 20));
	assert_ok(viso_command_set_timeout_ms(command, patience() * TIMEOUT_MS));
	if (getenv("VISO_RIG"))
		assert_ok(viso_command_set_env(command, "VISO_RIG", "1"));
	return command;
}

viso_guest *initialise(viso_guest *guest, viso_command *command)
{
	assert_ok(viso_guest_initialise(guest, command, NULL));
	viso_command_unref(command);
	return guest;
}

viso_guest *initialised(struct fixture *fixture, const char *program, const char *how, uint64_t memory_max)
{
	return initialise(new_guest(fixture, memory_max), new_command(program, how, NULL));
}

uint64_t call(viso_guest *guest, const char *symbol, uint64_t argument)
{
	uint64_t value = 0;
	assert_ok(viso_guest_call(guest, symbol, &argument, 1, 20000, &value));
	return value;
}

viso_guest *clone_of(viso_snapshot *snapshot)
{
	viso_guest *guest = NULL;
	assert_ok(viso_snapshot_clone(snapshot, &guest));
	return guest;
}

void assert_answer(viso_guest *guest, const char *request, const char *expected)
{
	char out[256] = "";
	int64_t n = viso_guest_request(guest, request, strlen(request), out, sizeof(out) - 1, 20000);
	assert_ok(n);
	assert_string_equal(out, expected);
	assert_int_equal(n, strlen(expected));
}

uint64_t argument(viso_hypercall *hypercall, unsigned index)
{
	uint64_t value = 0;
	assert_ok(viso_hypercall_argument(hypercall, index, &value));
	return value;
}

int64_t answer_sum(viso_hypercall *hypercall, void *userdata)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < 6; i++)
		sum += argument(hypercall, i);
	return (int64_t)sum;
}

int64_t answer_by_filling(viso_hypercall *hypercall, void *userdata)
{
	char bytes[32768];
	memset(bytes, (int)argument(hypercall, 2), sizeof(bytes));
	return viso_hypercall_write(hypercall, argument(hypercall, 0), bytes, argument(hypercall, 1));
}

int64_t answer_length(viso_hypercall *hypercall, void *userdata)
{
	char bytes[256];
	uint64_t size = argument(hypercall, 1);
	if (size > sizeof(bytes))
		return -EMSGSIZE;
	int r = viso_hypercall_read(hypercall, argument(hypercall, 0), bytes, size);
	return r < 0 ? r : (int64_t)size;
}

viso_result *run_in(viso_guest *guest, viso_command *command)
{
	viso_result *result = NULL;
	assert_ok(viso_sandbox_run(viso_guest_sandbox(guest), command, &result));
	assert_non_null(result);
	viso_command_unref(command);
	return result;
}

static void check(viso_result *result, viso_reason reason, int exit_code, int signal)
{
	if (viso_result_reason(result) != (int)reason || viso_result_exit_code(result) != exit_code ||
	    (signal >= 0 && viso_result_signal(result) != signal))
		print_error("it %s; standard error: %s\n", viso_result_describe(result),
			    viso_result_output(result, VISO_STDERR, NULL));
	assert_int_equal(viso_result_reason(result), reason);
	assert_int_equal(viso_result_exit_code(result), exit_code);
	if (signal >= 0)
		assert_int_equal(viso_result_signal(result), signal);
	viso_result_unref(result);
}

void assert_exited(viso_result *result, int code)
{
	check(result, VISO_REASON_EXITED, code, 0);
}

void assert_signalled(viso_result *result, int signal)
{
	check(result, VISO_REASON_SIGNALLED, -1, signal);
}

void assert_reason(viso_result *result, viso_reason reason)
{
	check(result, reason, -1, -1);
}

void assert_probes_pass(struct fixture *fixture, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		print_message("# %s\n", names[i]);
		assert_exited(run(fixture, "/probe", names[i]), 0);
		assert_exited(run(fixture, "/probe-pie", names[i]), 0);
	}
}

void assert_output(viso_result *result, const char *expected)
{
	if (strcmp(viso_result_output(result, VISO_STDOUT, NULL), expected) != 0)
		print_error("standard error: %s\n", viso_result_output(result, VISO_STDERR, NULL));
	assert_string_equal(viso_result_output(result, VISO_STDOUT, NULL), expected);
	assert_exited(result, 0);
}

char *host_output(const char *command)
{
	FILE *pipe = popen(command, "r");
	assert_non_null(pipe);
	char *output = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&output, &size);
	assert_non_null(memory);
	for (int c; (c = getc(pipe)) != EOF;)
		putc(c, memory);
	fclose(memory);
	assert_int_equal(pclose(pipe), 0);
	return output;
}
