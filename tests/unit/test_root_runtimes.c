/* SPDX-License-Identifier: MIT */
/*
 * What interpreters, compilers and servers bring with them, by the layout of a tree of the test's own: files that must
 * come, and files beside them that must not. That real programs run with it show tests/jail/test_real_programs.c and
 * its neighbours.
 */
#include "test_root_support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An empty file of the tree, with its directories. */
static void make_file(const char *path)
{
	char *whole = root_path_of("%s/tree%s", root_scratch, path);
	for (char *slash = whole + strlen(root_scratch) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		assert_true(mkdir(whole, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	root_write_text(whole, "", 0644);
	free(whole);
}

/* A dynamic program with its loader, so that there is a multiarch directory. */
static void make_program(const char *path)
{
	make_file(path);
	assert_int_equal(root_shell("cd '%s/tree' && cp --remove-destination /bin/true .'%s' && mkdir -p lib64 "
				    "lib/x86_64-linux-gnu && "
				    "cp -L /lib/x86_64-linux-gnu/libc.so.6 lib/x86_64-linux-gnu/ && "
				    "cp -L /lib64/ld-linux-x86-64.so.2 lib/x86_64-linux-gnu/ && "
				    "ln -sf ../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2 lib64/",
				    root_scratch, path),
			 0);
}

static void make_script(const char *path, const char *interpreter)
{
	make_file(path);
	assert_int_equal(root_shell("cd '%s/tree' && printf '#!%%s\\n' '%s' >.'%s' && chmod +x .'%s'", root_scratch,
				    interpreter, path, path),
			 0);
}

static viso_root *root_of(const char *program, bool runtime)
{
	char *tree = root_path_of("%s/tree", root_scratch);
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_set_source(root, tree));
	assert_ok(viso_root_set_provider(root, VISO_PROVIDER_RUNTIME, runtime));
	assert_ok(viso_root_add_program(root, program));
	assert_ok(viso_root_build(root));
	free(tree);
	return root;
}

static void check_file(viso_root *root, const char *path, bool expected)
{
	if (root_has_file(viso_root_path(root), path) != expected)
		print_error("%s is %s the root\n", path, expected ? "not in" : "in");
	assert_int_equal(root_has_file(viso_root_path(root), path), expected);
}

struct layout {
	const char *program;
	const char *script; /* the program is its interpreter, and it is added; NULL: the program is */
	const char *in[10];
	const char *out[8];
};

#define MULTIARCH "/usr/lib/x86_64-linux-gnu"
#define GCC "/usr/lib/gcc/x86_64-linux-gnu/12"

static const struct layout perl = {.program = "/usr/bin/perl5.36.0",
				   .in = {"/usr/share/perl/5.36/strict.pm", MULTIARCH "/perl/5.36/auto/POSIX/POSIX.so",
					  MULTIARCH "/perl-base/re.pm", "/usr/local/share/perl/5.36/mine.pm",
					  "/usr/share/perl5/vendor.pm", "/etc/perl/Net/libnet.cfg"},
				   .out = {MULTIARCH "/perl/5.36/CORE/perl.h", "/usr/share/doc/perl/README"}};
static const struct layout perl_elsewhere = {.program = "/opt/bin/perl", .out = {"/etc/perl/x", "/usr/share/perl5/x"}};

static const struct layout lua = {
	.program = "/usr/bin/lua5.4",
	.in = {"/usr/share/lua/5.4/a.lua", MULTIARCH "/lua/5.4/b.so", "/usr/local/lib/lua/5.4/c.so"},
	.out = {"/usr/share/lua/5.1/a.lua"}};

static const struct layout ruby = {.program = "/usr/bin/ruby3.1",
				   .in = {"/usr/lib/ruby/3.1.0/set.rb", MULTIARCH "/ruby/3.1.0/etc.so",
					  "/usr/share/rubygems-integration/all/specifications/x.gemspec",
					  "/var/lib/gems/3.1.0/gems/x/lib/x.rb"},
				   .out = {"/var/lib/gems/3.1.0/cache/x.gem", "/var/lib/gems/3.1.0/doc/x/x.html"}};

static const struct layout node = {.program = "/usr/bin/node",
				   .in = {"/usr/share/nodejs/undici/undici-fetch.js"},
				   .out = {"/usr/share/nodejs/lodash/index.js"}};
static const struct layout node_script = {
	.program = "/usr/bin/node",
	.script = "/usr/bin/tool",
	.in = {"/usr/share/nodejs/undici/undici-fetch.js", "/usr/share/nodejs/lodash/index.js"}};

static const struct layout python = {.program = "/usr/bin/python3.11",
				     .in = {"/usr/lib/python3.11/os.py", "/usr/lib/python3.11/lib-dynload/x.so"},
				     .out = {"/usr/lib/python3.11/test/x.py", "/usr/lib/python3/dist-packages/x.py",
					     "/usr/lib/python3.11/config-3.11/Makefile"}};
static const struct layout python_script = {.program = "/usr/bin/python3.11",
					    .script = "/usr/bin/tool",
					    .in = {"/usr/lib/python3.11/os.py", "/usr/lib/python3/dist-packages/x.py",
						   "/usr/local/lib/python3.11/dist-packages/y/y.so"},
					    .out = {"/usr/local/lib/python3.10/dist-packages/z.py"}};

static const struct layout java = {.program = "/opt/jdk/bin/java",
				   .in = {"/opt/jdk/lib/modules", "/opt/jdk/lib/server/libjvm.so",
					  "/opt/jdk/conf/security/java.security", "/opt/jdk/release"},
				   .out = {"/opt/jdk/lib/src.zip", "/opt/jdk/lib/ct.sym",
					   "/opt/jdk/jmods/java.base.jmod", "/opt/jdk/include/jni.h"}};
static const struct layout javac = {.program = "/opt/jdk/bin/javac",
				    .in = {"/opt/jdk/lib/modules", "/opt/jdk/lib/ct.sym"}};
static const struct layout java_8 = {.program = "/opt/jdk8/jre/bin/java",
				     .in = {"/opt/jdk8/jre/lib/rt.jar", "/opt/jdk8/jre/lib/amd64/server/libjvm.so"}};
static const struct layout java_elsewhere = {.program = "/opt/bin/java", .out = {"/opt/lib/x", "/opt/conf/x"}};

static const struct layout git = {
	.program = "/usr/bin/git",
	.in = {"/usr/lib/git-core/git-merge-one-file", "/usr/share/git-core/templates/description", "/etc/gitconfig"},
	.out = {"/usr/lib/git-core/git-daemon", "/usr/share/doc/git/README"}};
static const struct layout git_elsewhere = {.program = "/opt/bin/git",
					    .out = {"/usr/lib/git-core/git-add", "/etc/gitconfig"}};

static const struct layout nginx = {
	.program = "/usr/sbin/nginx",
	.in = {"/etc/nginx/nginx.conf", "/usr/share/nginx/html/index.html", "/usr/lib/nginx/modules/x.so"},
	.out = {"/var/log/nginx/access.log", "/run/nginx.pid"}};
static const struct layout nginx_in_a_prefix = {.program = "/opt/nginx/sbin/nginx",
						.in = {"/opt/nginx/conf/nginx.conf", "/opt/nginx/html/index.html"},
						.out = {"/opt/nginx/logs/access.log", "/etc/nginx/nginx.conf"}};

static const struct layout nginx_elsewhere = {.program = "/opt/bin/nginx", .out = {"/etc/nginx/nginx.conf"}};

static const struct layout gcc = {.program = "/usr/bin/x86_64-linux-gnu-gcc-12",
				  .in = {GCC "/cc1", GCC "/crtbegin.o", GCC "/libgcc.a", GCC "/include/stddef.h",
					 "/usr/include/stdio.h", MULTIARCH "/crt1.o", MULTIARCH "/libc_nonshared.a"},
				  .out = {GCC "/cc1plus", GCC "/f951", GCC "/libasan.a", GCC "/plugin/include/tree.h",
					  "/usr/include/c++/12/vector", "/usr/lib/gcc/x86_64-linux-gnu/11/cc1",
					  "/usr/lib/gcc-cross/aarch64-linux-gnu/12/cc1"}};
static const struct layout gxx = {.program = "/usr/bin/g++",
				  .in = {GCC "/cc1", GCC "/cc1plus", "/usr/include/c++/12/vector",
					 "/usr/include/x86_64-linux-gnu/c++/12/bits/x.h"}};
static const struct layout gcc_for_another_machine = {.program = "/usr/bin/aarch64-linux-gnu-gcc",
						      .in = {"/usr/lib/gcc-cross/aarch64-linux-gnu/12/cc1",
							     "/usr/aarch64-linux-gnu/include/stdio.h",
							     "/usr/aarch64-linux-gnu/lib/crt1.o"},
						      .out = {GCC "/cc1", "/usr/aarch64-linux-gnu/lib/libc.a"}};
static const struct layout gcc_elsewhere = {.program = "/opt/bin/gcc", .out = {GCC "/cc1", "/usr/include/stdio.h"}};

static void test_layout(void **state)
{
	const struct layout *layout = *state;
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	for (int i = 0; layout->in[i]; i++)
		make_file(layout->in[i]);
	for (int i = 0; layout->out[i]; i++)
		make_file(layout->out[i]);
	make_program(layout->program);
	if (layout->script)
		make_script(layout->script, layout->program);
	const char *program = layout->script ? layout->script : layout->program;
	viso_root *root = root_of(program, true);
	for (int i = 0; layout->in[i]; i++)
		check_file(root, layout->in[i], true);
	for (int i = 0; layout->out[i]; i++)
		check_file(root, layout->out[i], false);
	viso_root_unref(root);
	/* Nothing of it where the provider is off. */
	root = root_of(program, false);
	check_file(root, layout->program, true);
	for (int i = 0; layout->in[i]; i++)
		check_file(root, layout->in[i], false);
	viso_root_unref(root);
}

static void test_links_of_a_library(void **state)
{
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	make_program("/usr/bin/perl");
	make_file("/etc/perl/settings");
	make_file("/srv/large/file");
	make_file("/usr/share/perl/5.36/strict.pm");
	assert_int_equal(
		root_shell("cd '%s/tree/usr/share/perl' && ln -s 5.36 5.36.0 && cd 5.36 && "
			   "ln -s /srv/large/file taken.pm && ln -s /srv/large directory && ln -s nowhere dangling && "
			   "ln -s loop loop && ln -s ../../../../../../../../etc/passwd up && mkfifo fifo.so",
			   root_scratch),
		0);
	viso_root *root = root_of("/usr/bin/perl", true);
	check_file(root, "/usr/share/perl/5.36.0/strict.pm", true);
	check_file(root, "/usr/share/perl/5.36/taken.pm", true);
	check_file(root, "/usr/share/perl/5.36/directory/file", true);
	viso_root_unref(root);
	/* A directory elsewhere does not come for a link alone. */
	assert_int_equal(root_shell("rm '%s/tree/usr/share/perl/5.36/taken.pm'", root_scratch), 0);
	root = root_of("/usr/bin/perl", true);
	check_file(root, "/usr/share/perl/5.36/directory/file", false);
	viso_root_unref(root);
}

static void test_tools_that_go_in_circles(void **state)
{
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	make_program("/usr/bin/gcc");
	make_file(GCC "/cc1");
	make_script("/usr/bin/as", "/usr/bin/gcc");
	make_script("/usr/bin/ld", "/usr/bin/as");
	viso_root *root = root_of("/usr/bin/gcc", true);
	check_file(root, "/usr/bin/as", true);
	check_file(root, "/usr/bin/ld", true);
	viso_root_unref(root);
}

static void test_damaged_modules(void **state)
{
	static const char *const modules[] = {"empty", "text", "short", "other"};
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	make_program("/usr/bin/lua5.4");
	make_file("/usr/lib/lua/5.4/empty.so");
	assert_int_equal(root_shell("cd '%s/tree/usr/lib/lua/5.4' && echo 'GROUP ( x.so )' >text.so && "
				    "head -c 100 /bin/true >short.so && head -c 3000 /bin/true >other.so",
				    root_scratch),
			 0);
	viso_root *root = root_of("/usr/bin/lua5.4", true);
	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		char *path = root_path_of("/usr/lib/lua/5.4/%s.so", modules[i]);
		check_file(root, path, true);
		free(path);
	}
	viso_root_unref(root);
}

/* The modules need libraries of which the interpreter knows nothing. */
static void test_libraries_of_modules(void **state)
{
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	skip_without(root_have_compiler(), "a C compiler");
	make_program("/usr/bin/lua5.4");
	make_file(MULTIARCH "/lua/5.4/a.so");
	make_file("/opt/b.so");
	assert_int_equal(root_shell("cd '%s' && echo >empty.c && cd 'tree" MULTIARCH "' && "
				    "for i in 1 2; do cc -shared -o lib$i.so ../../../../empty.c; done && "
				    "cc -shared -o lua/5.4/a.so -Wl,--no-as-needed -L. -l:lib1.so && "
				    "cc -shared -o ../../../opt/b.so -Wl,--no-as-needed -L. -l:lib2.so && "
				    "ln -s /opt/b.so lua/5.4/b.so",
				    root_scratch),
			 0);
	viso_root *root = root_of("/usr/bin/lua5.4", true);
	check_file(root, MULTIARCH "/lib1.so", true);
	check_file(root, "/opt/b.so", true);
	check_file(root, MULTIARCH "/lib2.so", true);
	viso_root_unref(root);
}

static void test_directories_of_nginx(void **state)
{
	struct stat st;
	skip_without(access("/lib/x86_64-linux-gnu/libc.so.6", R_OK) == 0, "a multiarch host for x86-64");
	make_program("/usr/sbin/nginx");
	make_file("/etc/nginx/nginx.conf");
	make_file("/var/log/nginx/access.log");
	make_file("/var/lib/nginx/body/1");
	viso_root *root = root_of("/usr/sbin/nginx", true);
	assert_int_equal(root_lstat(viso_root_path(root), "/var/log/nginx", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(root_lstat(viso_root_path(root), "/var/lib/nginx", &st), 0);
	assert_int_equal(root_lstat(viso_root_path(root), "/var/lib/nginx/body", &st), -1);
	viso_root_unref(root);
}

#define LAYOUT(row)                                                                                                    \
	{                                                                                                              \
		"test_layout of " #row, test_layout, root_set_up, root_tear_down, (void *)&row                         \
	}
#define runtime_test(name) cmocka_unit_test_setup_teardown(name, root_set_up, root_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAYOUT(perl),
		LAYOUT(perl_elsewhere),
		LAYOUT(lua),
		LAYOUT(ruby),
		LAYOUT(node),
		LAYOUT(node_script),
		LAYOUT(python),
		LAYOUT(python_script),
		LAYOUT(java),
		LAYOUT(javac),
		LAYOUT(java_8),
		LAYOUT(java_elsewhere),
		LAYOUT(git),
		LAYOUT(git_elsewhere),
		LAYOUT(nginx),
		LAYOUT(nginx_in_a_prefix),
		LAYOUT(nginx_elsewhere),
		LAYOUT(gcc),
		LAYOUT(gxx),
		LAYOUT(gcc_for_another_machine),
		LAYOUT(gcc_elsewhere),
		runtime_test(test_links_of_a_library),
		runtime_test(test_tools_that_go_in_circles),
		runtime_test(test_damaged_modules),
		runtime_test(test_libraries_of_modules),
		runtime_test(test_directories_of_nginx),
	};
	return cmocka_run_group_tests_name("root_runtimes", tests, NULL, NULL);
}
