/* SPDX-License-Identifier: MIT */
/* Programs that the test makes, and compilers and virtual machines that make programs in the jail. */
#include "programs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *scratch;

static int set_up(void **state)
{
	scratch = support_temporary_directory();
	return 0;
}

static int tear_down(void **state)
{
	int r = programs_teardown(state);
	support_remove_tree(scratch);
	free(scratch);
	return r;
}

/* A formatted string in a buffer of its own for each of the last few calls. */
static const char *text_of(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *text_of(const char *format, ...)
{
	static char texts[4][8192];
	static unsigned next;
	char *text = texts[next++ % 4];
	va_list arguments;
	va_start(arguments, format);
	assert_true(vsnprintf(text, sizeof(texts[0]), format, arguments) < (int)sizeof(texts[0]));
	va_end(arguments);
	return text;
}

static const char *write_text(const char *name, const char *text, mode_t mode)
{
	const char *path = text_of("%s/%s", scratch, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
	return path;
}

static void compile(const char *arguments)
{
	assert_int_equal(system(text_of("cd '%s' && cc -O1 %s", scratch, arguments)), 0);
}

static void add_text(struct box *box, const char *target, const char *text)
{
	assert_ok(viso_root_add_data(box->root, target, text, strlen(text), 0644));
}

static const char hello_c[] = "#include <math.h>\n#include <pthread.h>\n#include <stdio.h>\n#include <stdlib.h>\n"
			      "static void *f(void *x) { return x; }\n"
			      "int main(int argc, char **argv) { pthread_t t; pthread_create(&t, 0, f, argv);\n"
			      "pthread_join(t, 0); printf(\"%.0f\\n\", sqrt(argc * 1764.0)); return 0; }\n";

static const char hello_cc[] = "#include <algorithm>\n#include <iostream>\n#include <string>\n#include <vector>\n"
			       "int main() { std::vector<std::string> v{\"b\", \"a\"}; std::sort(v.begin(), v.end());\n"
			       "std::cout << v[0] << v[1] << std::endl; }\n";

static void test_gcc(void **state)
{
	struct box *box = jail_of("gcc", NULL);
	add_text(box, "/src/hello.c", hello_c);
	assert_output(box,
		      command_of((const char *[]){"gcc", "-O2", "-Wall", "-Werror", "-o", "hello", "/src/hello.c",
						  "-lm", NULL}),
		      "");
	assert_output(box, command_of((const char *[]){"/work/hello", NULL}), "42\n");
	/* Link-time optimization has a plugin of the linker, and a program of its own. */
	assert_output(box,
		      command_of((const char *[]){"gcc", "-O2", "-flto", "-g", "-fopenmp", "-o", "lto", "/src/hello.c",
						  "-lm", NULL}),
		      "");
	assert_output(box, command_of((const char *[]){"/work/lto", NULL}), "42\n");
}

static void test_gcc_for_cxx(void **state)
{
	struct box *box = jail_of("g++", NULL);
	add_text(box, "/src/hello.cc", hello_cc);
	assert_output(box, command_of((const char *[]){"g++", "-o", "hello", "/src/hello.cc", NULL}), "");
	assert_output(box, command_of((const char *[]){"/work/hello", NULL}), "ab\n");
}

static const char hello_java[] =
	"import java.net.*; import java.nio.file.*; import java.security.*; import java.time.*; import java.util.*;\n"
	"import java.util.concurrent.*; import java.util.zip.*;\n"
	"public class Hello { public static void main(String[] args) throws Exception {\n"
	"Files.writeString(Path.of(\"/work/x\"), \"abc\");\n"
	"var digest = MessageDigest.getInstance(\"SHA-1\").digest(Files.readAllBytes(Path.of(\"/work/x\")));\n"
	"var threads = Executors.newFixedThreadPool(4);\n"
	"Callable<Integer> seven = () -> 7; int n = 0;\n"
	"for (var f : threads.invokeAll(Collections.nCopies(6, seven))) n += f.get();\n"
	"threads.shutdown();\n"
	"var crc = new CRC32(); crc.update(digest);\n"
	"System.out.println(n + \" \" + HexFormat.of().formatHex(digest, 0, 4) + \" \" + crc.getValue() % 2\n"
	"+ \" \" + ZonedDateTime.of(2024, 7, 1, 12, 0, 0, 0, ZoneId.of(\"Europe/Berlin\")).getOffset()\n"
	"+ \" \" + InetAddress.getByName(\"127.0.0.1\").isLoopbackAddress()\n"
	"+ \" \" + (Security.getProviders().length > 3) + \" \" + Runtime.getRuntime().availableProcessors() / 1000); "
	"} }\n";

static void test_java(void **state)
{
	struct box *box = jail_of("java", NULL);
	add_text(box, "/src/Hello.java", hello_java);
	assert_output(box, command_of((const char *[]){"java", "-version", NULL}), "");
	skip_without(system("java --list-modules 2>/dev/null | grep -q '^jdk.compiler@'") == 0,
		     "a java with its compiler");
	assert_output(box, command_of((const char *[]){"java", "/src/Hello.java", NULL}),
		      "42 a9993e36 [01] +02:00 true true 0\n");
}

static void test_origin(void **state)
{
	skip_without_program("cc");
	write_text("answer.c", "int answer(void) { return 42; }\n", 0644);
	write_text("main.c", "#include <stdio.h>\nint answer(void);\nint main(void) { printf(\"%d\\n\", answer()); }\n",
		   0644);
	compile("-shared -fPIC -Wl,-soname,libanswer.so.1 -o libanswer.so.1 answer.c");
	compile("-o main main.c -L. -l:libanswer.so.1 '-Wl,-rpath,$ORIGIN/../library'");
	assert_int_equal(
		system(text_of("cd '%s' && mkdir bin library && mv main bin && mv libanswer.so.1 library", scratch)),
		0);
	const char *program = text_of("%s/bin/main", scratch);
	struct box *box = jail_of(program, NULL);
	assert_output(box, command_of((const char *[]){program, NULL}), "42\n");
}

/* What a program loads by a name that it makes is in no list: the plugin is named. */
static void test_plugin(void **state)
{
	skip_without_program("cc");
	write_text("deep.c", "int deep(void) { return 42; }\n", 0644);
	write_text("plugin.c", "int deep(void);\nint answer(void) { return deep(); }\n", 0644);
	write_text("main.c",
		   "#include <dlfcn.h>\n#include <stdio.h>\nint main(int argc, char **argv) {\n"
		   "void *plugin = dlopen(argv[1], RTLD_NOW); if (!plugin) { puts(dlerror()); return 1; }\n"
		   "int (*answer)(void) = (int (*)(void))dlsym(plugin, \"answer\"); printf(\"%d\\n\", answer()); }\n",
		   0644);
	compile("-shared -fPIC -o libdeep.so deep.c");
	compile("-shared -fPIC -o plugin.so plugin.c -L. -ldeep -Wl,-rpath,\"$PWD\"");
	compile("-o main main.c -ldl");
	const char *program = text_of("%s/main", scratch), *plugin = text_of("%s/plugin.so", scratch);
	struct box *box = jail_of(program, NULL);
	assert_ok(viso_root_add_library(box->root, plugin));
	assert_output(box, command_of((const char *[]){program, plugin, NULL}), "42\n");
}

static void test_env_scripts(void **state)
{
	skip_without_program("python3");
	skip_without_program("perl");
	write_text("script.py", "#!/usr/bin/env python3\nimport json\nprint(json.dumps([6 * 7]))\n", 0755);
	write_text("script.pl", "#!/usr/bin/env -S perl -w\nuse POSIX qw(floor);\nprint floor(42.5), \"\\n\";\n", 0755);
	const char *python = text_of("%s/script.py", scratch), *perl = text_of("%s/script.pl", scratch);
	struct box *box = jail_of(python, perl, NULL);
	assert_output(box, command_of((const char *[]){python, NULL}), "[[]42]\n");
	assert_output(box, command_of((const char *[]){perl, NULL}), "42\n");
}

/* The packages of a virtual environment are why it is there. */
static void test_python_environment(void **state)
{
	skip_without_program("python3");
	skip_without(system(text_of("/usr/bin/python3 -m venv --without-pip '%s/env' 2>/dev/null", scratch)) == 0,
		     "python3-venv");
	assert_int_equal(
		system(text_of("cd '%s'/env/lib/python3.*/site-packages && echo 'answer = 42' >mine.py", scratch)), 0);
	const char *program = text_of("%s/env/bin/python3", scratch);
	struct box *box = jail_of(program, NULL);
	assert_output(
		box,
		command_of((const char *[]){program, "-c", "import mine, sys; print(mine.answer, sys.prefix)", NULL}),
		text_of("42 %s/env\n", scratch));
}

#define BUILT(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BUILT(test_gcc),
		BUILT(test_gcc_for_cxx),
		BUILT(test_java),
		BUILT(test_origin),
		BUILT(test_plugin),
		BUILT(test_env_scripts),
		BUILT(test_python_environment),
	};
	return cmocka_run_group_tests_name("built programs", tests, NULL, NULL);
}
