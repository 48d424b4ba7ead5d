/* SPDX-License-Identifier: MIT */
/* From the errnos of the kernel to those that <virtiso/root.h> documents. */
#ifndef ROOT_FAILURE_H
#define ROOT_FAILURE_H

/* Fails at stage root: "cannot `action` `path`: reason". `error` is positive. Returns -`error`. */
int fail_path(int error, const char *action, const char *path);

/*
 * At the public border: `r` where it is not negative, or documented; else the closest documented errno, with the error
 * of the thread changed to it and its sentence kept. `documented` is a list of positive errnos that ends with 0; its
 * first one stands for all that have no closer one.
 */
int only_documented(int r, const int *documented);

#endif
