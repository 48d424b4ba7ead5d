/* SPDX-License-Identifier: MIT */
/* What programs load or open while they run: shown by running them under a plain chroot without /proc. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "root/handle.h"

static const char loader[] = "/lib64/ld-linux-x86-64.so.2";
static viso_root *root_without(viso_provider provider, const char *program)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_set_provider(root, provider, 0));
	assert_ok(viso_root_add_program(root, program));
	assert_ok(viso_root_build(root));
	return root;
}

/* The output of a shell command in the root that is run by the program; to be freed. */
static char *output_of(viso_root *root, int expected, const char *const *argv)
{
	char *output = NULL;
	int status = root_chroot_run(viso_root_path(root), &output, argv);
	if (status != expected)
		print_error("%s\n", output);
	assert_int_equal(status, expected);
	return output;
}

static bool has(viso_root *root, const char *path)
{
	return root_has_file(viso_root_path(root), path);
}

static void expect_reason(viso_root *root, const char *target, const char *reason)
{
	const struct manifest_entry *entry = manifest_find(&root->manifest, target);
	assert_non_null(entry);
	assert_non_null(entry->reason);
	assert_string_equal(entry->reason, reason);
}

static void test_names_and_bad_arguments(void **state)
{
	assert_string_equal(viso_provider_name(VISO_PROVIDER_NSS), "nss");
	assert_string_equal(viso_provider_name(VISO_PROVIDER_RUNTIME), "runtime");
	assert_null(viso_provider_name((viso_provider)9));
	assert_null(viso_provider_name((viso_provider)-1));
	viso_root *root = viso_root_new();
	assert_fails(viso_root_set_provider(root, (viso_provider)9, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_root_set_provider");
	assert_fails(viso_root_set_provider(NULL, VISO_PROVIDER_NSS, 1), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_root_set_provider");
	assert_ok(viso_root_set_provider(root, VISO_PROVIDER_NSS, 0));
	assert_ok(viso_root_build(root));
	assert_fails(viso_root_set_provider(root, VISO_PROVIDER_NSS, 1), EBUSY, VISO_STAGE_ARGUMENT,
		     "viso_root_set_provider");
	viso_root_unref(root);
}

static void test_reasons(void **state)
{
	viso_root *root = root_with_program("/bin/bash");
	assert_ok(access("/usr/bin/bash", X_OK));
	expect_reason(root, "/usr/bin/bash", "program /bin/bash");
	expect_reason(root, "/usr/lib/x86_64-linux-gnu/libc.so.6", "library of /usr/bin/bash");
	expect_reason(root, "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "loader of /usr/bin/bash");
	expect_reason(root, "/etc/passwd", "every root has it");
	expect_reason(root, "/etc/ld.so.cache", "settings of the loader");
	expect_reason(root, "/etc/nsswitch.conf", "nss of /usr/bin/bash");
	viso_root_unref(root);
}

static void test_name_services(void **state)
{
	skip_without(access("/usr/bin/getent", X_OK) == 0, "getent");
	skip_without(geteuid() == 0, "root, to chroot");
	viso_root *root = root_with_program("/usr/bin/getent");
	free(output_of(root, 0, (const char *[]){"/usr/bin/getent", "services", "ssh", NULL}));
	free(output_of(root, 0, (const char *[]){"/usr/bin/getent", "protocols", "tcp", NULL}));
	free(output_of(root, 0, (const char *[]){"/usr/bin/getent", "hosts", "localhost", NULL}));
	/* The accounts are the root's own. */
	char *output = output_of(root, 0, (const char *[]){"/usr/bin/getent", "passwd", NULL});
	assert_string_equal(output, "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"
				    "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n");
	free(output);
	assert_false(has(root, "/etc/shadow"));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_NSS, "/usr/bin/getent");
	assert_false(has(root, "/etc/nsswitch.conf"));
	viso_root_unref(root);
}

/* A service of the settings that is not installed is no error, and garbage in the settings is no name. */
static void test_odd_name_service_settings(void **state)
{
	viso_root *first = root_without(VISO_PROVIDER_NSS, "/bin/bash");
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(
		root_shell("cp -a '%s' '%s' && mkdir -p '%s/etc' && printf "
			   "'passwd: files nosuch ../../x [!UNAVAIL=return] dns [\\n:\\nhosts\\n: %%300s\\n' x "
			   ">'%s/etc/nsswitch.conf'",
			   viso_root_path(first), tree, tree, tree),
		0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_source(root, tree));
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_build(root));
	assert_true(has(root, "/etc/nsswitch.conf"));
	viso_root_unref(root);
	viso_root_unref(first);
	free(tree);
}

static void test_character_sets(void **state)
{
	skip_without(access("/usr/bin/iconv", X_OK) == 0, "iconv");
	skip_without(geteuid() == 0, "root, to chroot");
	char *text = root_path_of("%s/text", root_scratch);
	root_write_text(text, "\xd0\x94\xd0\xb0\n", 0644);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, "/usr/bin/iconv"));
	assert_ok(viso_root_add_file(root, text, "/text"));
	assert_ok(viso_root_build(root));
	char *output =
		output_of(root, 0, (const char *[]){"/usr/bin/iconv", "-f", "UTF-8", "-t", "KOI8-R", "/text", NULL});
	assert_string_equal(output, "\xe4\xc1\n");
	free(output);
	/* A module with a library of its own beside it. */
	free(output_of(root, 0, (const char *[]){"/usr/bin/iconv", "-f", "UTF-8", "-t", "ISO-2022-JP", "/text", NULL}));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_GCONV, "/usr/bin/iconv");
	assert_false(has(root, "/usr/lib/x86_64-linux-gnu/gconv/KOI8-R.so"));
	viso_root_unref(root);
	free(text);
}

static void test_pam_stack(void **state)
{
	skip_without(access("/bin/su", X_OK) == 0 && access("/etc/pam.d/su", R_OK) == 0 &&
			     access("/etc/pam.d/common-auth", R_OK) == 0,
		     "su of Debian");
	viso_root *root = root_with_program("/bin/su");
	static const char *const files[] = {"/etc/pam.d/su", "/etc/pam.d/other", "/etc/pam.d/common-auth",
					    "/usr/lib/x86_64-linux-gnu/security/pam_unix.so",
					    "/etc/security/limits.conf"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_true(has(root, files[i]));
	/* Only the modules that are named, with what they need. */
	assert_false(has(root, "/usr/lib/x86_64-linux-gnu/security/pam_ftp.so"));
	assert_false(has(root, "/etc/pam.d/login"));
	assert_false(has(root, "/etc/security/opasswd"));
	assert_true(has(root, "/usr/lib/x86_64-linux-gnu/libcrypt.so.1"));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_PAM, "/bin/su");
	assert_false(has(root, "/etc/pam.d/su"));
	viso_root_unref(root);
}

static void test_odd_pam_stacks(void **state)
{
	skip_without(access("/bin/su", X_OK) == 0 && access("/lib/x86_64-linux-gnu/security/pam_ftp.so", R_OK) == 0,
		     "su of Debian");
	viso_root *first = root_without(VISO_PROVIDER_PAM, "/bin/su");
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(
		root_shell(
			"cp -a '%s' '%s' && cd '%s' && mkdir -p etc/pam.d usr/lib/x86_64-linux-gnu/security opt && "
			"cp /lib/x86_64-linux-gnu/security/pam_ftp.so opt/my.so && "
			"cp /lib/x86_64-linux-gnu/security/pam_echo.so /lib/x86_64-linux-gnu/security/pam_deny.so "
			"usr/lib/x86_64-linux-gnu/security/ && "
			"printf '@include a\nauth substack b\nauth include ../../../../../etc/hostname\n"
			"# auth required pam_deny.so\n-auth [a=1 b=2] \\\n pam_echo.so x\nauth required pam_gone.so\n"
			"auth\nauth [\n\n' >etc/pam.d/su && "
			"echo 'auth include b' >etc/pam.d/a && printf '@include a\nauth required /opt/my.so' "
			">etc/pam.d/b",
			viso_root_path(first), tree, tree),
		0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_source(root, tree));
	assert_ok(viso_root_add_program(root, "/bin/su"));
	assert_ok(viso_root_build(root));
	static const char *const files[] = {"/etc/pam.d/su", "/etc/pam.d/a", "/etc/pam.d/b", "/opt/my.so",
					    "/usr/lib/x86_64-linux-gnu/security/pam_echo.so"};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		assert_true(has(root, files[i]));
	assert_false(has(root, "/usr/lib/x86_64-linux-gnu/security/pam_deny.so"));
	viso_root_unref(root);
	viso_root_unref(first);
	free(tree);
}

static void test_openssl_and_certificates(void **state)
{
	skip_without(access("/usr/bin/openssl", X_OK) == 0, "openssl");
	skip_without(access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0, "ca-certificates");
	viso_root *root = root_with_program("/usr/bin/openssl");
	assert_true(has(root, "/usr/lib/ssl/openssl.cnf"));
	assert_true(has(root, "/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so"));
	assert_true(has(root, "/usr/lib/ssl/certs/ca-certificates.crt"));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/etc/ssl/private", &st), -1);
	/* No link among the certificates leads nowhere. */
	assert_int_equal(root_shell("cd '%s/etc/ssl/certs' && for i in *.pem; do test -e '%s'\"$(readlink \"$i\")\" || "
				    "exit 1; done",
				    viso_root_path(root), viso_root_path(root)),
			 0);
	if (geteuid() == 0)
		free(output_of(
			root, 0,
			(const char *[]){"/usr/bin/openssl", "list", "-providers", "-provider", "legacy", NULL}));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_OPENSSL, "/usr/bin/openssl");
	assert_false(has(root, "/usr/lib/x86_64-linux-gnu/ossl-modules/legacy.so"));
	assert_true(has(root, "/etc/ssl/certs/ca-certificates.crt"));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_CERTIFICATES, "/usr/bin/openssl");
	assert_false(has(root, "/etc/ssl/certs/ca-certificates.crt"));
	viso_root_unref(root);
}

static void test_locale_and_time_zone(void **state)
{
	viso_root *root = root_with_program("/bin/bash");
	assert_int_equal(has(root, "/usr/lib/locale/C.utf8/LC_CTYPE"),
			 access("/usr/lib/locale/C.utf8/LC_CTYPE", R_OK) == 0);
	assert_int_equal(has(root, "/etc/localtime"), access("/etc/localtime", R_OK) == 0);
	assert_false(has(root, "/usr/share/zoneinfo/Asia/Tokyo"));
	viso_root_unref(root);
	root = viso_root_new();
	assert_ok(viso_root_set_provider(root, VISO_PROVIDER_LOCALE, 0));
	assert_ok(viso_root_set_provider(root, VISO_PROVIDER_ZONEINFO, 0));
	assert_ok(viso_root_add_program(root, "/bin/bash"));
	assert_ok(viso_root_build(root));
	assert_false(has(root, "/usr/lib/locale/C.utf8/LC_CTYPE"));
	assert_false(has(root, "/etc/localtime"));
	viso_root_unref(root);
}

/* A program with a note in which `%s` is the JSON text, and libnote.so.1, which it does not link to. */
static char *compile_with_note(const char *json)
{
	char *source = root_path_of("%s/p.c", root_scratch), *program = root_path_of("%s/prog", root_scratch);
	char *text = root_path_of("#include <dlfcn.h>\n"
				  "__asm__(\".pushsection .note.dlopen, \\\"a\\\", @note\\n .balign 4\\n .long 4, 2f - "
				  "1f, 0x407c0c0a\\n\"\n"
				  "\".asciz \\\"FDO\\\"\\n 1: .asciz \\\"%s\\\"\\n 2: .balign 4\\n .popsection\\n\");\n"
				  "int main(void) { return dlopen(\"libnote.so.1\", RTLD_NOW) ? 9 : 1; }\n",
				  json);
	root_write_text(source, text, 0644);
	assert_int_equal(root_shell("cd '%s' && mkdir -p lib && echo 'int n;' >n.c && echo 'int d;' >d.c && "
				    "cc -shared -fPIC -Wl,-soname,libdeep.so -o lib/libdeep.so d.c && "
				    "cc -shared -fPIC -Wl,-soname,libnote.so.1 -o lib/libnote.so.1 n.c "
				    "-Wl,--no-as-needed lib/libdeep.so -Wl,-rpath,'%s/lib' && "
				    "cc -o prog p.c -Wl,-rpath,'%s/lib'",
				    root_scratch, root_scratch, root_scratch),
			 0);
	free(text);
	free(source);
	return program;
}

static void test_dlopen_notes(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *library = root_path_of("%s/lib/libnote.so.1", root_scratch);
	char *program =
		compile_with_note("[{\\\\\\\"soname\\\\\\\":[\\\\\\\"libno.so.7\\\\\\\",\\\\\\\"libnote.so.1\\\\\\\"],"
				  "\\\\\\\"priority\\\\\\\":\\\\\\\"required\\\\\\\"}]");
	viso_root *root = root_with_program(program);
	char *deep = root_path_of("%s/lib/libdeep.so", root_scratch);
	assert_true(has(root, library));
	assert_true(has(root, deep));
	if (geteuid() == 0)
		free(output_of(root, 9, (const char *[]){program, NULL}));
	viso_root_unref(root);
	root = root_without(VISO_PROVIDER_DLOPEN_NOTES, program);
	assert_false(has(root, library));
	viso_root_unref(root);

	/* What is found must be whole. */
	assert_int_equal(unlink(deep), 0);
	root = viso_root_new();
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libdeep.so");
	assert_non_null(strstr(viso_error_message(), "libnote.so.1"));
	assert_int_equal(unlink(library), 0);
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libno.so.7");
	assert_non_null(strstr(viso_error_message(), program));
	viso_root_unref(root);
	free(program);

	/* Only required ones must be there; and what is no such list is nobody's need. */
	static const char *const notes[] = {
		"[{\\\\\\\"soname\\\\\\\":[\\\\\\\"libno.so.7\\\\\\\"],\\\\\\\"priority\\\\\\\":"
		"\\\\\\\"recommended\\\\\\\"}]",
		"[{\\\\\\\"soname\\\\\\\":\\\\\\\"libno.so.7\\\\\\\"},7,[],{\\\\\\\"soname\\\\\\\":[7,{}]}]", "{}", "[",
		""};
	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		program = compile_with_note(notes[i]);
		root = root_with_program(program);
		viso_root_unref(root);
		free(program);
	}
	free(deep);
	free(library);
}

static void test_end_of_a_thread(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	skip_without(geteuid() == 0, "root, to chroot");
	char *source = root_path_of("%s/p.c", root_scratch), *program = root_path_of("%s/prog", root_scratch);
	root_write_text(
		source,
		"#include <pthread.h>\n"
		"static void *run(void *p) { pthread_exit(p); }\n"
		"int main(void) { pthread_t t; return pthread_create(&t, 0, run, 0) || pthread_join(t, 0) ? 1 : 9; }\n",
		0644);
	assert_int_equal(root_shell("cd '%s' && cc -o prog p.c -pthread", root_scratch), 0);
	viso_root *root = root_with_program(program);
	free(output_of(root, 9, (const char *[]){program, NULL}));
	viso_root_unref(root);
	free(source);
	free(program);
}

/* prog needs libb.so of its own lib/ only by RUNPATH with $ORIGIN. b() returns `value`. */
static void compile_private(const char *name, int value)
{
	assert_int_equal(
		root_shell("cd '%s' && mkdir -p %s/bin %s/lib && cd %s && echo 'int b(void) { return %d; }' >b.c && "
			   "echo 'int b(void); int main(void) { return b(); }' >p.c && "
			   "cc -shared -fPIC -Wl,-soname,libviso-b.so.1 -o lib/libviso-b.so.1 b.c && "
			   "cc -o bin/prog p.c lib/libviso-b.so.1 "
			   "-Wl,--enable-new-dtags,-rpath,'$ORIGIN/../lib'",
			   root_scratch, name, name, name, value),
		0);
}

static void test_origin_without_proc(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	skip_without(geteuid() == 0, "root, to chroot");
	compile_private("one", 9);
	char *program = root_path_of("%s/one/bin/prog", root_scratch);
	viso_root *root = root_with_program(program);
	free(output_of(root, 9, (const char *[]){program, NULL}));
	/* Another program that comes to the same library by another path. */
	char *other = root_path_of("%s/one/sbin/prog", root_scratch);
	assert_int_equal(root_shell("cd '%s/one' && mkdir sbin && cp bin/prog sbin/", root_scratch), 0);
	viso_root *both = viso_root_new();
	assert_ok(viso_root_add_program(both, program));
	assert_ok(viso_root_add_program(both, other));
	assert_ok(viso_root_build(both));
	free(output_of(both, 9, (const char *[]){program, NULL}));
	free(output_of(both, 9, (const char *[]){other, NULL}));
	viso_root_unref(both);
	free(other);

	/* What ldconfig would make of the root finds the library as well. */
	assert_int_equal(
		root_shell("/sbin/ldconfig -r '%s' 2>/dev/null && /sbin/ldconfig -r '%s' -p | grep -q libviso-b",
			   viso_root_path(root), viso_root_path(root)),
		0);
	free(output_of(root, 9, (const char *[]){program, NULL}));
	viso_root_unref(root);
	free(program);
}

static void test_variants_without_proc(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	skip_without(geteuid() == 0, "root, to chroot");
	skip_without(root_shell("%s --help | grep -q 'x86-64-v2 (supported'", loader) == 0, "a processor of x86-64-v2");
	compile_private("one", 9);
	/* As the names of others must stay sorted, of which this processor has none. */
	assert_int_equal(
		root_shell("cd '%s/one' && mkdir -p lib/glibc-hwcaps/x86-64-v2 lib/glibc-hwcaps/aaa "
			   "lib/glibc-hwcaps/zzz && echo 'int b(void) { return 22; }' >b.c && "
			   "cc -shared -fPIC -Wl,-soname,libviso-b.so.1 -o lib/glibc-hwcaps/x86-64-v2/libviso-b.so.1 "
			   "b.c && cp lib/libviso-b.so.1 lib/glibc-hwcaps/aaa && cp lib/libviso-b.so.1 "
			   "lib/glibc-hwcaps/zzz",
			   root_scratch),
		0);
	char *program = root_path_of("%s/one/bin/prog", root_scratch);
	viso_root *root = root_with_program(program);
	free(output_of(root, 22, (const char *[]){program, NULL}));
	viso_root_unref(root);
	free(program);
}

static void test_private_libraries_of_one_name(void **state)
{
	skip_without(root_have_compiler() && access(loader, X_OK) == 0, "a C compiler on x86-64 with glibc");
	skip_without(geteuid() == 0, "root, to chroot");
	compile_private("one", 11);
	compile_private("two", 12);
	char *one = root_path_of("%s/one/bin/prog", root_scratch), *two = root_path_of("%s/two/bin/prog", root_scratch);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_program(root, one));
	assert_ok(viso_root_add_program(root, two));
	assert_ok(viso_root_build(root));
	/* Neither becomes the other's: without /proc they fail, with it each has its own. */
	free(output_of(root, 127, (const char *[]){one, NULL}));
	assert_int_equal(root_shell("mount -t proc proc '%s/proc'", viso_root_path(root)), 0);
	int first = root_chroot_run(viso_root_path(root), NULL, (const char *[]){one, NULL});
	int second = root_chroot_run(viso_root_path(root), NULL, (const char *[]){two, NULL});
	assert_int_equal(root_shell("umount '%s/proc'", viso_root_path(root)), 0);
	assert_int_equal(first, 11);
	assert_int_equal(second, 12);
	viso_root_unref(root);
	free(one);
	free(two);
}

static void test_plugin_by_name_and_path(void **state)
{
	skip_without(root_have_compiler(), "a C compiler");
	char *program = compile_with_note("");
	char *library = root_path_of("%s/lib/libnote.so.1", root_scratch);
	char *deep = root_path_of("%s/lib/libdeep.so", root_scratch);
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_library(root, "libnote.so.1"), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_library");
	assert_ok(viso_root_add_program(root, program));
	assert_fails(viso_root_add_library(root, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_library");
	assert_fails(viso_root_add_library(root, "lib/x.so"), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_library");
	assert_fails(viso_root_add_library(root, "libno-such.so"), ENOENT, VISO_STAGE_ROOT, "libno-such.so");
	assert_non_null(strstr(viso_error_message(), program));
	assert_fails(viso_root_add_library(root, "/no/such.so"), ENOENT, VISO_STAGE_ROOT, "/no/such.so");
	assert_fails(viso_root_add_library(root, "/etc/passwd"), ENOEXEC, VISO_STAGE_ELF, "/etc/passwd");
	assert_ok(viso_root_add_library(root, "libnote.so.1"));
	assert_ok(viso_root_add_library(root, library));
	assert_ok(viso_root_build(root));
	assert_true(has(root, library));
	assert_true(has(root, deep));
	if (geteuid() == 0)
		free(output_of(root, 9, (const char *[]){program, NULL}));
	viso_root_unref(root);

	assert_int_equal(unlink(deep), 0);
	root = viso_root_new();
	assert_ok(viso_root_add_program(root, program));
	assert_fails(viso_root_add_library(root, library), ENOENT, VISO_STAGE_ROOT, "libdeep.so");
	assert_non_null(strstr(viso_error_message(), library));
	/* Nothing of it stays. */
	assert_ok(viso_root_build(root));
	assert_false(has(root, library));
	viso_root_unref(root);

	/* A program that could not be added is not the one that loads a library. */
	free(program);
	program = compile_with_note("[{\\\\\\\"soname\\\\\\\":[\\\\\\\"libno.so\\\\\\\"],\\\\\\\"priority\\\\\\\":"
				    "\\\\\\\"required\\\\\\\"}]");
	root = viso_root_new();
	assert_fails(viso_root_add_program(root, program), ENOENT, VISO_STAGE_ROOT, "libno.so");
	assert_fails(viso_root_add_library(root, "libc.so.6"), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_library");
	viso_root_unref(root);
	free(deep);
	free(library);
	free(program);
}

static void test_package(void **state)
{
	skip_without(access("/var/lib/dpkg/info/debianutils.list", R_OK) == 0, "dpkg with debianutils");
	viso_root *root = viso_root_new();
	static const char *const bad[] = {"", "x", "-x", "../etc", "a b", "Git", "git:", ":git", "git:a:b", "git/x"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(viso_root_add_package(root, bad[i]), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_package");
	assert_fails(viso_root_add_package(root, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_package");
	assert_fails(viso_root_add_package(root, "no-such-package"), ENOENT, VISO_STAGE_ROOT, "no-such-package");
	assert_ok(viso_root_add_package(root, "debianutils"));
	assert_ok(viso_root_build(root));
	assert_true(has(root, "/bin/run-parts"));
	assert_true(has(root, "/bin/sh"));
	struct stat st;
	assert_int_equal(root_lstat(viso_root_path(root), "/usr/share/doc", &st), -1);
	assert_int_equal(root_lstat(viso_root_path(root), "/usr/share/man", &st), -1);
	if (geteuid() == 0)
		free(output_of(root, 0, (const char *[]){"/bin/run-parts", "--test", "/etc", NULL}));
	viso_root_unref(root);
}

static void test_package_of_a_tree(void **state)
{
	viso_root *shell = root_with_program("/bin/sh");
	char *tree = root_path_of("%s/tree", root_scratch);
	assert_int_equal(
		root_shell(
			"cp -a '%s' '%s' && cd '%s' && mkdir -p var/lib/dpkg/info opt usr/share/doc/x && "
			"echo text >'opt/a file' && ln -s 'a file' opt/link && ln -s gone opt/dangling && "
			"echo x >usr/share/doc/x/x && mkfifo opt/fifo && printf '#!/no/such\\n' >opt/script && "
			"chmod 755 opt/script && printf '%%s\\n' /. /opt '/opt/a file' /opt/link /opt/dangling "
			"/opt/fifo "
			"/opt/script /opt/gone /usr/share/doc/x/x ../../etc/passwd relative /../../../../etc/hostname "
			">var/lib/dpkg/info/some:amd64.list && cp var/lib/dpkg/info/some:amd64.list "
			"var/lib/dpkg/info/some:i386.list && echo /no/such >var/lib/dpkg/info/some:aaa.list && "
			"cp var/lib/dpkg/info/some:i386.list var/lib/dpkg/info/removed.list && "
			"printf 'amd64\\naaa\\n' >var/lib/dpkg/arch && "
			"printf 'Package: some\\nStatus: install ok installed\\n\\nPackage: removed\\nStatus: "
			"deinstall ok "
			"config-files\\n\\n' >var/lib/dpkg/status",
			viso_root_path(shell), tree, tree),
		0);
	viso_root *root = viso_root_new();
	assert_ok(viso_root_set_source(root, tree));
	assert_fails(viso_root_add_package(root, "removed"), ENOENT, VISO_STAGE_ROOT, "removed");
	assert_ok(viso_root_add_package(root, "some"));
	assert_ok(viso_root_add_package(root, "some:i386"));
	assert_ok(viso_root_build(root));
	struct stat st;
	assert_true(has(root, "/opt/a file"));
	assert_true(has(root, "/opt/link"));
	assert_true(has(root, "/opt/script"));
	assert_int_equal(root_lstat(viso_root_path(root), "/opt/dangling", &st), 0);
	assert_int_equal(root_lstat(viso_root_path(root), "/opt/fifo", &st), -1);
	assert_int_equal(root_lstat(viso_root_path(root), "/etc/hostname", &st), -1);
	assert_int_equal(root_lstat(viso_root_path(root), "/usr/share/doc", &st), -1);
	viso_root_unref(root);

	root = viso_root_new();
	assert_int_equal(root_shell("rm -r '%s/var'", tree), 0);
	assert_ok(viso_root_set_source(root, tree));
	assert_fails(viso_root_add_package(root, "some"), ENOENT, VISO_STAGE_ROOT, "some");
	viso_root_unref(root);
	viso_root_unref(shell);
	free(tree);
}

#define provider_test(name) cmocka_unit_test_setup_teardown(name, root_set_up, root_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		provider_test(test_names_and_bad_arguments), provider_test(test_reasons),
		provider_test(test_name_services),           provider_test(test_odd_name_service_settings),
		provider_test(test_character_sets),          provider_test(test_pam_stack),
		provider_test(test_odd_pam_stacks),          provider_test(test_openssl_and_certificates),
		provider_test(test_locale_and_time_zone),    provider_test(test_dlopen_notes),
		provider_test(test_end_of_a_thread),         provider_test(test_origin_without_proc),
		provider_test(test_variants_without_proc),   provider_test(test_private_libraries_of_one_name),
		provider_test(test_plugin_by_name_and_path), provider_test(test_package),
		provider_test(test_package_of_a_tree),
	};
	return cmocka_run_group_tests_name("root_providers", tests, NULL, NULL);
}
