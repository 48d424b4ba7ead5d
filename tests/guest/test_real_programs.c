/* SPDX-License-Identifier: MIT */
/* Programs of the host's distribution, as they are, with what they expect of processes, memory and files. */
#include "guest_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MEMORY = 1 << 30 };

/* What a shell line needs, what it is, and what it writes. */
struct case_of_shell {
	const char *needs;
	const char *line;
	const char *output;
};

static viso_guest *guest_of_host(viso_root **out_root)
{
	*out_root = viso_root_new();
	assert_ok(viso_root_use_directory(*out_root, "/"));
	viso_guest *guest = viso_guest_new();
	assert_non_null(guest);
	assert_ok(viso_guest_set_root(guest, *out_root));
	assert_ok(viso_guest_set_memory_max(guest, MEMORY));
	return guest;
}

static viso_command *in_tmp(const char *line)
{
	viso_command *command = new_command("/bin/bash", "-c", line, NULL);
	assert_ok(viso_command_set_cwd(command, "/tmp"));
	assert_ok(viso_command_set_env(command, "PATH", "/usr/bin:/bin"));
	assert_ok(viso_command_set_env(command, "HOME", "/tmp"));
	return command;
}

static void check_case(const struct case_of_shell *one)
{
	need_kvm();
	skip_without(access("/bin/bash", X_OK) == 0, "bash");
	skip_without(access(one->needs, X_OK) == 0, one->needs);
	viso_root *root;
	viso_guest *guest = guest_of_host(&root);
	assert_output(run_in(guest, in_tmp(one->line)), one->output);
	viso_guest_unref(guest);
	viso_root_unref(root);
}

#define PYTHON(text)                                                                                                   \
	{                                                                                                              \
		"/usr/bin/python3", "/usr/bin/python3 -c '" text "' 2>&1", "done\n"                                    \
	}

#define CASE(name, ...)                                                                                                \
	static void name(void **state)                                                                                 \
	{                                                                                                              \
		static const struct case_of_shell one = __VA_ARGS__;                                                   \
		check_case(&one);                                                                                      \
	}

CASE(test_python_subprocess, PYTHON("import subprocess, sys\n"
				    "r = subprocess.run([\"cat\"], input=b\"x\" * 200000, capture_output=True)\n"
				    "assert len(r.stdout) == 200000 and r.returncode == 0\n"
				    "p = subprocess.Popen([\"sleep\", \"60\"], start_new_session=True)\n"
				    "try: p.wait(timeout=0.05)\n"
				    "except subprocess.TimeoutExpired: p.kill()\n"
				    "assert p.wait() == -9\n"
				    "assert subprocess.check_output(\"echo $((6*7))\", shell=True) == b\"42\\n\"\n"
				    "print(\"done\")"))

CASE(test_python_multiprocessing,
     PYTHON("import multiprocessing as m\n"
	    "from multiprocessing import shared_memory as s\n"
	    "def f(x): return x * x\n"
	    "def g(name):\n"
	    "  b = s.SharedMemory(name); b.buf[0:4] = b\"seen\"; b.close()\n"
	    "with m.Pool(2) as p: assert p.map(f, range(20)) == [x * x for x in range(20)]\n"
	    "a = s.SharedMemory(create=True, size=100000)\n"
	    "q = m.Process(target=g, args=(a.name,)); q.start(); q.join()\n"
	    "assert bytes(a.buf[0:4]) == b\"seen\", bytes(a.buf[0:4])\n"
	    "a.close(); a.unlink()\n"
	    "v = m.Value(\"i\", 0)\n"
	    "def h():\n"
	    "  for i in range(50):\n"
	    "    with v.get_lock(): v.value += 1\n"
	    "l = [m.Process(target=h) for i in range(3)]\n"
	    "[x.start() for x in l]; [x.join() for x in l]\n"
	    "assert v.value == 150\n"
	    "print(\"done\")"))

CASE(test_python_asyncio, PYTHON("import asyncio, socket\n"
				 "async def main():\n"
				 "  p = await asyncio.create_subprocess_exec(\"echo\", \"hello\", stdout=-1)\n"
				 "  out, _ = await p.communicate(); assert out == b\"hello\\n\" and p.returncode == 0\n"
				 "  a, b = socket.socketpair()\n"
				 "  r, w = await asyncio.open_connection(sock=a)\n"
				 "  b.send(b\"line\\n\"); assert await r.readline() == b\"line\\n\"\n"
				 "  await asyncio.gather(*[asyncio.sleep(0.01) for i in range(50)])\n"
				 "  await asyncio.to_thread(sum, range(10))\n"
				 "asyncio.run(main())\n"
				 "print(\"done\")"))

CASE(test_python_files, PYTHON("import mmap, os, shutil, tempfile, select, signal\n"
			       "with tempfile.TemporaryDirectory() as d:\n"
			       "  os.makedirs(d + \"/a/b\"); open(d + \"/a/b/c\", \"w\").write(\"text\")\n"
			       "  os.symlink(\"c\", d + \"/a/b/l\")\n"
			       "  shutil.copytree(d + \"/a\", d + \"/z\", symlinks=True)\n"
			       "  assert os.readlink(d + \"/z/b/l\") == \"c\"\n"
			       "  f = open(d + \"/m\", \"w+b\"); f.truncate(10000)\n"
			       "  m = mmap.mmap(f.fileno(), 10000); m[5000:5004] = b\"mmap\"; m.flush()\n"
			       "  f.seek(5000); assert f.read(4) == b\"mmap\"\n"
			       "  os.pwrite(f.fileno(), b\"pwrite\", 9000); assert m[9000:9006] == b\"pwrite\"\n"
			       "  m.resize(20000); assert os.fstat(f.fileno()).st_size == 20000\n"
			       "  m.close(); f.close()\n"
			       "fd = os.memfd_create(\"x\"); os.ftruncate(fd, 4096)\n"
			       "m = mmap.mmap(fd, 4096)\n"
			       "if os.fork() == 0:\n"
			       "  m[0:5] = b\"child\"; os._exit(0)\n"
			       "os.wait(); assert m[0:5] == b\"child\" and os.pread(fd, 5, 0) == b\"child\"\n"
			       "e = select.epoll(); r, w = os.pipe(); e.register(r, select.EPOLLIN)\n"
			       "os.write(w, b\"x\"); assert e.poll(1) == [(r, select.EPOLLIN)]\n"
			       "print(\"done\")"))

#define SQLITE                                                                                                         \
	"import os, sqlite3, sys\n"                                                                                    \
	"def open_(): return sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)\n"                         \
	"c = open_(); assert c.execute(\"pragma journal_mode=wal\").fetchone()[0] == \"wal\"\n"                        \
	"c.execute(\"create table t(n)\"); c.close()\n"                                                                \
	"kids = []\n"                                                                                                  \
	"for k in range(3):\n"                                                                                         \
	"  kids.append(os.fork())\n"                                                                                   \
	"  if kids[-1] == 0:\n"                                                                                        \
	"    c = open_()\n"                                                                                            \
	"    for i in range(10): c.execute(\"insert into t values(?)\", (i,)); c.execute(\"select 1 from "             \
	"t\").fetchall()\n"                                                                                            \
	"    c.close(); os._exit(0)\n"                                                                                 \
	"for k in kids: assert os.waitpid(k, 0)[1] == 0\n"                                                             \
	"c = open_(); assert c.execute(\"select count(*), sum(n) from t\").fetchone() == (30, 135)\n"                  \
	"assert c.execute(\"pragma integrity_check\").fetchone()[0] == \"ok\"\n"                                       \
	"print(\"done\")\n"

/* A database that three processes write to, in memory and on the host, where it is whole afterwards. */
static void test_sqlite_wal(void **state)
{
	struct fixture *fixture = *state;
	need_kvm();
	skip_without(access("/usr/bin/python3", X_OK) == 0, "python3");
	viso_root *root;
	viso_guest *guest = guest_of_host(&root);
	char *source, *line;
	assert_true(asprintf(&source, "%s/database", fixture->base) > 0);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_ok(viso_guest_add_bind(guest, source, "/mnt", 1));
	static const char *const paths[] = {"/tmp/db", "/mnt/db"};
	for (int i = 0; i < 2; i++) {
		viso_command *command = new_command("/usr/bin/python3", "-c", SQLITE, paths[i], NULL);
		assert_output(run_in(guest, command), "done\n");
	}
	assert_true(asprintf(&line,
			     "/usr/bin/python3 -c 'import sqlite3; print(sqlite3.connect(\"%s/db\").execute(\"select "
			     "sum(n) from t\").fetchone()[0])'",
			     source) > 0);
	char *output = host_output(line);
	assert_string_equal(output, "135\n");
	free(output);
	free(line);
	free(source);
	viso_guest_unref(guest);
	viso_root_unref(root);
}

CASE(test_perl, {"/usr/bin/perl",
		 "perl -e 'pipe(R, W); if (!fork) { print W \"child\\n\"; exit } close W; print <R>; wait;"
		 "open(P, \"-|\", \"echo open\") or die; print <P>; print `echo ticks`;"
		 "$SIG{ALRM} = sub { print \"alarm\\n\" }; alarm 1; select undef, undef, undef, 5'",
		 "child\nopen\nticks\nalarm\n"})

CASE(test_lua,
     {"/usr/bin/lua5.4",
      "lua5.4 -e 'local p = io.popen(\"echo popen\"); print(p:read(\"a\")); p:close();"
      "local f = io.tmpfile(); f:write(\"x\"); f:seek(\"set\"); print(f:read(\"a\"), os.execute(\"exit 3\"))'",
      "popen\n\nx\tnil\texit\t3\n"})

CASE(test_shell_jobs, {"/bin/bash",
		       "(sleep 60 & p=$!; kill -STOP $p; kill -CONT $p; kill $p; wait $p; echo $?);"
		       "set -m; sleep 60 & kill -STOP %1; sleep 0.1; jobs; bg %1 >/dev/null; kill %1; wait %1; echo $?;"
		       "seq 1000 | grep 7 | sort -rn | awk '{ s += $1 } END { print s }'; cat <(echo subst) <<<here -",
		       "143\n[1]+  Stopped                 sleep 60\n143\n157842\nsubst\nhere\n"})

CASE(test_busybox,
     {"/bin/busybox",
      "busybox sh -c 'echo a | cat | tr a b; (exit 3); echo $?; for i in 1 2 3; do echo $i; done | wc -l; "
      "sleep 0 & wait; trap \"echo term\" TERM; kill $$; echo end'",
      "b\n3\n3\nterm\nend\n"})

CASE(test_git,
     {"/usr/bin/git",
      "mkdir r && cd r && git init -q . && git config user.email a@b && git config user.name n && "
      "seq 1000 >f && git add f && git commit -qm one && seq 900 >f && git commit -qam two && "
      "git log --format=%s && git gc -q && git fsck && git clone -q . ../c && cd ../c && git log --format=%s -1 && "
      "git diff --stat HEAD~1 | tail -1",
      "two\none\ntwo\n 1 file changed, 100 deletions(-)\n"})

CASE(test_gcc, {"/usr/bin/gcc",
		"printf '#include <stdio.h>\\nint main(void) { puts(\"compiled\"); }\\n' >hello.c && gcc -O2 -pipe -o "
		"hello hello.c "
		"&& ./hello",
		"compiled\n"})

CASE(test_archives, {"/usr/bin/xz",
		     "mkdir w && cd w && mkdir d && seq 100000 >d/f && ln d/f d/g && ln -s f d/l && tar czf a.tgz d && "
		     "tar cJf a.txz d && "
		     "XZ_OPT=-T2 tar cJf b.txz d && mkdir o && tar xf b.txz -C o && cmp d/f o/d/f && tar tzf a.tgz && "
		     "find o -type f | sort && grep -c 7 o/d/f",
		     "d/\nd/f\nd/g\nd/l\no/d/f\no/d/g\n40951\n"})

CASE(test_openssl,
     {"/usr/bin/openssl",
      "openssl rand -hex 8 | tr -d '0-9a-f\\n' | wc -c; echo x | openssl dgst -sha256 | cut -c 1-30; "
      "openssl genrsa 1024 2>/dev/null | head -c 10; echo; openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | "
      "grep -c sha256",
      "0\nSHA2-256(stdin)= 73cb3858a687a\n-----BEGIN\n1\n"})

CASE(test_tail_and_timeout,
     {"/usr/bin/timeout",
      "echo one >f; (sleep 0.3; echo two >>f) & timeout 3 tail -f -s 0.1 f | head -2; timeout 0.1 sleep 9; "
      "echo $?; nice -n 5 true; nproc; stat -c %s f; df . >/dev/null && echo df; flock f echo locked; "
      "xargs -P 3 -n 1 echo <<<'a a a'",
      "one\ntwo\n124\n1\n8\ndf\nlocked\na\na\na\n"})

CASE(test_curl, {"/usr/bin/curl", "curl --version | cut -d ' ' -f 1 | head -1; echo file >f; curl -s file:///tmp/f",
		 "curl\nfile\n"})

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_python_subprocess),
		cmocka_unit_test(test_python_multiprocessing),
		cmocka_unit_test(test_python_asyncio),
		cmocka_unit_test(test_python_files),
		cmocka_unit_test(test_sqlite_wal),
		cmocka_unit_test(test_perl),
		cmocka_unit_test(test_lua),
		cmocka_unit_test(test_shell_jobs),
		cmocka_unit_test(test_busybox),
		cmocka_unit_test(test_git),
		cmocka_unit_test(test_gcc),
		cmocka_unit_test(test_archives),
		cmocka_unit_test(test_openssl),
		cmocka_unit_test(test_tail_and_timeout),
		cmocka_unit_test(test_curl),
	};
	return cmocka_run_group_tests_name("guest real programs", tests, fixture_setup, fixture_teardown);
}
