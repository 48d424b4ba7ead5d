/* SPDX-License-Identifier: MIT */
/* Typemaps of the raw Python module: errors raised, buffers, paths, the log handler. */

/* int64_t and uint64_t as SWIG knows them on LP64. */
%include <stdint.i>

%nothread;
%define %viso_release_gil(function)
%thread function;
%enddef
%viso_blocking(%viso_release_gil)

%{
/* Raises the thread's error as virtiso.Error or a subclass. Strings and numbers first: making them runs no Python code,
 * while a later allocation may collect garbage, whose release may set another error. */
static void raise_error(void)
{
	PyObject *number = PyLong_FromLong(viso_error_number());
	PyObject *stage = PyLong_FromLong(viso_error_stage());
	PyObject *message = PyUnicode_DecodeFSDefault(viso_error_message());
	PyObject *object = PyUnicode_DecodeFSDefault(viso_error_object());
	PyObject *module = number && stage && message && object ? PyImport_ImportModule("virtiso._errors") : NULL;
	PyObject *error = module ? PyObject_CallMethod(module, "from_native", "OOOO", number, message, stage, object) : NULL;

	if (error)
		PyErr_SetObject((PyObject *)Py_TYPE(error), error);
	Py_XDECREF(error);
	Py_XDECREF(module);
	Py_XDECREF(object);
	Py_XDECREF(message);
	Py_XDECREF(stage);
	Py_XDECREF(number);
}

/* Calls the Python handler from whichever thread has the message. What it raises has no caller to go to. */
static void pass_message(viso_log_level level, const char *message, void *handler)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *type, *value, *traceback;
	PyErr_Fetch(&type, &value, &traceback);

	PyObject *text = PyUnicode_DecodeFSDefault(message);
	PyObject *result = text ? PyObject_CallFunction(handler, "iO", (int)level, text) : NULL;
	if (!result)
		PyErr_WriteUnraisable(handler);
	Py_XDECREF(result);
	Py_XDECREF(text);

	PyErr_Restore(type, value, traceback);
	PyGILState_Release(state);
}

/* What the handler raises is kept by the package, which makes it a cancel. */
static int pass_progress(uint64_t done, uint64_t total, const char *path, void *handler)
{
	PyGILState_STATE state = PyGILState_Ensure();
	PyObject *text = PyUnicode_DecodeFSDefault(path);
	PyObject *result = text ? PyObject_CallFunction(handler, "KKO", (unsigned long long)done, (unsigned long long)total, text)
				: NULL;
	int cancel = result ? PyObject_IsTrue(result) : -1;
	if (cancel < 0)
		PyErr_WriteUnraisable(handler);
	Py_XDECREF(result);
	Py_XDECREF(text);
	PyGILState_Release(state);
	return cancel;
}

static void drop_handler(void *handler)
{
	PyGILState_STATE state = PyGILState_Ensure();
	Py_DECREF((PyObject *)handler);
	PyGILState_Release(state);
}
%}

/* Results */
%define %viso_raise_if_negative(type)
%typemap(out) type {
	if ($1 < 0) {
		raise_error();
		SWIG_fail;
	}
	$result = PyLong_FromLongLong($1);
}
%enddef
%viso_status(%viso_raise_if_negative)

%typemap(out) int set_handler, int set_progress_handler {
	if (PyErr_Occurred())
		SWIG_fail;
	if ($1 < 0) {
		raise_error();
		SWIG_fail;
	}
	$result = PyLong_FromLong($1);
}

/* Whether this is inside of something may not be known. */
%typemap(out) int viso_machine_inside {
	if ($1 < 0 && $1 != -ENODATA) {
		raise_error();
		SWIG_fail;
	}
	$result = $1 < 0 ? SWIG_Py_Void() : PyBool_FromLong($1);
}

/* That a strength does not count something is no failure. */
%typemap(out) int64_t viso_result_usage, int64_t viso_process_usage, int64_t viso_sandbox_usage {
	if ($1 < 0 && $1 != -ENODATA) {
		raise_error();
		SWIG_fail;
	}
	$result = $1 < 0 ? SWIG_Py_Void() : PyLong_FromLongLong($1);
}

/* -1 is an answer. */
%typemap(out) int64_t viso_manifest_find "$result = PyLong_FromLongLong($1);"

%define %viso_plain_number(function)
%typemap(out) int function "$result = PyLong_FromLong($1);"
%enddef
%viso_numbers(%viso_plain_number)

%typemap(out) viso_root *, viso_command *, viso_jail *, viso_container *, viso_guest *, viso_machine *, viso_sandbox * {
	if (!$1) {
		raise_error();
		SWIG_fail;
	}
	$result = SWIG_NewPointerObj($1, $1_descriptor, $owner | %newpointer_flags);
}

%typemap(out) const char * {
	if (!$1) {
		raise_error();
		SWIG_fail;
	}
	$result = PyUnicode_DecodeFSDefault($1);
}
%define %viso_string_or_none(function)
%typemap(out) const char *function "$result = $1 ? PyUnicode_DecodeFSDefault($1) : SWIG_Py_Void();"
%enddef
%viso_optional_strings(%viso_string_or_none)

%constant unsigned long long VISO_UNLIMITED = UINT64_MAX;

/* The lock of the handlers is waited for without the GIL: a thread inside the handler needs the GIL to leave it. */
%rename(viso_log_set_handler) set_handler;
%rename(viso_root_set_progress_handler) set_progress_handler;
%rename(viso_sandbox_pids) sandbox_pids;
%rename(viso_sandbox_next_event) sandbox_next_event;
%rename(viso_process_timings) process_timings;
%rename(viso_process_addresses) process_addresses;
%rename(viso_notification_argument) notification_argument;
%rename(viso_notification_read) notification_read;
%typemap(out) PyObject *sandbox_pids, PyObject *sandbox_next_event, PyObject *process_timings, PyObject *process_addresses,
	PyObject *notification_argument, PyObject *notification_read {
	if (!$1) {
		if (!PyErr_Occurred())
			raise_error();
		SWIG_fail;
	}
	$result = $1;
}
%inline %{
static int set_handler(int level, PyObject *handler)
{
	bool none = handler == Py_None;
	int r;

	if (!none && !PyCallable_Check(handler)) {
		PyErr_SetString(PyExc_TypeError, "the handler must be callable or None");
		return 0;
	}
	if (!none)
		Py_INCREF(handler);
	Py_BEGIN_ALLOW_THREADS
	r = viso_log_set_handler((viso_log_level)level, none ? NULL : pass_message, none ? NULL : handler,
				 none ? NULL : drop_handler);
	Py_END_ALLOW_THREADS
	if (r < 0 && !none)
		Py_DECREF(handler);
	return r;
}

static int set_progress_handler(viso_root *root, PyObject *handler)
{
	bool none = handler == Py_None;
	int r;

	if (!none && !PyCallable_Check(handler)) {
		PyErr_SetString(PyExc_TypeError, "the handler must be callable or None");
		return 0;
	}
	if (!none)
		Py_INCREF(handler);
	Py_BEGIN_ALLOW_THREADS
	r = viso_root_set_progress_handler(root, none ? NULL : pass_progress, none ? NULL : handler,
					   none ? NULL : drop_handler);
	Py_END_ALLOW_THREADS
	if (r < 0 && !none)
		Py_DECREF(handler);
	return r;
}

/* A list; NULL without an exception where the library failed. */
static PyObject *sandbox_pids(viso_sandbox *sandbox)
{
	int *pids = NULL, count = 0;
	size_t room;
	PyObject *list;

	do {
		room = (size_t)count + 16;
		int *more = PyMem_Realloc(pids, room * sizeof(*pids));
		if (!more) {
			PyMem_Free(pids);
			return PyErr_NoMemory();
		}
		pids = more;
		Py_BEGIN_ALLOW_THREADS
		count = viso_sandbox_pids(sandbox, pids, room);
		Py_END_ALLOW_THREADS
	} while (count > 0 && (size_t)count > room);
	list = count < 0 ? NULL : PyList_New(count);
	for (int i = 0; list && i < count; i++)
		PyList_SET_ITEM(list, i, PyLong_FromLong(pids[i]));
	PyMem_Free(pids);
	return list;
}

/* The event, and the process that it is about or None. NULL without an exception where the library failed, as below. */
static PyObject *sandbox_next_event(viso_sandbox *sandbox)
{
	viso_process *process = NULL;
	int event = viso_sandbox_next_event(sandbox, &process);
	if (event < 0)
		return NULL;
	PyObject *object = process ? SWIG_NewPointerObj(process, SWIGTYPE_p_viso_process, SWIG_POINTER_OWN) : SWIG_Py_Void();
	return object ? Py_BuildValue("iN", event, object) : NULL;
}

/* Nanoseconds by step, -1 for those that are not known. */
static PyObject *process_timings(viso_process *process)
{
	int64_t ns[VISO_STEP_ENDED + 1];
	int count = viso_process_timings(process, ns, sizeof(ns) / sizeof(ns[0]));
	if (count < 0)
		return NULL;
	count = count > VISO_STEP_ENDED + 1 ? VISO_STEP_ENDED + 1 : count;
	PyObject *list = PyList_New(count);
	for (int i = 0; list && i < count; i++)
		PyList_SET_ITEM(list, i, PyLong_FromLongLong(ns[i]));
	return list;
}

static PyObject *process_addresses(viso_process *process)
{
	char text[4096];
	return viso_process_addresses(process, text, sizeof(text)) < 0 ? NULL : PyUnicode_DecodeFSDefault(text);
}

static PyObject *notification_argument(const viso_notification *notification, unsigned index)
{
	uint64_t value;
	return viso_notification_argument(notification, index, &value) < 0 ? NULL : PyLong_FromUnsignedLongLong(value);
}

static PyObject *notification_read(const viso_notification *notification, uint64_t address, size_t size)
{
	PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
	if (!bytes)
		return NULL;
	int read = viso_notification_read(notification, address, PyBytes_AS_STRING(bytes), size);
	if (read < 0)
		Py_CLEAR(bytes);
	else
		_PyBytes_Resize(&bytes, read);
	return bytes;
}
%}

/* Outputs */
%define %viso_output(noun)
%typemap(in, numinputs=0) viso_##noun **out_##noun (viso_##noun *output = NULL) "$1 = &output;"
%typemap(argout) viso_##noun **out_##noun {
	Py_DECREF($result);
	$result = SWIG_NewPointerObj(*$1, $descriptor(viso_##noun *), SWIG_POINTER_OWN);
}
%enddef
%viso_output(process)
%viso_output(result)
%viso_output(manifest)
%viso_output(container)
%viso_output(notification)
%viso_output(hypercall)
%viso_output(snapshot)
%viso_output(guest)

/* Comes second, behind the container. */
%typemap(in, numinputs=0) viso_command **out_command (viso_command *output = NULL) "$1 = &output;"
%typemap(argout) viso_command **out_command {
	$result = SWIG_Python_AppendOutput($result, SWIG_NewPointerObj(*$1, $descriptor(viso_command *), SWIG_POINTER_OWN));
}

%typemap(out) const char *viso_result_output {
	if (!$1) {
		raise_error();
		SWIG_fail;
	}
	$result = SWIG_Py_Void();
}
%typemap(in, numinputs=0) size_t *out_size (size_t size = 0) "$1 = &size;"
%typemap(argout) size_t *out_size {
	Py_DECREF($result);
	$result = PyBytes_FromStringAndSize(result, (Py_ssize_t)*$1);
}

/* Strings: str, bytes or os.PathLike, without a NUL. Output is a string, never a number of bytes. */
%typemap(in) const char * (PyObject *string = NULL) {
	if (!PyUnicode_FSConverter($input, &string))
		SWIG_fail;
	$1 = PyBytes_AS_STRING(string);
}
%typemap(freearg) const char * "Py_XDECREF(string$argnum);"
%define %viso_string_or_null(name)
%typemap(in) const char *name (PyObject *string = NULL) {
	if ($input != Py_None) {
		if (!PyUnicode_FSConverter($input, &string))
			SWIG_fail;
		$1 = PyBytes_AS_STRING(string);
	}
}
%typemap(freearg) const char *name "Py_XDECREF(string$argnum);"
%enddef
%viso_optional_arguments(%viso_string_or_null)

/* Bytes: whatever has a contiguous buffer. */
%typemap(in) (const void *data, size_t size) (Py_buffer buffer = {NULL}) {
	if (PyObject_GetBuffer($input, &buffer, PyBUF_SIMPLE) < 0)
		SWIG_fail;
	$1 = buffer.buf;
	$2 = (size_t)buffer.len;
}
%typemap(freearg) (const void *data, size_t size) "PyBuffer_Release(&buffer$argnum);"

%typemap(in) (const unsigned *groups, size_t count) (unsigned *list = NULL) {
	PyObject *sequence = PySequence_Fast($input, "the groups must be a sequence of numbers");
	if (!sequence)
		SWIG_fail;
	Py_ssize_t length = PySequence_Fast_GET_SIZE(sequence);
	list = PyMem_New(unsigned, length ? length : 1);
	for (Py_ssize_t i = 0; list && i < length; i++) {
		unsigned long id = PyLong_AsUnsignedLong(PySequence_Fast_GET_ITEM(sequence, i));
		if (!PyErr_Occurred() && id > UINT_MAX)
			PyErr_SetString(PyExc_OverflowError, "a group id is too large");
		if (PyErr_Occurred()) {
			Py_DECREF(sequence);
			SWIG_fail;
		}
		list[i] = (unsigned)id;
	}
	Py_DECREF(sequence);
	if (!list) {
		PyErr_NoMemory();
		SWIG_fail;
	}
	$1 = list;
	$2 = (size_t)length;
}
%typemap(freearg) (const unsigned *groups, size_t count) "PyMem_Free(list$argnum);"
