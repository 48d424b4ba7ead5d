/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks among the programs of a guest: those of fcntl(2), which belong to a process or (F_OFD_SETLK) to an
 * open file, and those of flock(2), which belong to an open file. They never reach the host.
 */
#ifndef GUEST_FILES_LOCKS_H
#define GUEST_FILES_LOCKS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct file;
struct program;
struct view;

/* flock(2). */
int64_t locks_flock(struct program *program, struct file *file, int operation);

/* F_GETLK, F_SETLK, F_SETLKW and F_OFD_… of fcntl(2), with the guest's struct flock. */
int64_t locks_fcntl(struct program *program, struct file *file, int command, uint64_t address);

/* A process closes a fd of the file: all its locks of that file go. And where the open file itself goes. */
void locks_close(struct program *program, struct file *file);
void locks_forget_file(struct view *view, struct file *file);
/* A process has ended. */
void locks_forget_process(struct program *program);
void locks_release(struct view *view);

#endif
