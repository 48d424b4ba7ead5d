/* SPDX-License-Identifier: MIT */
/* Users and groups of a root. */
#include "test_root_support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(viso_root *root, const char *file, const char *text)
{
	char *path = root_path_of("%s%s", viso_root_path(root), file);
	char *contents = root_read_file(path, NULL);
	assert_string_equal(contents, text);
	free(contents);
	free(path);
}

#define STANDARD_PASSWD                                                                                                \
	"root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/:/bin/sh\n"                                                 \
	"nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
#define STANDARD_GROUP "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n"

static void test_standard_accounts(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_build(root));
	assert_text(root, "/etc/passwd", STANDARD_PASSWD);
	assert_text(root, "/etc/group", STANDARD_GROUP);
	assert_fails(viso_root_add_user(root, "late", 5, 5, NULL, NULL), EBUSY, VISO_STAGE_ARGUMENT,
		     "viso_root_add_user");
	assert_fails(viso_root_add_group(root, "late", 5), EBUSY, VISO_STAGE_ARGUMENT, "viso_root_add_group");
	viso_root_unref(root);
}

static void test_added_accounts(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_user(root, "www-data", 33, 34, "/var/www", "/usr/sbin/nologin"));
	assert_ok(viso_root_add_user(root, "_a.B9-", 4294967294u, 0, NULL, NULL));
	assert_ok(viso_root_add_group(root, "www-data", 34));
	assert_ok(viso_root_build(root));
	assert_text(root, "/etc/passwd",
		    STANDARD_PASSWD "www-data:x:33:34:www-data:/var/www:/usr/sbin/nologin\n"
				    "_a.B9-:x:4294967294:0:_a.B9-:/:/bin/sh\n");
	assert_text(root, "/etc/group", STANDARD_GROUP "www-data:x:34:\n");
	viso_root_unref(root);
}

static void test_bad_accounts_are_refused(void **state)
{
	static const char *const names[] = {"",
					    "0a",
					    "-a",
					    "a:b",
					    "a\nb",
					    "a b",
					    "a/b",
					    "\xc3\xbc",
					    "..",
					    ".",
					    "a23456789012345678901234567890123"};
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_user(NULL, "a", 5, 5, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT,
		     "viso_root_add_user");
	assert_fails(viso_root_add_group(NULL, "a", 5), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_group");
	assert_fails(viso_root_add_user(root, NULL, 5, 5, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_fails(viso_root_add_user(root, names[i], 5, 5, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
		assert_fails(viso_root_add_group(root, names[i], 5), EINVAL, VISO_STAGE_ARGUMENT, "");
	}
	assert_fails(viso_root_add_user(root, "a", -1u, 5, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, -1u, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_group(root, "a", -1u), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, 5, "home", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, 5, "/a:b", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, 5, "/a\nroot::0:0::/:", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, 5, NULL, "sh"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_user(root, "a", 5, 5, NULL, "/bin/sh\n"), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_ok(viso_root_add_user(root, "a2345678901234567890123456789012", 5, 5, NULL, NULL));
	viso_root_unref(root);
}

static void test_taken_accounts_are_refused(void **state)
{
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_user(root, "root", 5, 5, NULL, NULL), EEXIST, VISO_STAGE_ROOT, "root");
	assert_fails(viso_root_add_user(root, "admin", 0, 5, NULL, NULL), EEXIST, VISO_STAGE_ROOT, "admin");
	assert_fails(viso_root_add_group(root, "nogroup", 5), EEXIST, VISO_STAGE_ROOT, "nogroup");
	assert_fails(viso_root_add_group(root, "g", 1000), EEXIST, VISO_STAGE_ROOT, "g");
	assert_ok(viso_root_add_user(root, "use", 1001, 1000, NULL, NULL));
	assert_fails(viso_root_add_user(root, "use", 1002, 1000, NULL, NULL), EEXIST, VISO_STAGE_ROOT, "use");
	assert_fails(viso_root_add_user(root, "other", 1001, 1000, NULL, NULL), EEXIST, VISO_STAGE_ROOT, "other");
	/* The file is the library's now. */
	assert_fails(viso_root_add_data(root, "/etc/passwd", "x", 1, 0644), EEXIST, VISO_STAGE_ROOT, "/etc/passwd");
	assert_ok(viso_root_add_data(root, "/etc/group", "mine", 4, 0644));
	assert_fails(viso_root_add_group(root, "g", 77), EEXIST, VISO_STAGE_ROOT, "/etc/group");
	assert_ok(viso_root_add_user(root, "last", 1003, 1000, NULL, NULL));
	assert_ok(viso_root_build(root));
	assert_text(root, "/etc/passwd",
		    STANDARD_PASSWD "use:x:1001:1000:use:/:/bin/sh\nlast:x:1003:1000:last:/:/bin/sh\n");
	assert_text(root, "/etc/group", "mine");
	viso_root_unref(root);
}

static void test_etc_may_be_elsewhere(void **state)
{
	viso_root *root = viso_root_new();
	assert_ok(viso_root_add_data(root, "/etc", "a file", 6, 0644));
	assert_int_equal(viso_root_add_user(root, "a", 5, 5, NULL, NULL), -EEXIST);
	assert_ok(viso_root_build(root));
	viso_root_unref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_standard_accounts),        cmocka_unit_test(test_added_accounts),
		cmocka_unit_test(test_bad_accounts_are_refused), cmocka_unit_test(test_taken_accounts_are_refused),
		cmocka_unit_test(test_etc_may_be_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
