/* SPDX-License-Identifier: MIT */
/*
 * The public headers, wrapped as they are: what Python and Lua share. The module is private and raw; the API that people use
 * is the small package above it (python/virtiso, lua/virtiso.lua). What a language needs of its own is in its python.i or lua.i.
 */
%module(package="virtiso", threads="1") native

%{
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <virtiso.h>
%}

/* These fix the width of the enums and are no values. */
%rename("$ignore", regexmatch$name="_ENUM_WIDTH_$") "";

/* Only the destructor of a proxy releases a handle, so that nothing is released twice. */
%rename("$ignore", regexmatch$name="^viso_[a-z]+_(ref|unref)$") "";

/*
 * Status results. An int is a negative errno on failure: raised from this thread's error, which is still that of the
 * call. Those below are numbers in which -1, or any value, is no failure.
 */
%define %viso_status(macro)
macro(int)
macro(int64_t)
%enddef
%define %viso_numbers(macro)
macro(viso_error_number)
macro(viso_version)
macro(viso_result_exit_code)
macro(viso_result_signal)
%enddef

/* Functions whose string may be absent without a failure. */
%define %viso_optional_strings(macro)
macro(viso_stage_name)
macro(viso_isolation_name)
macro(viso_feature_name)
macro(viso_layer_kind_name)
macro(viso_layer_role_name)
macro(viso_confidence_name)
macro(viso_family_name)
macro(viso_driver_state_name)
macro(viso_answer_name)
macro(viso_hypercall_way_name)
macro(viso_provider_name)
macro(viso_entry_type_name)
macro(viso_entry_state_name)
macro(viso_hardening_name)
macro(viso_jail_warning)
macro(viso_step_name)
%enddef

/* Strings that may be NULL on the way in. */
%define %viso_optional_arguments(macro)
macro(value)
macro(target)
macro(home)
macro(shell)
macro(reference)
macro(host_address)
macro(mac)
%enddef

%define %viso_handle(noun)
%nodefaultctor viso_##noun;
struct viso_##noun {
	%extend {
		~viso_##noun()
		{
			viso_##noun##_unref($self);
		}
	}
};
%enddef

/*
 * What blocks lets other threads run: a command starts or ends, files are copied or removed (a sandbox that takes a root may let
 * the last one go), the kernel is asked. All that may wait for a thread of the library is here, since that thread may wait in a
 * log handler for the interpreter.
 */
%define %viso_blocking(macro)
macro(viso_sandbox_spawn)
macro(viso_sandbox_run)
macro(viso_sandbox_signal)
macro(viso_sandbox_kill)
macro(viso_sandbox_close)
macro(viso_process_signal)
macro(viso_process_kill)
macro(viso_process_wait)
macro(viso_root_add_program)
macro(viso_root_add_file)
macro(viso_root_add_directory)
macro(viso_root_add_data)
macro(viso_root_use_directory)
macro(viso_root_set_path)
macro(viso_root_build)
macro(viso_root_set_source)
macro(viso_root_set_provider)
macro(viso_root_add_library)
macro(viso_root_add_package)
macro(viso_root_add_device)
macro(viso_root_add_user)
macro(viso_root_add_group)
macro(viso_root_add_archive)
macro(viso_root_add_image)
macro(viso_root_set_copy_method)
macro(viso_root_set_store)
macro(viso_root_prune_store)
macro(viso_root_set_keep)
macro(viso_root_plan)
macro(viso_root_update)
macro(viso_root_verify)
macro(viso_root_manifest)
macro(viso_root_remove)
macro(viso_manifest_load)
macro(viso_manifest_save)
macro(viso_manifest_verify)
macro(viso_image_write)
macro(viso_sandbox_start)
macro(viso_sandbox_pause)
macro(viso_sandbox_resume)
macro(viso_sandbox_usage)
macro(viso_sandbox_copy_in)
macro(viso_sandbox_copy_out)
macro(viso_process_usage)
macro(viso_process_next_notification)
macro(viso_container_add_layer)
macro(viso_container_prepare)
macro(viso_container_load_bundle)
macro(viso_container_load_seccomp)
macro(viso_container_attach)
macro(viso_container_checkpoint)
macro(viso_container_restore)
macro(viso_machine_new)
macro(viso_machine_new_from)
macro(viso_machine_capture)
macro(viso_machine_feature)
macro(viso_machine_detail)
macro(viso_machine_family)
macro(viso_machine_driver_state)
macro(viso_machine_tool)
macro(viso_machine_paravirtual_offered)
macro(viso_machine_hypercall)
macro(viso_guest_new)
macro(viso_jail_set_root)
macro(viso_container_set_root)
macro(viso_guest_set_root)
macro(viso_command_set_input)
macro(viso_root::~viso_root)
macro(viso_jail::~viso_jail)
macro(viso_container::~viso_container)
macro(viso_guest::~viso_guest)
macro(viso_process::~viso_process)
macro(viso_notification::~viso_notification)
macro(viso_guest_prepare)
macro(viso_guest_boot)
macro(viso_guest_shut_down)
macro(viso_guest_set_clock)
macro(viso_guest_statistic)
macro(viso_guest_add_bind)
macro(viso_guest_set_upper_directory)
macro(viso_guest_cancel)
macro(viso_guest_last_result)
macro(viso_guest_next_hypercall)
macro(viso_guest_snapshot)
macro(viso_guest_reset)
macro(viso_snapshot_clone)
macro(viso_snapshot_save)
macro(viso_snapshot_load)
macro(viso_hypercall_write)
macro(viso_hypercall_answer)
macro(viso_hypercall_refuse)
macro(viso_hypercall::~viso_hypercall)
macro(viso_snapshot::~viso_snapshot)
%enddef

%newobject viso_root_new;
%newobject viso_command_new;
%newobject viso_jail_new;
%newobject viso_container_new;
%newobject viso_guest_new;
%newobject viso_machine_new;
%newobject viso_machine_new_from;

#if defined(SWIGPYTHON)
%include "python/python.i"
%include "python/guest.i"
#elif defined(SWIGLUA)
%include "lua/lua.i"
%include "lua/guest.i"
#endif

/* Each language has a function of this name that takes one callable, or gives what C puts into the caller's memory. */
%ignore viso_log_set_handler;
%ignore viso_root_set_progress_handler;
%ignore viso_sandbox_pids;
%ignore viso_sandbox_next_event;
%ignore viso_process_timings;
%ignore viso_process_addresses;
%ignore viso_notification_argument;
%ignore viso_notification_read;
%ignore viso_guest_set_connect_handler;
%ignore viso_guest_set_hypercall_handler;
%ignore viso_guest_initialise;
%ignore viso_guest_call;
%ignore viso_guest_call_bytes;
%ignore viso_guest_request;
%ignore viso_guest_memory_figure;
%ignore viso_guest_screen;
%ignore viso_guest_syscalls;
%ignore viso_hypercall_argument;
%ignore viso_hypercall_read;
%ignore viso_result_register;
%ignore viso_result_fault_address;

%viso_handle(root)
%viso_handle(command)
%viso_handle(jail)
%viso_handle(container)
%viso_handle(guest)
%viso_handle(process)
%viso_handle(result)
%viso_handle(notification)
%viso_handle(hypercall)
%viso_handle(snapshot)
%viso_handle(machine)
%viso_handle(manifest)
/* Borrowed from its jail, container or guest: no destructor. */
%nodefaultctor viso_sandbox;
%nodefaultdtor viso_sandbox;
struct viso_sandbox {
};

%include <virtiso/attributes.h>
%include <virtiso/version.h>
%include <virtiso/error.h>
%include <virtiso/log.h>
%include <virtiso/machine.h>
%include <virtiso/machine_drivers.h>
%include <virtiso/machine_layers.h>
%include <virtiso/manifest.h>
%include <virtiso/root.h>
%include <virtiso/image.h>
%include <virtiso/command.h>
%include <virtiso/result.h>
%include <virtiso/process.h>
%include <virtiso/sandbox.h>
%include <virtiso/jail.h>
%include <virtiso/container.h>
%include <virtiso/container_filesystem.h>
%include <virtiso/container_limits.h>
%include <virtiso/container_namespaces.h>
%include <virtiso/container_network.h>
%include <virtiso/container_security.h>
%include <virtiso/notification.h>
%include <virtiso/guest.h>
%include <virtiso/guest_agent.h>
%include <virtiso/guest_calls.h>
%include <virtiso/guest_devices.h>
%include <virtiso/guest_files.h>
%include <virtiso/guest_hypercalls.h>
%include <virtiso/guest_kernel.h>
%include <virtiso/guest_limits.h>
%include <virtiso/guest_pc.h>
%include <virtiso/snapshot.h>
