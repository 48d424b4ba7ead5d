/* SPDX-License-Identifier: MIT */
/* What a Java launcher needs beside its libraries: the rest of its JDK or JRE. */
#ifndef ROOT_JAVA_H
#define ROOT_JAVA_H

#include "root/closure/closure.h"

/*
 * Adds the runtime to which the program at `host` (a path without links) belongs, where it is a launcher of Java (java,
 * javac, jar, ...). `closure` is that of the program. 0, or a negative errno with the error set.
 */
int java_add(struct closure *closure, const char *host);

#endif
