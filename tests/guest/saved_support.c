/* SPDX-License-Identifier: MIT */
#include "saved_support.h"

#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

viso_snapshot *saved_freeze(viso_guest *guest)
{
	viso_snapshot *snapshot = NULL;
	assert_ok(viso_guest_snapshot(guest, &snapshot));
	viso_guest_unref(guest);
	return snapshot;
}

const char *saved_path(const struct fixture *fixture)
{
	static char path[256];
	snprintf(path, sizeof(path), "%s/saved", fixture->base);
	return path;
}

int saved_load(struct fixture *fixture, const char *path, viso_snapshot **out_snapshot)
{
	viso_guest *guest = new_guest(fixture, 0);
	int r = viso_snapshot_load(path, guest, out_snapshot);
	viso_guest_unref(guest);
	return r;
}

int saved_run_other(const char *const arguments[])
{
	pid_t pid = fork();
	if (pid == 0) {
		execv("/proc/self/exe", (char *const *)arguments);
		_exit(100);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

int saved_call_there(const char *path, const char *root, const char *symbol)
{
	return saved_run_other((const char *const[]){"test", "call", path, root, symbol, NULL});
}

static int call_function(char **arguments)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new(), *clone = NULL;
	viso_snapshot *snapshot = NULL;
	uint64_t argument = 0, value = 99;
	if (viso_root_use_directory(root, arguments[1]) < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_snapshot_load(arguments[0], guest, &snapshot) < 0 || viso_snapshot_clone(snapshot, &clone) < 0 ||
	    viso_guest_call(clone, arguments[2], &argument, 1, 20000, &value) < 0)
		print_error("%s\n", viso_error_message());
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	viso_root_unref(root);
	return (int)value;
}

static int ask_python(char **arguments)
{
	viso_root *root = viso_root_new();
	viso_guest *guest = viso_guest_new(), *clone = NULL;
	viso_snapshot *snapshot = NULL;
	char answer[256] = "";
	if (viso_root_add_program(root, "/usr/bin/python3") < 0 || viso_guest_set_root(guest, root) < 0 ||
	    viso_snapshot_load(arguments[0], guest, &snapshot) < 0 || viso_snapshot_clone(snapshot, &clone) < 0 ||
	    viso_guest_request(clone, arguments[1], strlen(arguments[1]), answer, sizeof(answer) - 1, 20000) < 0)
		print_error("%s\n", viso_error_message());
	int r = strcmp(answer, arguments[2]);
	if (r)
		print_error("%s\n", answer);
	viso_guest_unref(clone);
	viso_guest_unref(guest);
	viso_snapshot_unref(snapshot);
	viso_root_unref(root);
	return r != 0;
}

void saved_write_forged(const char *path, uint8_t *file, size_t size)
{
	struct sha256_ctx sum;
	uint64_t state_size;
	memcpy(&state_size, file + STATE_SIZE, sizeof(state_size));
	memset(file + SUM, 0, SHA256_DIGEST_SIZE);
	sha256_init(&sum);
	sha256_update(&sum, HEAD + state_size, file);
	sha256_digest(&sum, SHA256_DIGEST_SIZE, file + SUM);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, file, size), size);
	close(fd);
}

void saved_change_some(uint8_t *state, uint64_t size)
{
	static const uint64_t values[] = {0,          1,          2,         0xff,       0x1000,
					  0x7fffffff, 0xffffffff, INT64_MAX, UINT64_MAX, 1ull << 47};
	enum { VALUES = sizeof(values) / sizeof(values[0]) };
	for (int changes = 1 + rand() % 3; changes > 0; changes--) {
		uint64_t at = (uint64_t)rand() % (size - 8);
		if (rand() % 2)
			memcpy(state + (at & ~7ull), &values[rand() % VALUES], 8);
		else
			state[at] ^= (uint8_t)(1 << rand() % 8);
	}
}

int saved_be_other(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "call"))
		return call_function(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "ask"))
		return ask_python(argv + 2);
	return 100;
}
