/* SPDX-License-Identifier: MIT */
/* What the tests of guests share: a root directory with programs and files, and running a command in it. */
#ifndef GUEST_SUPPORT_H
#define GUEST_SUPPORT_H

#include "support.h"

#include <virtiso.h>

struct fixture {
	char *base; /* a temporary directory; base/root is the root, base/secret lies outside of it */
	char *root_path;
	viso_root *root;
	viso_guest *guest;
};

/* cmocka's group set-up and tear-down; the state is a struct fixture. Skips where there is no usable /dev/kvm. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* To be called first by each test: skips it where no guest can run here. */
void need_kvm(void);

/* A guest of its own over the fixture's root, with this memory limit (0: the default). */
viso_guest *new_guest(struct fixture *fixture, uint64_t memory_max);

/* A command with a list of arguments that ends with NULL; output captured, a minute at most. */
viso_command *new_command(const char *program, ...) __attribute__((sentinel));

/* Initialises the guest with the command, which is given back. */
viso_guest *initialise(viso_guest *guest, viso_command *command);

/* A guest that is new_guest(), initialised by a program with one argument. */
viso_guest *initialised(struct fixture *fixture, const char *program, const char *how, uint64_t memory_max);

/* Calls a function with one argument, which must succeed. */
uint64_t call(viso_guest *guest, const char *symbol, uint64_t argument);

viso_guest *clone_of(viso_snapshot *snapshot);

/* Sends the guest a request and checks the answer. */
void assert_answer(viso_guest *guest, const char *request, const char *expected);

/* Of a hypercall, which has it. */
uint64_t argument(viso_hypercall *hypercall, unsigned index);

/* Handlers: the sum of the arguments; memory filled with a byte, by address, length and byte; memory read, which gives
 * its length. */
int64_t answer_sum(viso_hypercall *hypercall, void *userdata);
int64_t answer_by_filling(viso_hypercall *hypercall, void *userdata);
int64_t answer_length(viso_hypercall *hypercall, void *userdata);

/* Runs it in the guest and gives the command back. */
viso_result *run_in(viso_guest *guest, viso_command *command);

/* Runs a program in the fixture's guest. */
#define run(fixture, ...) run_in((fixture)->guest, new_command(__VA_ARGS__, NULL))

/* Checks how a command ended, and gives the result back. */
void assert_exited(viso_result *result, int code);
void assert_signalled(viso_result *result, int signal);
void assert_reason(viso_result *result, viso_reason reason);

/* Runs what /probe knows by these names, with musl and with glibc: each must exit with 0. */
void assert_probes_pass(struct fixture *fixture, const char *const *names, size_t count);

/* Checks that it exited with 0 and wrote exactly this. */
void assert_output(viso_result *result, const char *expected);

/* What a shell command of the host writes; to be freed. */
char *host_output(const char *command);

#endif
