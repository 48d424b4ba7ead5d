/* SPDX-License-Identifier: MIT */
/* OCI image layouts as bases; make_layout.py makes them. */
#include "test_root_support.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *make_layout(const char *which)
{
	char *path = root_path_of("%s/%s", root_scratch, which);
	assert_int_equal(root_shell("python3 " MAKE_LAYOUT " %s %s", path, which), 0);
	return path;
}

static viso_root *root_with(const char *layout, const char *reference)
{
	viso_root *root = viso_root_new();
	assert_non_null(root);
	assert_ok(viso_root_add_image(root, layout, reference));
	assert_ok(viso_root_build(root));
	return root;
}

static void assert_good(viso_root *root)
{
	root_assert_file(root, "/bin/a", "a of 2");
	root_assert_file(root, "/bin/b", "b of 3");
	root_assert_file(root, "/bin/c", "c of 1");
	root_assert_file(root, "/gone", "file now");
	root_assert_file(root, "/kept/one", "one");
	root_assert_file(root, "/kept/two", "two");
	/* What is opaque hides what is beneath it, and not what its own layer has, in whichever order. */
	root_assert_file(root, "/etc/new", "new");
	root_assert_no_entry(root, "/etc/old");
	root_assert_no_entry(root, "/etc/older");
	root_assert_file(root, "/late/high", "high");
	root_assert_no_entry(root, "/late/low");
	root_assert_file(root, "/etc/by-link", "by link");
	/* A whiteout hides what lower layers have only. */
	root_assert_file(root, "/hard", "hard of 3");
	assert_int_equal(root_shell("test $(stat -c %%s %s/big) = 100000", viso_root_path(root)), 0);
	assert_int_equal(root_shell("find %s -name '.wh.*' | grep .", viso_root_path(root)), 1);
}

static void test_layers_lie_above_each_other(void **state)
{
	static const char *const layouts[] = {"good", "platforms", "foreign", "nested", "list"};
	skip_without(root_shell("zstd --version >/dev/null") == 0, "zstd");
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		char *layout = make_layout(layouts[i]);
		viso_root *root = root_with(layout, NULL);
		assert_good(root);
		viso_root_unref(root);
		free(layout);
	}
}

static void test_docker_images_are_images(void **state)
{
	char *layout = make_layout("docker");
	viso_root *root = root_with(layout, NULL);
	root_assert_file(root, "/bin/a", "a of 1");
	viso_root_unref(root);
	free(layout);
}

static void test_references_name_an_image(void **state)
{
	char *layout = make_layout("named"), *nested = make_layout("nested");
	viso_root *root = root_with(layout, "v1");
	assert_good(root);
	viso_root_unref(root);
	root = root_with(layout, "v2");
	root_assert_file(root, "/other", "other");
	root_assert_no_entry(root, "/bin");
	viso_root_unref(root);
	root = root_with(nested, "v1");
	assert_good(root);
	viso_root_unref(root);
	root = viso_root_new();
	assert_fails(viso_root_add_image(root, layout, "v3"), ENOENT, VISO_STAGE_IMAGE, "v3");
	assert_fails(viso_root_add_image(root, layout, ""), ENOENT, VISO_STAGE_IMAGE, "");
	assert_fails(viso_root_add_image(root, layout, NULL), EINVAL, VISO_STAGE_IMAGE, layout);
	viso_root_unref(root);
	free(layout);
	free(nested);
}

static void test_damaged_layouts_are_refused(void **state)
{
	static const struct {
		const char *which;
		int error;
	} layouts[] = {
		{"two", EINVAL},
		{"none", ENOENT},
		{"no-platform", ENOENT},
		{"deep", EINVAL},
		{"no-layers", EINVAL},
		{"version-1", EINVAL},
		{"odd-layer", EINVAL},
		{"no-digest", EINVAL},
		{"path-digest", EINVAL},
		{"long-path-digest", EINVAL},
		{"capital-digest", EINVAL},
		{"sha512", EINVAL},
		{"nul-digest", EINVAL},
		{"number-digest", EINVAL},
		{"missing-blob", ENOENT},
		{"negative-size", EINVAL},
		{"wrong-size", EINVAL},
		{"huge-size", EINVAL},
		{"list-index", EINVAL},
		{"odd-index", EINVAL},
		{"no-gzip", EINVAL},
		{"leads-out", EPERM},
		{"bad-whiteout", EINVAL},
		{"dot-whiteout", EINVAL},
		{"flipped-layer", EINVAL},
		{"flipped-compressed", EINVAL},
		{"trailing", EINVAL},
		{"longer", EINVAL},
		{"flipped-manifest", EINVAL},
		{"linked-blob", ENOENT},
		{"fifo-blob", EINVAL},
		{"old-layout", EINVAL},
		{"no-layout", ENOENT},
		{"no-index", ENOENT},
		{"no-json", EINVAL},
		{"deep-json", EINVAL},
		{"large-json", EINVAL},
	};
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		char *layout = make_layout(layouts[i].which);
		viso_root *root = viso_root_new();
		int r = viso_root_add_image(root, layout, NULL);
		if (r != -layouts[i].error)
			fail_msg("%s: %d: %s", layouts[i].which, r, viso_error_message());
		support_check_error(layouts[i].which, layouts[i].error, VISO_STAGE_IMAGE, "");
		assert_int_equal(root_count_left(root_scratch), 0);
		/* Nothing of it is in the root. */
		assert_ok(viso_root_use_directory(root, root_scratch));
		viso_root_unref(root);
		free(layout);
	}
	assert_int_equal(root_shell("test -e %s/evil", root_scratch), 1);
}

static void test_bad_arguments_are_refused(void **state)
{
	char *layout = make_layout("good");
	viso_root *root = viso_root_new();
	assert_fails(viso_root_add_image(NULL, layout, NULL), EINVAL, VISO_STAGE_ARGUMENT, "viso_root_add_image");
	assert_fails(viso_root_add_image(root, NULL, NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_image(root, "x", NULL), EINVAL, VISO_STAGE_ARGUMENT, "");
	assert_fails(viso_root_add_image(root, "/no/such", NULL), ENOENT, VISO_STAGE_ROOT, "/no/such");
	assert_fails(viso_root_add_image(root, "/etc/passwd", NULL), EINVAL, VISO_STAGE_IMAGE, "/etc/passwd");
	assert_fails(viso_root_add_image(root, "/etc", NULL), ENOENT, VISO_STAGE_IMAGE, "oci-layout");
	assert_ok(viso_root_add_image(root, layout, NULL));
	assert_fails(viso_root_add_image(root, layout, NULL), EBUSY, VISO_STAGE_ARGUMENT, "viso_root_add_image");
	assert_ok(viso_root_add_data(root, "/etc/mine", "mine", 4, 0644));
	assert_ok(viso_root_build(root));
	assert_good(root);
	root_assert_file(root, "/etc/mine", "mine");
	viso_root_unref(root);
	free(layout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layers_lie_above_each_other, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_docker_images_are_images, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_references_name_an_image, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_damaged_layouts_are_refused, root_set_up, root_tear_down),
		cmocka_unit_test_setup_teardown(test_bad_arguments_are_refused, root_set_up, root_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
