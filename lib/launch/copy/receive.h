/* SPDX-License-Identifier: MIT */
/* The receiving end of a tree, inside a sandbox: part of the launcher and of viso-agent. */
#ifndef LAUNCH_COPY_RECEIVE_H
#define LAUNCH_COPY_RECEIVE_H

/*
 * Makes what comes by standard input (stream.h) at `path`, or under `name` where that is a directory. 0 or a positive
 * errno, and then nothing is left. Changes `path`.
 */
int receive_tree(char *path, const char *name);

#endif
