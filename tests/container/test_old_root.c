/* SPDX-License-Identifier: MIT */
/* Nothing of the host's root stays mounted over or below a container's, whatever was mounted on the way there. */
#include "box.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char roots[] = "cut -d' ' -f5 /proc/self/mountinfo | grep -cx /; ls /only-in-this-root";

static void set_nothing(viso_container *container)
{
}

static void set_file(viso_container *container)
{
	assert_ok(viso_container_add_file(container, "/tmp/file", "text", 4, 0644));
}

static void set_mask(viso_container *container)
{
	assert_ok(viso_container_add_mask(container, "/etc"));
}

static void set_name_server(viso_container *container)
{
	assert_ok(viso_container_add_dns_server(container, "192.0.2.1"));
}

static void set_tmpfs(viso_container *container)
{
	assert_ok(viso_container_add_tmpfs(container, "/tmp/inner", 0, 0755, 0));
}

static void set_bind(viso_container *container)
{
	assert_ok(viso_container_add_bind(container, "/etc/hostname", "/tmp/name", VISO_MOUNT_READ_ONLY));
}

static void set_upper(viso_container *container)
{
	assert_ok(viso_container_set_upper_discarded(container, 0));
}

static char *layers[2];

static void set_layers(viso_container *container)
{
	for (int i = 0; i < 2; i++) {
		viso_root *layer = viso_root_new();
		assert_ok(viso_root_use_directory(layer, layers[i]));
		assert_ok(viso_container_add_layer(container, layer));
		viso_root_unref(layer);
	}
}

static void set_all(viso_container *container)
{
	set_file(container);
	set_mask(container);
	set_tmpfs(container);
	set_bind(container);
	set_upper(container);
}

static void (*const settings[])(viso_container *) = {set_nothing, set_file,  set_mask,   set_name_server, set_tmpfs,
						     set_bind,    set_upper, set_layers, set_all};

static void make_file(const char *tree, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", tree, name);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static void check_each(void **state, bool instance)
{
	box_open(state);
	char *tree = box_new_tree();
	make_file(tree, "only-in-this-root");
	make_file(tree, "etc/resolv.conf");
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		struct box *box = box_new(VISO_ISOLATION_CONTAINER, tree);
		settings[i](box->container);
		if (instance)
			assert_ok(viso_sandbox_start(box->sandbox));
		printf("# setting %zu\n", i);
		assert_prints(box, shell(roots), "1\n/only-in-this-root\n");
		box_close(box);
	}
	support_remove_tree(tree);
	free(tree);
}

static void test_commands(void **state)
{
	check_each(state, false);
}

/* A command enters the mount namespace of the instance, and comes out on top of what is stacked there. */
static void test_instances(void **state)
{
	check_each(state, true);
}

static int make_layers(void **state)
{
	for (int i = 0; i < 2; i++)
		layers[i] = box_new_tree();
	return 0;
}

static int remove_layers(void **state)
{
	for (int i = 0; i < 2; i++) {
		support_remove_tree(layers[i]);
		free(layers[i]);
	}
	return box_group_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {AT_CONTAINER(test_commands), AT_CONTAINER(test_instances)};
	return cmocka_run_group_tests_name("container-old_root", tests, make_layers, remove_layers);
}
