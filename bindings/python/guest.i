/* SPDX-License-Identifier: MIT */
/* What the raw Python module has for guests: handlers, calls with numbers and bytes. */

%{
/* What the handler raises is kept by the package, and the program gets EIO. */
static int64_t pass_hypercall(viso_hypercall *hypercall, void *handler)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *object = SWIG_NewPointerObj(viso_hypercall_ref(hypercall), SWIGTYPE_p_viso_hypercall, SWIG_POINTER_OWN);
	PyObject *result = object ? PyObject_CallFunctionObjArgs(handler, object, NULL) : NULL;
	long long value = result ? PyLong_AsLongLong(result) : -1;
	if (PyErr_Occurred()) {
		PyErr_WriteUnraisable(handler);
		value = -EIO;
	}
	Py_XDECREF(result);
	Py_XDECREF(object);
	PyGILState_Release(state);
	return value;
}

static int pass_connect(const char *address, void *handler)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *text = PyUnicode_DecodeFSDefault(address);
	PyObject *result = text ? PyObject_CallFunctionObjArgs(handler, text, NULL) : NULL;
	long fd = result ? PyLong_AsLong(result) : -1;
	if (PyErr_Occurred()) {
		PyErr_WriteUnraisable(handler);
		fd = -EIO;
	}
	Py_XDECREF(result);
	Py_XDECREF(text);
	PyGILState_Release(state);
	return fd < INT_MIN || fd > INT_MAX ? -EBADF : (int)fd;
}

/* An argument with or without a sign; an exception is set where it has more than 64 bits. */
static uint64_t bits_of(PyObject *number)
{
	int overflow;
	PyObject *index = PyNumber_Index(number);
	long long value = index ? PyLong_AsLongLongAndOverflow(index, &overflow) : -1;
	uint64_t bits = (uint64_t)value;
	if (index && overflow > 0)
		bits = PyLong_AsUnsignedLongLong(index);
	else if (index && overflow < 0)
		PyErr_SetString(PyExc_OverflowError, "an argument has more than 64 bits");
	Py_XDECREF(index);
	return bits;
}

static bool is_handler(PyObject *handler)
{
	if (handler == Py_None || PyCallable_Check(handler))
		return true;
	PyErr_SetString(PyExc_TypeError, "the handler must be callable or None");
	return false;
}
%}

%rename(viso_guest_set_hypercall_handler) guest_set_hypercall_handler;
%rename(viso_guest_set_connect_handler) guest_set_connect_handler;
%rename(viso_guest_initialise) guest_initialise;
%rename(viso_guest_call) guest_call;
%rename(viso_guest_call_bytes) guest_call_bytes;
%rename(viso_guest_request) guest_request;
%rename(viso_guest_syscalls) guest_syscalls;
%rename(viso_guest_screen) guest_screen;
%rename(viso_guest_memory_figure) guest_memory_figure;
%rename(viso_hypercall_argument) hypercall_argument;
%rename(viso_hypercall_read) hypercall_read;
%rename(viso_result_register) result_register;
%rename(viso_result_fault_address) result_fault_address;

%typemap(out) int guest_set_hypercall_handler = int set_handler;
%typemap(out) int guest_set_connect_handler = int set_handler;
%typemap(out) PyObject *guest_initialise = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_call = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_call_bytes = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_request = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_syscalls = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_screen = PyObject *sandbox_pids;
%typemap(out) PyObject *guest_memory_figure = PyObject *sandbox_pids;
%typemap(out) PyObject *hypercall_argument = PyObject *sandbox_pids;
%typemap(out) PyObject *hypercall_read = PyObject *sandbox_pids;
%typemap(out) PyObject *result_register = PyObject *sandbox_pids;
%typemap(out) PyObject *result_fault_address = PyObject *sandbox_pids;

/* NULL without an exception means that the library failed. */
%inline %{
static int guest_set_hypercall_handler(viso_guest *guest, unsigned number, PyObject *handler)
{
	bool none = handler == Py_None;
	int r;

	if (!is_handler(handler))
		return 0;
	if (!none)
		Py_INCREF(handler);
	Py_BEGIN_ALLOW_THREADS
	r = viso_guest_set_hypercall_handler(guest, number, none ? NULL : pass_hypercall, none ? NULL : handler,
					     none ? NULL : drop_handler);
	Py_END_ALLOW_THREADS
	if (r < 0 && !none)
		Py_DECREF(handler);
	return r;
}

static int guest_set_connect_handler(viso_guest *guest, PyObject *handler)
{
	bool none = handler == Py_None;
	int r;

	if (!is_handler(handler))
		return 0;
	if (!none)
		Py_INCREF(handler);
	Py_BEGIN_ALLOW_THREADS
	r = viso_guest_set_connect_handler(guest, none ? NULL : pass_connect, none ? NULL : handler, none ? NULL : drop_handler);
	Py_END_ALLOW_THREADS
	if (r < 0 && !none)
		Py_DECREF(handler);
	return r;
}

/* The screen may change in size between two looks at it: this is the largest that there is. */
static PyObject *guest_screen(viso_guest *guest)
{
	char text[23821];
	return viso_guest_screen(guest, text, sizeof(text)) < 0 ? NULL : PyUnicode_FromString(text);
}

static PyObject *guest_memory_figure(viso_guest *guest, int figure)
{
	uint64_t value;
	return viso_guest_memory_figure(guest, (viso_memory_figure)figure, &value) < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

/* None, or the result of a program that ended before it was ready. */
static PyObject *guest_initialise(viso_guest *guest, const viso_command *command)
{
	viso_result *result = NULL;
	int r;

	Py_BEGIN_ALLOW_THREADS
	r = viso_guest_initialise(guest, command, &result);
	Py_END_ALLOW_THREADS
	if (r < 0 && !result)
		return NULL;
	return result ? SWIG_NewPointerObj(result, SWIGTYPE_p_viso_result, SWIG_POINTER_OWN) : SWIG_Py_Void();
}

/* `args` is a sequence of numbers; what is returned is the value as it is, without a sign. */
static PyObject *guest_call(viso_guest *guest, const char *symbol, PyObject *args, int timeout_ms)
{
	uint64_t numbers[6], value = 0;
	Py_ssize_t count = PySequence_Size(args);
	int r;

	if (count < 0)
		return NULL;
	if (count > 6)
		return PyErr_Format(PyExc_TypeError, "at most 6 arguments, not %zd", count);
	for (Py_ssize_t i = 0; i < count; i++) {
		PyObject *number = PySequence_GetItem(args, i);
		numbers[i] = number ? bits_of(number) : 0;
		Py_XDECREF(number);
		if (PyErr_Occurred())
			return NULL;
	}
	Py_BEGIN_ALLOW_THREADS
	r = viso_guest_call(guest, symbol, numbers, (size_t)count, timeout_ms, &value);
	Py_END_ALLOW_THREADS
	return r < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

static PyObject *guest_call_bytes(viso_guest *guest, const char *symbol, const void *data, size_t size, size_t max,
				  int timeout_ms)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)max);
	int64_t got;

	if (!bytes)
		return NULL;
	char *out = PyBytes_AS_STRING(bytes);
	Py_BEGIN_ALLOW_THREADS
	got = viso_guest_call_bytes(guest, symbol, data, size, out, max, timeout_ms);
	Py_END_ALLOW_THREADS
	if (got < 0)
		Py_CLEAR(bytes);
	else
		_PyBytes_Resize(&bytes, (Py_ssize_t)got);
	return bytes;
}

static PyObject *guest_request(viso_guest *guest, const void *data, size_t size, size_t max, int timeout_ms)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)max);
	int64_t got;

	if (!bytes)
		return NULL;
	char *out = PyBytes_AS_STRING(bytes);
	Py_BEGIN_ALLOW_THREADS
	got = viso_guest_request(guest, data, size, out, max, timeout_ms);
	Py_END_ALLOW_THREADS
	if (got < 0)
		Py_CLEAR(bytes);
	else
		_PyBytes_Resize(&bytes, (Py_ssize_t)got);
	return bytes;
}

/* A list of (number, count). */
static PyObject *guest_syscalls(viso_guest *guest, int unserved)
{
	enum { MAX = 1024 };
	int numbers[MAX];
	uint64_t counts[MAX];
	int found = viso_guest_syscalls(guest, unserved, numbers, counts, MAX);
	if (found < 0)
		return NULL;
	found = found > MAX ? MAX : found;
	PyObject *list = PyList_New(found);
	for (int i = 0; list && i < found; i++) {
		PyObject *pair = Py_BuildValue("iK", numbers[i], (unsigned long long)counts[i]);
		if (!pair)
			Py_CLEAR(list);
		else
			PyList_SET_ITEM(list, i, pair);
	}
	return list;
}

static PyObject *hypercall_argument(const viso_hypercall *hypercall, unsigned index)
{
	uint64_t value;
	return viso_hypercall_argument(hypercall, index, &value) < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

static PyObject *hypercall_read(viso_hypercall *hypercall, uint64_t address, size_t size)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
	if (bytes && viso_hypercall_read(hypercall, address, PyBytes_AS_STRING(bytes), size) < 0)
		Py_CLEAR(bytes);
	return bytes;
}

/* None where there is none. */
static PyObject *result_register(const viso_result *result, const char *name)
{
	uint64_t value;
	int r = viso_result_register(result, name, &value);
	if (r == -ENODATA)
		return SWIG_Py_Void();
	return r < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

static PyObject *result_fault_address(const viso_result *result)
{
	uint64_t address;
	int r = viso_result_fault_address(result, &address);
	if (r == -ENODATA)
		return SWIG_Py_Void();
	return r < 0 ? NULL : PyLong_FromUnsignedLongLong(address);
}
%}
