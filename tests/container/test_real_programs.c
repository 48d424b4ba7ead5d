/* SPDX-License-Identifier: MIT */
/* Programs of the host under the default profile: what it refuses, none of them needs. */
#include "programs.h"

#include <stdlib.h>
#include <unistd.h>

static struct box *open_container;

static struct box *container_of(const char *first, ...)
{
	va_list names;
	struct box *box = calloc(1, sizeof(*box));
	assert_non_null(box);
	open_container = box;
	box->strength = VISO_ISOLATION_CONTAINER;
	box->root = viso_root_new();
	box->container = viso_container_new();
	assert_non_null(box->container);
	assert_ok(viso_container_set_root(box->container, box->root));
	box->sandbox = viso_container_sandbox(box->container);
	va_start(names, first);
	for (const char *name = first; name; name = va_arg(names, const char *)) {
		skip_without_program(name);
		assert_ok(viso_root_add_program(box->root, name));
	}
	va_end(names);
	return box;
}

static int teardown(void **state)
{
	box_close(open_container);
	open_container = NULL;
	support_time_limit(0);
	return 0;
}

static viso_command *in_tmp(const char *const *argv)
{
	viso_command *command = command_of(argv);
	assert_ok(viso_command_set_cwd(command, "/tmp"));
	assert_ok(viso_command_set_env(command, "HOME", "/tmp"));
	assert_ok(viso_command_set_env(command, "TMPDIR", "/tmp"));
	return command;
}

#define RUNS(box, pattern, ...) assert_output(box, in_tmp((const char *const[]){__VA_ARGS__, NULL}), pattern)

static void begin(void **state)
{
	skip_without_strength(VISO_ISOLATION_CONTAINER);
	support_time_limit(200);
}

static void test_python(void **state)
{
	begin(state);
	struct box *box = container_of("python3", "sh", NULL);
	RUNS(box, "42 7 [[]1, 4, 9] 3 y x\n", "python3", "-c",
	     "import sqlite3, threading, subprocess, multiprocessing, mmap, asyncio, tempfile, os, socket, signal, "
	     "time\n"
	     "from concurrent.futures import ThreadPoolExecutor\n"
	     "row = sqlite3.connect('/tmp/x.db').execute('select 6 * 7').fetchone()\n"
	     "out = subprocess.run(['sh', '-c', 'exit 7']).returncode\n"
	     "squares = list(ThreadPoolExecutor(2).map(lambda n: n * n, [1, 2, 3]))\n"
	     "async def three():\n"
	     "    await asyncio.sleep(0.01); return 3\n"
	     "pid = os.fork()\n"
	     "if pid == 0: os._exit(0)\n"
	     "os.waitpid(pid, 0)\n"
	     "a, b = socket.socketpair(); a.send(b'y'); y = b.recv(1).decode()\n"
	     "queue = multiprocessing.Queue(); multiprocessing.Process(target=queue.put, args=('x',)).start()\n"
	     "mmap.mmap(-1, 4096); os.sched_getaffinity(0); os.memfd_create('m'); os.eventfd(1)\n"
	     "print(row[0], out, squares, asyncio.run(three()), y, queue.get())");
}

static void test_node(void **state)
{
	begin(state);
	struct box *box = container_of("node", "sh", NULL);
	RUNS(box, "42 worker child 6\n", "node", "-e",
	     "const {Worker} = require('worker_threads'), fs = require('fs'), {execFileSync} = "
	     "require('child_process');\n"
	     "fs.writeFileSync('/tmp/f', '42');\n"
	     "const child = execFileSync('sh', ['-c', 'echo child']).toString().trim();\n"
	     "const worker = new Worker(\"require('worker_threads').parentPort.postMessage('worker')\", {eval: "
	     "true});\n"
	     "worker.on('message', m => fs.readFile('/tmp/f', (e, d) => "
	     "console.log(d.toString(), m, child, [1, 2, 3].reduce((a, b) => a + b))));");
}

static void test_git(void **state)
{
	begin(state);
	struct box *box = container_of("git", "sh", NULL);
	RUNS(box, "one file\n*", "sh", "-ec",
	     "git init -q r && cd r && git config user.name n && git config user.email e@x\n"
	     "echo text > file && git add file && git commit -qm 'one file' && git gc -q && git fsck\n"
	     "git clone -q . ../c && cd ../c && git log --format=%s && git grep -c text");
}

static void test_gcc(void **state)
{
	begin(state);
	struct box *box = container_of("gcc", "sh", NULL);
	/* Made and executed below /tmp. */
	RUNS(box, "made 2", "sh", "-ec",
	     "echo '#include <stdio.h>\n#include <pthread.h>\nstatic void *f(void *a) { return a; }\n"
	     "int main(void) { pthread_t t; void *r; pthread_create(&t, 0, f, (void *)2); pthread_join(t, &r); "
	     "printf(\"made %d\", (int)(long)r); }' > a.c\n"
	     "gcc -O1 -pthread -o a a.c && ./a");
}

static void test_perl(void **state)
{
	begin(state);
	struct box *box = container_of("perl", NULL);
	RUNS(box, "3 child 5", "perl", "-MPOSIX=floor", "-e",
	     "pipe R, W; if (!fork) { print W 'child'; exit 5 } close W; my $c = <R>; wait;\n"
	     "print floor(3.7), ' ', $c, ' ', $? >> 8");
}

static void test_java(void **state)
{
	begin(state);
	struct box *box = container_of("java", NULL);
	RUNS(box, "*OpenJDK*\n", "java", "-XX:+PrintFlagsFinal", "-Xmx128m", "--version");
}

static void test_sqlite(void **state)
{
	begin(state);
	struct box *box = container_of("sqlite3", NULL);
	RUNS(box, "wal\n42\n", "sqlite3", "/tmp/x.db",
	     "pragma journal_mode=wal; create table t(a); insert into t values (41), (1); select sum(a) from t");
}

static void test_bash(void **state)
{
	begin(state);
	struct box *box = container_of("bash", "sort", "timeout", "mkfifo", NULL);
	RUNS(box, "a b 124 Killed\n", "bash", "-c",
	     "mkfifo p; (echo b; echo a) > p & x=$(sort p | { read m; read n; echo $m $n; })\n"
	     "timeout 0.1 bash -c 'while :; do :; done'; t=$?\n"
	     "bash -c 'kill -9 $$'; [ $? = 137 ] && k=Killed; echo $x $t $k");
}

/* A container in a container, by a program that knows nothing of this one; the later ones are not made as the first. */
static void test_bubblewrap(void **state)
{
	enum { STARTS = 6 };
	begin(state);
	struct box *box = container_of("bwrap", "sh", "ls", "umount", NULL);
	assert_ok(viso_container_set_seccomp_profile(box->container, VISO_SECCOMP_NONE));
	for (int i = 0; i < STARTS; i++)
		RUNS(box, "*dev\n*proc\n*tmp\n*refused\n/tmp 2\n", "bwrap", "--unshare-all", "--ro-bind", "/", "/",
		     "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", "--cap-add", "ALL",
		     "--uid", "0", "sh", "-c", "ls -d /../*; umount -l / 2>/dev/null || echo refused; echo $PWD $$");
}

#define PROGRAM(function) cmocka_unit_test_teardown(function, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROGRAM(test_python), PROGRAM(test_node), PROGRAM(test_git),
		PROGRAM(test_gcc),    PROGRAM(test_perl), PROGRAM(test_java),
		PROGRAM(test_sqlite), PROGRAM(test_bash), PROGRAM(test_bubblewrap),
	};
	return cmocka_run_group_tests_name("real programs in containers", tests, NULL, box_group_teardown);
}
