/* SPDX-License-Identifier: MIT */
/* Stand-ins until the real ones are written. */
#include <errno.h>
#include <virtiso.h>

#include "core/error.h"

int viso_root_add_device(viso_root *root, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_set_copy_method(viso_root *root, viso_copy_method method)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_set_store(viso_root *root, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_prune_store(const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_set_keep(viso_root *root, unsigned keep)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_set_progress_handler(viso_root *root, viso_progress_fn fn, void *userdata, viso_destroy_fn destroy)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_cancel(viso_root *root)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_plan(viso_root *root, viso_manifest **out_manifest)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_update(viso_root *root)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_verify(viso_root *root, viso_manifest **out_manifest)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_manifest(viso_root *root, viso_manifest **out_manifest)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_root_remove(viso_root *root)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

viso_manifest *viso_manifest_ref(viso_manifest *manifest)
{
	return NULL;
}

viso_manifest *viso_manifest_unref(viso_manifest *manifest)
{
	return NULL;
}

int viso_manifest_load(const char *path, viso_manifest **out_manifest)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_manifest_save(const viso_manifest *manifest, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_manifest_verify(const viso_manifest *manifest, const char *directory, viso_manifest **out_manifest)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

size_t viso_manifest_count(const viso_manifest *manifest)
{
	return 0;
}

int64_t viso_manifest_find(const viso_manifest *manifest, const char *path)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

const char *viso_manifest_path(const viso_manifest *manifest, size_t index)
{
	return NULL;
}

int viso_manifest_type(const viso_manifest *manifest, size_t index)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int viso_manifest_mode(const viso_manifest *manifest, size_t index)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

int64_t viso_manifest_size(const viso_manifest *manifest, size_t index)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

const char *viso_manifest_sha256(const viso_manifest *manifest, size_t index)
{
	return NULL;
}

const char *viso_manifest_link(const viso_manifest *manifest, size_t index)
{
	return NULL;
}

const char *viso_manifest_reason(const viso_manifest *manifest, size_t index)
{
	return NULL;
}

int viso_manifest_state(const viso_manifest *manifest, size_t index)
{
	return error_fail(VISO_STAGE_ARGUMENT, EOPNOTSUPP, __func__, "not written yet");
}

const char *viso_entry_state_name(viso_entry_state state)
{
	return NULL;
}

const char *viso_entry_type_name(viso_entry_type type)
{
	return NULL;
}
