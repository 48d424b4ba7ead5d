/* SPDX-License-Identifier: MIT */
/* What the raw Lua module has for guests: handlers, calls with numbers and bytes. */

%{
#include <stdlib.h>

/* Functions by the address of what the library holds for them; weak, since the guest of the package above holds them. */
static const char guest_handlers_key;

/* Finds the function of a handler on the state that has called the library. False on other threads: Lua cannot run there. */
static bool push_guest_handler(lua_State *L, const void *holder)
{
	if (!L || !lua_checkstack(L, 6))
		return false;
	int top = lua_gettop(L);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &guest_handlers_key) == LUA_TTABLE &&
	    lua_rawgetp(L, -1, holder) == LUA_TFUNCTION) {
		lua_remove(L, -2);
		return true;
	}
	lua_settop(L, top);
	return false;
}

/* The package catches errors; what comes here is for want of memory. */
static int64_t call_guest_handler(lua_State *L, int64_t failure)
{
	int64_t value = failure;
	if (lua_pcall(L, 1, 1, 0) == LUA_OK)
		value = lua_isnoneornil(L, -1) ? 0 : (int64_t)lua_tointeger(L, -1);
	lua_pop(L, 1);
	return value;
}

static int64_t pass_hypercall(viso_hypercall *hypercall, void *holder)
{
	lua_State *L = calling_state;
	if (!push_guest_handler(L, holder))
		return -ENOSYS;
	SWIG_NewPointerObj(L, viso_hypercall_ref(hypercall), SWIG_TypeQuery("viso_hypercall *"), 1);
	return call_guest_handler(L, -EIO);
}

static int pass_connect(const char *address, void *holder)
{
	lua_State *L = calling_state;
	if (!push_guest_handler(L, holder))
		return -ECONNREFUSED;
	lua_pushstring(L, address);
	return (int)call_guest_handler(L, -EIO);
}

/* Keeps the function at `index` where its handler finds it; the holder, or NULL. */
static void *hold_guest_handler(lua_State *L, int index)
{
	luaL_checktype(L, index, LUA_TFUNCTION);
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &guest_handlers_key) != LUA_TTABLE) {
		lua_newtable(L);
		lua_createtable(L, 0, 1);
		lua_pushliteral(L, "v");
		lua_setfield(L, -2, "__mode");
		lua_setmetatable(L, -2);
		lua_pushvalue(L, -1);
		lua_rawsetp(L, LUA_REGISTRYINDEX, &guest_handlers_key);
	}
	void *holder = malloc(1);
	if (!holder)
		luaL_error(L, "out of memory");
	lua_pushvalue(L, index);
	lua_rawsetp(L, -2, holder);
	return holder;
}

static void *check_object(lua_State *L, int index, const char *type, const char *what)
{
	void *object = NULL;
	if (!SWIG_IsOK(SWIG_ConvertPtr(L, index, &object, SWIG_TypeQuery(type), 0)))
		luaL_argerror(L, index, what);
	return object;
}

static viso_guest *check_guest(lua_State *L)
{
	return check_object(L, 1, "viso_guest *", "a guest is expected");
}

static viso_hypercall *check_hypercall(lua_State *L)
{
	return check_object(L, 1, "viso_hypercall *", "a hypercall is expected");
}

static int throw_if_negative(lua_State *L, int64_t r)
{
	if (r < 0) {
		push_error(L);
		return lua_error(L);
	}
	return 0;
}

/* viso_guest_set_hypercall_handler(guest, number, function) */
static int guest_set_hypercall_handler(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	lua_Integer number = luaL_checkinteger(L, 2);
	luaL_argcheck(L, number >= 0 && number <= INT_MAX, 2, "no number");
	void *holder = hold_guest_handler(L, 3);
	int r = viso_guest_set_hypercall_handler(guest, (unsigned)number, pass_hypercall, holder, free);
	if (r < 0)
		free(holder);
	return throw_if_negative(L, r);
}

/* viso_guest_set_connect_handler(guest, function) */
static int guest_set_connect_handler(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	void *holder = hold_guest_handler(L, 2);
	int r = viso_guest_set_connect_handler(guest, pass_connect, holder, free);
	if (r < 0)
		free(holder);
	return throw_if_negative(L, r);
}

/* viso_guest_initialise(guest, command): nil, or the result of a program that ended before it was ready */
static int guest_initialise(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	viso_command *command = check_object(L, 2, "viso_command *", "a command is expected");
	viso_result *result = NULL;
	lua_State *outer_state = calling_state;
	calling_state = L;
	int r = viso_guest_initialise(guest, command, &result);
	calling_state = outer_state;
	if (r < 0 && !result)
		return throw_if_negative(L, r);
	if (result)
		SWIG_NewPointerObj(L, result, SWIG_TypeQuery("viso_result *"), 1);
	else
		lua_pushnil(L);
	return 1;
}

/* viso_guest_call(guest, symbol, timeout_ms, number...): the number that it returns */
static int guest_call(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	const char *symbol = luaL_checkstring(L, 2);
	lua_Integer timeout = luaL_checkinteger(L, 3);
	uint64_t args[6], value;
	int count = lua_gettop(L) - 3;
	luaL_argcheck(L, count <= 6, 10, "at most 6 arguments");
	for (int i = 0; i < count; i++)
		args[i] = (uint64_t)luaL_checkinteger(L, 4 + i);
	lua_State *outer_state = calling_state;
	calling_state = L;
	int r = viso_guest_call(guest, symbol, args, (size_t)count, (int)timeout, &value);
	calling_state = outer_state;
	throw_if_negative(L, r);
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* What the program has put to the host's memory, as a string. */
static int give_bytes(lua_State *L, const char *out, int64_t size)
{
	throw_if_negative(L, size);
	lua_pushlstring(L, out, (size_t)size);
	return 1;
}

static char *make_room(lua_State *L, int index, size_t *out_max)
{
	lua_Integer max = luaL_checkinteger(L, index);
	luaL_argcheck(L, max >= 0 && max <= INT_MAX, index, "no size");
	*out_max = (size_t)max;
	return lua_newuserdatauv(L, (size_t)max + 1, 0);
}

/* viso_guest_call_bytes(guest, symbol, bytes, max, timeout_ms): the answer */
static int guest_call_bytes(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	const char *symbol = luaL_checkstring(L, 2);
	size_t size, max;
	const char *data = luaL_checklstring(L, 3, &size);
	lua_Integer timeout = luaL_checkinteger(L, 5);
	char *out = make_room(L, 4, &max);
	lua_State *outer_state = calling_state;
	calling_state = L;
	int64_t got = viso_guest_call_bytes(guest, symbol, data, size, out, max, (int)timeout);
	calling_state = outer_state;
	return give_bytes(L, out, got);
}

/* viso_guest_request(guest, bytes, max, timeout_ms): the answer */
static int guest_request(lua_State *L)
{
	viso_guest *guest = check_guest(L);
	size_t size, max;
	const char *data = luaL_checklstring(L, 2, &size);
	lua_Integer timeout = luaL_checkinteger(L, 4);
	char *out = make_room(L, 3, &max);
	lua_State *outer_state = calling_state;
	calling_state = L;
	int64_t got = viso_guest_request(guest, data, size, out, max, (int)timeout);
	calling_state = outer_state;
	return give_bytes(L, out, got);
}

/* viso_guest_screen(guest): the text; the screen may change in size meanwhile, so there is room for the largest */
static int guest_screen(lua_State *L)
{
	char text[23821];
	if (viso_guest_screen(check_guest(L), text, sizeof(text)) < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushstring(L, text);
	return 1;
}

/* viso_guest_memory_figure(guest, figure): the value */
static int guest_memory_figure(lua_State *L)
{
	uint64_t value;
	if (viso_guest_memory_figure(check_guest(L), (viso_memory_figure)luaL_checkinteger(L, 2), &value) < 0) {
		push_error(L);
		return lua_error(L);
	}
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* viso_guest_syscalls(guest, unserved): a table of counts by number */
static int guest_syscalls(lua_State *L)
{
	enum { MAX = 1024 };
	int numbers[MAX];
	uint64_t counts[MAX];
	int found = viso_guest_syscalls(check_guest(L), lua_toboolean(L, 2), numbers, counts, MAX);
	throw_if_negative(L, found);
	lua_newtable(L);
	for (int i = 0; i < found && i < MAX; i++) {
		lua_pushinteger(L, (lua_Integer)counts[i]);
		lua_rawseti(L, -2, numbers[i]);
	}
	return 1;
}

/* viso_hypercall_argument(hypercall, index): the value, its bits as a signed integer */
static int hypercall_argument(lua_State *L)
{
	uint64_t value;
	lua_Integer index = luaL_checkinteger(L, 2);
	luaL_argcheck(L, index >= 0 && index <= INT_MAX, 2, "no index");
	throw_if_negative(L, viso_hypercall_argument(check_hypercall(L), (unsigned)index, &value));
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* viso_hypercall_read(hypercall, address, size): the bytes as a string */
static int hypercall_read(lua_State *L)
{
	viso_hypercall *hypercall = check_hypercall(L);
	uint64_t address = (uint64_t)luaL_checkinteger(L, 2);
	lua_Integer size = luaL_checkinteger(L, 3);
	luaL_argcheck(L, size >= 0 && size <= INT_MAX, 3, "no size");
	char *bytes = lua_newuserdatauv(L, (size_t)size + 1, 0);
	throw_if_negative(L, viso_hypercall_read(hypercall, address, bytes, (size_t)size));
	lua_pushlstring(L, bytes, (size_t)size);
	return 1;
}

static viso_result *check_result(lua_State *L)
{
	return check_object(L, 1, "viso_result *", "a result is expected");
}

/* viso_result_register(result, name): the value, its bits as a signed integer; nil where there is none */
static int result_register(lua_State *L)
{
	uint64_t value;
	int r = viso_result_register(check_result(L), luaL_checkstring(L, 2), &value);
	if (r != -ENODATA)
		throw_if_negative(L, r);
	if (r < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

/* viso_result_fault_address(result): likewise */
static int result_fault_address(lua_State *L)
{
	uint64_t address;
	int r = viso_result_fault_address(check_result(L), &address);
	if (r != -ENODATA)
		throw_if_negative(L, r);
	if (r < 0)
		lua_pushnil(L);
	else
		lua_pushinteger(L, (lua_Integer)address);
	return 1;
}
%}

%native(viso_guest_set_hypercall_handler) int guest_set_hypercall_handler(lua_State *L);
%native(viso_guest_set_connect_handler) int guest_set_connect_handler(lua_State *L);
%native(viso_guest_initialise) int guest_initialise(lua_State *L);
%native(viso_guest_call) int guest_call(lua_State *L);
%native(viso_guest_call_bytes) int guest_call_bytes(lua_State *L);
%native(viso_guest_request) int guest_request(lua_State *L);
%native(viso_guest_memory_figure) int guest_memory_figure(lua_State *L);
%native(viso_guest_screen) int guest_screen(lua_State *L);
%native(viso_guest_syscalls) int guest_syscalls(lua_State *L);
%native(viso_hypercall_argument) int hypercall_argument(lua_State *L);
%native(viso_hypercall_read) int hypercall_read(lua_State *L);
%native(viso_result_register) int result_register(lua_State *L);
%native(viso_result_fault_address) int result_fault_address(lua_State *L);

/* Their result is the output alone. */
%typemap(out) int viso_guest_snapshot, int viso_guest_last_result, int viso_snapshot_clone, int viso_guest_boot, int viso_snapshot_load {
	if ($1 < 0) {
		push_error(L);
		SWIG_fail;
	}
}
