/* SPDX-License-Identifier: MIT */
/* Typemaps of the raw Lua module: errors thrown as objects, binary-safe strings, 64-bit integers, the log handler, streams. */

/* int64_t and uint64_t by their own typemaps: SWIG's would make them floating-point numbers. */
%{
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>
#include <lauxlib.h>

#define ERROR_METATABLE "virtiso.Error"

/* Pushes the thread's error as an object with fields; virtiso.lua gives its metatable a __tostring. */
static void push_error(lua_State *L)
{
	lua_createtable(L, 0, 4);
	lua_pushinteger(L, viso_error_number());
	lua_setfield(L, -2, "errno");
	lua_pushstring(L, viso_stage_name(viso_error_stage()));
	lua_setfield(L, -2, "stage");
	lua_pushstring(L, viso_error_object());
	lua_setfield(L, -2, "object");
	lua_pushstring(L, viso_error_message());
	lua_setfield(L, -2, "message");
	luaL_setmetatable(L, ERROR_METATABLE);
}

static int error_metatable(lua_State *L)
{
	luaL_newmetatable(L, ERROR_METATABLE);
	return 1;
}

/*
 * The state that this thread has called the library from, while it is in there. A message can only be passed on that
 * state: Lua is not running on it, and no other thread is in it. Messages of the library's own threads are dropped.
 */
static _Thread_local lua_State *calling_state;
static const char handler_key;

static void pass_message(viso_log_level level, const char *message, void *userdata)
{
	lua_State *L = calling_state;

	if (!L || !lua_checkstack(L, 4))
		return;
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &handler_key) == LUA_TFUNCTION) {
		lua_pushinteger(L, level);
		lua_pushstring(L, message);
		/* An error of the handler cannot go through the library's frames; it becomes a warning, as in a finaliser. */
		if (lua_pcall(L, 2, 0, 0) != LUA_OK) {
			lua_warning(L, "error in the virtiso log handler (", 1);
			lua_warning(L, lua_isstring(L, -1) ? lua_tostring(L, -1) : luaL_typename(L, -1), 1);
			lua_warning(L, ")", 0);
			lua_pop(L, 1);
		}
	} else {
		lua_pop(L, 1);
	}
}

/* viso_log_set_handler(level, function or nil): the function stays in the registry of its state. */
static int set_handler(lua_State *L)
{
	lua_Integer level = luaL_checkinteger(L, 1);
	bool none = lua_isnoneornil(L, 2);

	if (!none)
		luaL_checktype(L, 2, LUA_TFUNCTION);
	luaL_argcheck(L, level >= 0 && level <= INT_MAX, 1, "no level");
	lua_settop(L, 2);
	if (viso_log_set_handler((viso_log_level)level, none ? NULL : pass_message, NULL, NULL) < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_rawsetp(L, LUA_REGISTRYINDEX, &handler_key);
	return 0;
}

/* Functions by the address of their root; weak, since the root of the package above holds them. */
static const char progress_key;

static int pass_progress(uint64_t done, uint64_t total, const char *path, void *root)
{
	lua_State *L = calling_state;
	int cancel = 0;

	if (!L || !lua_checkstack(L, 6))
		return 0;
	int top = lua_gettop(L);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &progress_key) == LUA_TTABLE && lua_rawgetp(L, -1, root) == LUA_TFUNCTION) {
		lua_pushinteger(L, (lua_Integer)done);
		lua_pushinteger(L, (lua_Integer)total);
		lua_pushstring(L, path);
		/* The package catches its errors; what comes here is for want of memory. */
		cancel = lua_pcall(L, 3, 1, 0) != LUA_OK || lua_toboolean(L, -1);
	}
	lua_settop(L, top);
	return cancel;
}

/* viso_root_set_progress_handler(root, function or nil) */
static int set_progress_handler(lua_State *L)
{
	viso_root *root;

	if (!SWIG_IsOK(SWIG_ConvertPtr(L, 1, (void **)&root, SWIG_TypeQuery("viso_root *"), 0)))
		return luaL_argerror(L, 1, "a root is expected");
	bool none = lua_isnoneornil(L, 2);
	if (!none)
		luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &progress_key) != LUA_TTABLE) {
		lua_newtable(L);
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "v");
		lua_setfield(L, -2, "__mode");
		lua_setmetatable(L, -2);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &progress_key);
	}
	lua_pushvalue(L, 2);
	lua_rawsetp(L, -2, root);
	if (viso_root_set_progress_handler(root, none ? NULL : pass_progress, none ? NULL : root, NULL) < 0) {
		push_error(L);
		return lua_error(L);
	}
	return 0;
}

/* viso_sandbox_pids(sandbox): a list */
static int sandbox_pids(lua_State *L)
{
	viso_sandbox *sandbox;
	size_t room = 16;
	int count;

	if (!SWIG_IsOK(SWIG_ConvertPtr(L, 1, (void **)&sandbox, SWIG_TypeQuery("viso_sandbox *"), 0)))
		return luaL_argerror(L, 1, "a sandbox is expected");
	int *pids = lua_newuserdatauv(L, room * sizeof(*pids), 0);
	while ((count = viso_sandbox_pids(sandbox, pids, room)) > 0 && (size_t)count > room) {
		room = (size_t)count + 16;
		pids = lua_newuserdatauv(L, room * sizeof(*pids), 0);
	}
	if (count < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_createtable(L, count, 0);
	for (int i = 0; i < count; i++) {
		lua_pushinteger(L, pids[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* viso_sandbox_next_event(sandbox): the event, and the process that it is about or nil */
static int sandbox_next_event(lua_State *L)
{
	viso_sandbox *sandbox;
	viso_process *process = NULL;

	if (!SWIG_IsOK(SWIG_ConvertPtr(L, 1, (void **)&sandbox, SWIG_TypeQuery("viso_sandbox *"), 0)))
		return luaL_argerror(L, 1, "a sandbox is expected");
	int event = viso_sandbox_next_event(sandbox, &process);
	if (event < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushinteger(L, event);
	if (process)
		SWIG_NewPointerObj(L, process, SWIG_TypeQuery("viso_process *"), 1);
	else
		lua_pushnil(L);
	return 2;
}

static viso_process *check_process(lua_State *L, int index)
{
	viso_process *process;
	if (!SWIG_IsOK(SWIG_ConvertPtr(L, index, (void **)&process, SWIG_TypeQuery("viso_process *"), 0)))
		luaL_argerror(L, index, "a process is expected");
	return process;
}

/* viso_process_timings(process): a list of nanoseconds by step, -1 for those that are not known */
static int process_timings(lua_State *L)
{
	int64_t ns[VISO_STEP_ENDED + 1];
	int count = viso_process_timings(check_process(L, 1), ns, sizeof(ns) / sizeof(ns[0]));
	if (count < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_newtable(L);
	for (int i = 0; i < count && i <= VISO_STEP_ENDED; i++) {
		lua_pushinteger(L, ns[i]);
		lua_rawseti(L, -2, i + 1);
	}
	return 1;
}

/* viso_process_addresses(process): the text */
static int process_addresses(lua_State *L)
{
	char text[4096];
	if (viso_process_addresses(check_process(L, 1), text, sizeof(text)) < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushstring(L, text);
	return 1;
}

static viso_notification *check_notification(lua_State *L)
{
	viso_notification *notification;
	if (!SWIG_IsOK(SWIG_ConvertPtr(L, 1, (void **)&notification, SWIG_TypeQuery("viso_notification *"), 0)))
		luaL_argerror(L, 1, "a notification is expected");
	return notification;
}

/* viso_notification_argument(notification, index): the value, its bits as a signed integer */
static int notification_argument(lua_State *L)
{
	uint64_t value;
	lua_Integer index = luaL_checkinteger(L, 2);
	luaL_argcheck(L, index >= 0 && index <= INT_MAX, 2, "no index");
	if (viso_notification_argument(check_notification(L), (unsigned)index, &value) < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* viso_notification_read(notification, address, size): the bytes as a string */
static int notification_read(lua_State *L)
{
	viso_notification *notification = check_notification(L);
	uint64_t address = (uint64_t)luaL_checkinteger(L, 2);
	lua_Integer size = luaL_checkinteger(L, 3);
	luaL_argcheck(L, size > 0 && size <= INT_MAX, 3, "no size");
	char *bytes = lua_newuserdatauv(L, (size_t)size, 0);
	int read = viso_notification_read(notification, address, bytes, (size_t)size);
	if (read < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushlstring(L, bytes, (size_t)read);
	return 1;
}

static int close_stream(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
	return luaL_fileresult(L, fclose(stream->f) == 0, NULL);
}

/* Pushes a file of Lua that is not open yet: its memory may be missing, and then no fd is lost. */
static luaL_Stream *push_file(lua_State *L)
{
	luaL_Stream *stream = lua_newuserdatauv(L, sizeof(*stream), 0);
	stream->closef = NULL;
	luaL_setmetatable(L, LUA_FILEHANDLE);
	return stream;
}

/* Opens it on a fd, which it owns then; a negative one is the library's error. */
static void open_file(lua_State *L, luaL_Stream *stream, int fd, const char *mode)
{
	if (fd < 0) {
		push_error(L);
		lua_error(L);
	}
	stream->f = fdopen(fd, mode);
	if (!stream->f) {
		close(fd);
		luaL_error(L, "out of memory");
	}
	stream->closef = close_stream;
}

/* take_stream(process, stream): the host's end of a pipe as a file of Lua, which owns the fd. */
static int take_stream(lua_State *L)
{
	viso_process *process = check_process(L, 1);
	int number = (int)luaL_checkinteger(L, 2);
	luaL_Stream *stream = push_file(L);
	open_file(L, stream, viso_process_take_stream(process, (viso_stream)number), number == VISO_STDIN ? "w" : "r");
	return 1;
}

/* take_terminal(process): two files of the host's end of the terminal, one to write to and one to read from. */
static int take_terminal(lua_State *L)
{
	viso_process *process = check_process(L, 1);
	luaL_Stream *input = push_file(L), *output = push_file(L);
	open_file(L, output, viso_process_take_terminal(process), "r");
	int copy = fcntl(fileno(output->f), F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return luaL_error(L, "the terminal cannot be duplicated: %s", strerror(errno));
	open_file(L, input, copy, "w");
	setvbuf(input->f, NULL, _IONBF, 0);
	return 2;
}

/* stream_fd(file): the fd of a file of Lua. */
static int stream_fd(lua_State *L)
{
	luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
	luaL_argcheck(L, stream->closef, 1, "the file is closed");
	fflush(stream->f);
	lua_pushinteger(L, fileno(stream->f));
	return 1;
}

/* A string without a NUL inside: C would cut it there. */
static const char *check_string(lua_State *L, int index, const char *function)
{
	size_t size;
	const char *string = lua_tolstring(L, index, &size);
	if (string && strlen(string) != size)
		luaL_error(L, "%s: argument %d contains a zero byte", function, index);
	return string;
}
%}

%native(viso_log_set_handler) int set_handler(lua_State *L);
%native(viso_root_set_progress_handler) int set_progress_handler(lua_State *L);
%native(viso_sandbox_pids) int sandbox_pids(lua_State *L);
%native(error_metatable) int error_metatable(lua_State *L);
%native(viso_sandbox_next_event) int sandbox_next_event(lua_State *L);
%native(viso_process_timings) int process_timings(lua_State *L);
%native(viso_process_addresses) int process_addresses(lua_State *L);
%native(viso_notification_argument) int notification_argument(lua_State *L);
%native(viso_notification_read) int notification_read(lua_State *L);
%native(take_stream) int take_stream(lua_State *L);
%native(take_terminal) int take_terminal(lua_State *L);
%native(stream_fd) int stream_fd(lua_State *L);
%constant int VISO_UNLIMITED = -1;

%exception %{
	lua_State *outer_state = calling_state;
	calling_state = L;
	$action
	calling_state = outer_state;
%}
/* Results */
%define %viso_raise_if_negative(type)
%typemap(out) type {
	if ($1 < 0) {
		push_error(L);
		SWIG_fail;
	}
	lua_pushinteger(L, $1);
	SWIG_arg++;
}
%enddef
%viso_status(%viso_raise_if_negative)

/* Whether this is inside of something may not be known: nil. */
%typemap(out) int viso_machine_inside {
	if ($1 < 0 && $1 != -ENODATA) {
		push_error(L);
		SWIG_fail;
	}
	if ($1 < 0)
		lua_pushnil(L);
	else
		lua_pushboolean(L, $1);
	SWIG_arg++;
}

/* -1 is an answer. */
%typemap(out) int64_t viso_manifest_find "lua_pushinteger(L, $1); SWIG_arg++;"
%typemap(out) size_t "lua_pushinteger(L, (lua_Integer)$1); SWIG_arg++;"

%define %viso_plain_number(function)
%typemap(out) int function "lua_pushinteger(L, $1); SWIG_arg++;"
%enddef
%viso_numbers(%viso_plain_number)

/* Their result is the output alone. */
%typemap(out) int viso_container_load_bundle, int viso_container_attach, int viso_sandbox_spawn, int viso_sandbox_run, int viso_root_plan, int viso_root_verify, int viso_root_manifest,
	int viso_manifest_load, int viso_manifest_verify {
	if ($1 < 0) {
		push_error(L);
		SWIG_fail;
	}
}

/* That a command still runs, or makes no call, or no more, is no failure. */
%typemap(out) int viso_process_wait, int viso_process_next_notification, int viso_guest_next_hypercall {
	if ($1 == -ETIMEDOUT || $1 == -ESRCH) {
		lua_pushnil(L);
		lua_pushstring(L, viso_error_message());
		lua_pushinteger(L, -$1);
		return 3;
	}
	if ($1 < 0) {
		push_error(L);
		SWIG_fail;
	}
}

/* Nor is that a strength does not count something. */
%typemap(out) int64_t viso_result_usage, int64_t viso_process_usage, int64_t viso_sandbox_usage {
	if ($1 < 0 && $1 != -ENODATA) {
		push_error(L);
		SWIG_fail;
	}
	if ($1 < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, $1);
	SWIG_arg++;
}

%typemap(out) viso_root *, viso_command *, viso_jail *, viso_container *, viso_guest *, viso_machine *, viso_sandbox * {
	if (!$1) {
		push_error(L);
		SWIG_fail;
	}
	SWIG_NewPointerObj(L, $1, $1_descriptor, $owner);
	SWIG_arg++;
}

%typemap(out) const char * {
	if (!$1) {
		push_error(L);
		SWIG_fail;
	}
	lua_pushstring(L, $1);
	SWIG_arg++;
}
%define %viso_string_or_nil(function)
%typemap(out) const char *function "lua_pushstring(L, $1); SWIG_arg++;"
%enddef
%viso_optional_strings(%viso_string_or_nil)

/* Outputs */
%define %viso_output(noun)
%typemap(in, numinputs=0) viso_##noun **out_##noun (viso_##noun *output = NULL) "$1 = &output;"
%typemap(argout) viso_##noun **out_##noun {
	SWIG_NewPointerObj(L, *$1, $descriptor(viso_##noun *), 1);
	SWIG_arg++;
}
%enddef
%viso_output(process)
%viso_output(container)
%viso_output(command)
%viso_output(notification)
%viso_output(hypercall)
%viso_output(snapshot)
%viso_output(guest)
%viso_output(result)
%viso_output(manifest)

%typemap(in, numinputs=0) size_t *out_size (size_t size = 0) "$1 = &size;"
%typemap(argout) size_t *out_size ""
%typemap(out) const char *viso_result_output {
	if (!$1) {
		push_error(L);
		SWIG_fail;
	}
	lua_pushlstring(L, $1, *arg3);
	SWIG_arg++;
}

/* Integers, exactly. For uint64_t -1 stands for the largest one. */
%define %viso_integer(type, condition, what)
%typemap(in, checkfn="lua_isnumber") type {
	int is_integer;
	lua_Integer value = lua_tointegerx(L, $input, &is_integer);
	if (!is_integer || !(condition))
		SWIG_fail_arg("$symname", $argnum, what);
	$1 = ($1_ltype)value;
}
%enddef
%viso_integer(int, value >= INT_MIN && value <= INT_MAX, "integer")
%viso_integer(enum SWIGTYPE, value >= 0 && value <= INT_MAX, "value of an enumeration")
%viso_integer(unsigned, value >= 0 && value <= UINT_MAX, "integer that is not negative")
%viso_integer(size_t, value >= 0, "integer that is not negative")
%viso_integer(int64_t, true, "integer")
%viso_integer(uint64_t, value >= -1, "integer that is not negative")

/* Strings, binary-safe */
%typemap(in, checkfn="lua_isstring") const char * "$1 = ($1_ltype)check_string(L, $input, \"$symname\");"
%define %viso_string_or_null(name)
%typemap(in, checkfn="SWIG_lua_isnilstring") const char *name "$1 = ($1_ltype)check_string(L, $input, \"$symname\");"
%enddef
%viso_optional_arguments(%viso_string_or_null)

%typemap(in, checkfn="lua_isstring") (const void *data, size_t size) "$1 = (void *)lua_tolstring(L, $input, &$2);"

/* A table of numbers; its memory is Lua's, so that an error loses nothing. */
%typemap(in, checkfn="lua_istable") (const unsigned *groups, size_t count) {
	lua_Integer length = luaL_len(L, $input);
	unsigned *list = lua_newuserdatauv(L, length > 0 ? (size_t)length * sizeof(*list) : 1, 0);
	for (lua_Integer i = 0; i < length; i++) {
		lua_geti(L, $input, i + 1);
		lua_Integer id = luaL_checkinteger(L, -1);
		luaL_argcheck(L, id >= 0 && id <= UINT_MAX, $input, "a group id is out of range");
		list[i] = (unsigned)id;
		lua_pop(L, 1);
	}
	$1 = list;
	$2 = (size_t)length;
}
