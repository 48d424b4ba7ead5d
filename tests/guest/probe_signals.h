/* SPDX-License-Identifier: MIT */
/* What the probes of signals share. Each returns 0, or says which check failed. */
#ifndef PROBE_SIGNALS_H
#define PROBE_SIGNALS_H

#include "probe.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <ucontext.h>

enum { PAGE = 4096, SURVIVED = 99 };

#define CHECK(condition)                                                                                               \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			dprintf(2, "%s, line %d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno);             \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

typedef void info_handler(int signal, siginfo_t *info, void *context);

/* What note() has seen since handle(). */
extern volatile int count, last, order[64];
extern siginfo_t seen;
extern ucontext_t seen_context;

void note(int signal, siginfo_t *info, void *context);
void handle(int signal, info_handler *handler, int flags);
sigset_t set_of(int signal);
/* SIGALRM after so many microseconds, and again and again; 0 for not. */
void start_alarm(long microseconds, long interval);

typedef struct {
	uint8_t bytes[16][32];
} vectors;

/* A handler that uses these registers and the x87 stack itself. */
void clobber(int signal, siginfo_t *info, void *context);
/* Registers 0, 1, 7 and 15 of AVX. */
void load_vectors(const vectors *from);
void store_vectors(vectors *to);

#endif
