/* SPDX-License-Identifier: MIT */
#include "guest/agent/qemu_ga.h"

#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/fd.h"
#include "core/tame.h"
#include "guest/agent/base64.h"

/*
 * ANSWER_MAX: of one line. qemu-ga keeps 16 MiB of a program's output at most, which are larger in base64; what a guest
 * sends beyond this is skipped. PARTS_MAX: of one line; each takes hundreds of bytes once it is parsed, and no answer
 * has more than a few hundred. READ_MAX: of a file at once.
 */
enum {
	ANSWER_MAX = 48 << 20,
	PARTS_MAX = 16384,
	DEPTH_MAX = 16,
	READ_MAX = 32 << 10,
	FIRST_ROOM = 4096,
	DELIMITER = 0xff
};

struct qemu_ga {
	int socket;
	bool is_in_step; /* what comes next is the answer to what is asked next */
	char *line;
	size_t size, room;
	char rest[4096]; /* what has come behind it */
	size_t rest_begin, rest_end;
};

static void cleanup_json(struct json_object **json)
{
	json_object_put(*json);
}

#define _cleanup_json_ _cleanup_(cleanup_json) struct json_object

static int64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(struct qemu_ga *ga, int error, const char *what)
{
	ga->is_in_step = false;
	return error_fail(VISO_STAGE_GUEST, error, "qemu-ga", "the guest's qemu-ga %s", what);
}

static int wait_for(struct qemu_ga *ga, short events, int64_t until)
{
	for (;;) {
		int64_t left = until - now_ms();
		struct pollfd ready = {.fd = ga->socket, .events = events};
		int r = poll(&ready, 1, left > 0 ? (int)left : 0);
		if (r > 0)
			return 0;
		if (r == 0)
			return fail(ga, ETIMEDOUT, "does not answer in time");
		if (errno != EINTR)
			return fail(ga, errno, "cannot be waited for");
	}
}

static int send_all(struct qemu_ga *ga, const void *data, size_t size, int64_t until)
{
	const char *rest = data;
	while (size > 0) {
		ssize_t n = send(ga->socket, rest, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return fail(ga, EPIPE, "is gone, or its port");
		int r = n < 0 ? wait_for(ga, POLLOUT, until) : 0;
		if (r < 0)
			return r;
		rest += n < 0 ? 0 : n;
		size -= n < 0 ? 0 : (size_t)n;
	}
	return 0;
}

/* One byte, or a negative errno. */
static int next_byte(struct qemu_ga *ga, int64_t until)
{
	while (ga->rest_begin == ga->rest_end) {
		ssize_t n = recv(ga->socket, ga->rest, sizeof(ga->rest), MSG_DONTWAIT);
		int r = 0;
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return fail(ga, EPIPE, "is gone, or its port");
		if (n < 0)
			r = wait_for(ga, POLLIN, until);
		else if (now_ms() > until)
			/* Who never stops talking is no better than who never answers. */
			return fail(ga, ETIMEDOUT, "does not answer in time");
		if (r < 0)
			return r;
		ga->rest_begin = 0;
		ga->rest_end = n < 0 ? 0 : (size_t)n;
	}
	return (unsigned char)ga->rest[ga->rest_begin++];
}

static int add_byte(struct qemu_ga *ga, int byte)
{
	if (ga->size + 1 >= ga->room) {
		size_t room = ga->room ? 2 * ga->room : FIRST_ROOM;
		if (room > ANSWER_MAX)
			return fail(ga, EPROTO, "sends an answer that is too long");
		char *line = realloc(ga->line, room);
		if (!line)
			return error_memory();
		ga->line = line;
		ga->room = room;
	}
	ga->line[ga->size++] = (char)byte;
	ga->line[ga->size] = '\0';
	return 0;
}

static int read_line(struct qemu_ga *ga, int64_t until)
{
	ga->size = 0;
	for (;;) {
		int byte = next_byte(ga, until);
		if (byte < 0 || byte == '\n')
			return byte < 0 ? byte : 0;
		int r = add_byte(ga, byte);
		if (r < 0)
			return r;
	}
}

/* Before each value but the first stands one of these. Texts count, too, since the parser has its own idea of them. */
static bool has_few_parts(const struct qemu_ga *ga)
{
	size_t count = 0;
	for (size_t i = 0; i < ga->size; i++)
		count += ga->line[i] == ',' || ga->line[i] == '[' || ga->line[i] == '{';
	return count <= PARTS_MAX;
}

/* The object that the line is, or NULL. */
static struct json_object *parse(const struct qemu_ga *ga)
{
	struct json_tokener *tokener = has_few_parts(ga) ? json_tokener_new_ex(DEPTH_MAX) : NULL;
	if (!tokener)
		return NULL;
	struct json_object *json = ga->size ? json_tokener_parse_ex(tokener, ga->line, (int)ga->size + 1) : NULL;
	if (json_tokener_get_error(tokener) != json_tokener_success || !json_object_is_type(json, json_type_object)) {
		json_object_put(json);
		json = NULL;
	}
	json_tokener_free(tokener);
	return json;
}

/*
 * The agent forgets what it has read of a line at a byte that no JSON has, and sends such a byte before its answer to
 * this request alone: whatever older answers are on the way, here is where they end.
 */
static int get_in_step(struct qemu_ga *ga, int64_t until)
{
	char text[100];
	uint64_t random = 0;
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)now_ms();
	int64_t id = (int64_t)(random >> 12);
	int length =
		snprintf(text, sizeof(text), "%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%lld}}\n",
			 DELIMITER, (long long)id);
	int r = send_all(ga, text, (size_t)length, until);
	while (r == 0) {
		struct json_object *value = NULL;
		int byte;
		while ((byte = next_byte(ga, until)) >= 0 && byte != DELIMITER)
			;
		r = byte < 0 ? byte : read_line(ga, until);
		if (r < 0)
			break;
		_cleanup_json_ *answer = parse(ga);
		if (answer && json_object_object_get_ex(answer, "return", &value) &&
		    json_object_is_type(value, json_type_int) && json_object_get_int64(value) == id) {
			ga->is_in_step = true;
			break;
		}
	}
	return r;
}

static int refuse(struct qemu_ga *ga, struct json_object *error)
{
	struct json_object *text = NULL;
	const char *said = json_object_object_get_ex(error, "desc", &text) ? json_object_get_string(text) : NULL;
	char reason[201];
	snprintf(reason, sizeof(reason), "%s", said ? said : "without a reason");
	tame(reason);
	return error_fail(VISO_STAGE_GUEST, EIO, "qemu-ga", "the guest's qemu-ga refuses: %s", reason);
}

/*
 * Takes the arguments over; NULL for none. The answer's "return" goes to `out`, a reference. 0 or a negative errno with
 * the error set.
 */
static int ask(struct qemu_ga *ga, const char *name, struct json_object *arguments, int timeout_ms,
	       struct json_object **out)
{
	struct json_object *value = NULL;
	_cleanup_json_ *request = json_object_new_object();
	if (!request || json_object_object_add(request, "execute", json_object_new_string(name)) < 0 ||
	    (arguments && json_object_object_add(request, "arguments", arguments) < 0)) {
		json_object_put(arguments);
		return error_memory();
	}
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	if (!text)
		return error_memory();
	int64_t until = now_ms() + timeout_ms;
	int r = ga->is_in_step ? 0 : get_in_step(ga, until);
	if (r == 0)
		r = send_all(ga, text, strlen(text), until);
	if (r == 0)
		r = send_all(ga, "\n", 1, until);
	if (r == 0)
		r = read_line(ga, until);
	if (r < 0) {
		/* Also where there was no memory for it: the rest of the line is still to come. */
		ga->is_in_step = false;
		return r;
	}
	_cleanup_json_ *answer = parse(ga);
	if (answer && json_object_object_get_ex(answer, "error", &value) &&
	    json_object_is_type(value, json_type_object))
		return refuse(ga, value);
	if (!answer || !json_object_object_get_ex(answer, "return", &value))
		return fail(ga, EPROTO, "gives an answer that makes no sense");
	*out = json_object_get(value);
	return 0;
}

/* Where there is nothing to be learnt. */
static int tell(struct qemu_ga *ga, const char *name, struct json_object *arguments, int timeout_ms)
{
	_cleanup_json_ *answer = NULL;
	return ask(ga, name, arguments, timeout_ms, &answer);
}

static int get_number(struct qemu_ga *ga, struct json_object *json, int64_t least, int64_t most, int64_t *out)
{
	int64_t number = json_object_is_type(json, json_type_int) ? json_object_get_int64(json) : least - 1;
	if (number < least || number > most)
		return fail(ga, EPROTO, "gives a number that cannot be");
	*out = number;
	return 0;
}

static int ask_number(struct qemu_ga *ga, const char *name, struct json_object *arguments, int timeout_ms, int64_t *out)
{
	_cleanup_json_ *answer = NULL;
	int r = ask(ga, name, arguments, timeout_ms, &answer);
	return r < 0 ? r : get_number(ga, answer, 0, INT64_MAX, out);
}

/* Arguments; what is NULL for want of memory leaves them out, and the agent complains. */
static struct json_object *with(struct json_object *arguments, const char *name, struct json_object *value)
{
	if (!arguments)
		arguments = json_object_new_object();
	if (arguments && value)
		json_object_object_add(arguments, name, value);
	else
		json_object_put(value);
	return arguments;
}

static struct json_object *encode(const void *data, size_t size)
{
	_cleanup_free_ char *text = base64_encode(data, size);
	return text ? json_object_new_string(text) : NULL;
}

int qemu_ga_new(int socket, struct qemu_ga **out_ga)
{
	struct qemu_ga *ga = calloc(1, sizeof(*ga));
	if (!ga) {
		close_fd(socket);
		return error_memory();
	}
	ga->socket = fd_above_streams(socket);
	if (ga->socket < 0) {
		free(ga);
		return error_argument("qemu_ga_new", "the socket is no fd");
	}
	*out_ga = ga;
	return 0;
}

struct qemu_ga *qemu_ga_free(struct qemu_ga *ga)
{
	if (ga) {
		close_fd(ga->socket);
		free(ga->line);
		free(ga);
	}
	return NULL;
}

int qemu_ga_ping(struct qemu_ga *ga, int timeout_ms)
{
	return tell(ga, "guest-ping", NULL, timeout_ms);
}

int qemu_ga_version(struct qemu_ga *ga, int timeout_ms, char **out_version)
{
	struct json_object *version = NULL;
	_cleanup_json_ *answer = NULL;
	int r = ask(ga, "guest-info", NULL, timeout_ms, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "version", &version) || !json_object_is_type(version, json_type_string))
		return fail(ga, EPROTO, "does not tell its version");
	char *copy = strndup(json_object_get_string(version), 100);
	if (!copy)
		return error_memory();
	*out_version = copy;
	return 0;
}

/* Success is silent: the end of the guest, or of our time. */
int qemu_ga_shut_down(struct qemu_ga *ga, const char *mode, int timeout_ms)
{
	int r = tell(ga, "guest-shutdown", with(NULL, "mode", json_object_new_string(mode)), timeout_ms);
	return r == -ETIMEDOUT || r == -EPIPE ? 0 : r;
}

int qemu_ga_set_time(struct qemu_ga *ga, int64_t ns, int timeout_ms)
{
	return tell(ga, "guest-set-time", with(NULL, "time", json_object_new_int64(ns)), timeout_ms);
}

int qemu_ga_get_time(struct qemu_ga *ga, int timeout_ms, int64_t *out_ns)
{
	return ask_number(ga, "guest-get-time", NULL, timeout_ms, out_ns);
}

static struct json_object *list(const char *const *strings)
{
	struct json_object *array = json_object_new_array();
	for (; array && *strings; strings++)
		json_object_array_add(array, json_object_new_string(*strings));
	return array;
}

int qemu_ga_exec(struct qemu_ga *ga, const char *const *argv, const char *const *env, const void *input,
		 size_t input_size, bool captures, int timeout_ms, int64_t *out_pid)
{
	struct json_object *pid = NULL;
	_cleanup_json_ *answer = NULL;
	struct json_object *arguments = with(NULL, "path", json_object_new_string(argv[0]));
	arguments = with(arguments, "arg", list(argv + 1));
	if (env)
		arguments = with(arguments, "env", list(env));
	if (input_size)
		arguments = with(arguments, "input-data", encode(input, input_size));
	arguments = with(arguments, "capture-output", json_object_new_boolean(captures));
	int r = ask(ga, "guest-exec", arguments, timeout_ms, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "pid", &pid))
		return fail(ga, EPROTO, "does not tell the number of a program");
	return get_number(ga, pid, 1, INT64_MAX, out_pid);
}

static int take_output(struct qemu_ga *ga, struct json_object *answer, int i, struct qemu_ga_status *status)
{
	static const char *const names[] = {"out-data", "err-data"}, *const cut[] = {"out-truncated", "err-truncated"};
	struct json_object *value = NULL;
	if (json_object_object_get_ex(answer, cut[i], &value))
		status->is_truncated[i] = json_object_get_boolean(value);
	if (!json_object_object_get_ex(answer, names[i], &value))
		return 0;
	if (!json_object_is_type(value, json_type_string))
		return fail(ga, EPROTO, "gives output that is none");
	int r = base64_decode(json_object_get_string(value), &status->output[i], &status->size[i]);
	return r == -ENOMEM ? error_memory() : r < 0 ? fail(ga, EPROTO, "gives output that is none") : 0;
}

static int take_status(struct qemu_ga *ga, struct json_object *answer, struct qemu_ga_status *status)
{
	struct json_object *value = NULL;
	int64_t number = -1;
	int r = 0;
	if (!json_object_object_get_ex(answer, "exited", &value) || !json_object_is_type(value, json_type_boolean))
		return fail(ga, EPROTO, "does not tell how it is with a program");
	status->has_exited = json_object_get_boolean(value);
	status->exit_code = -1;
	if (json_object_object_get_ex(answer, "exitcode", &value)) {
		r = get_number(ga, value, 0, 255, &number);
		status->exit_code = (int)number;
	}
	if (r == 0 && json_object_object_get_ex(answer, "signal", &value)) {
		r = get_number(ga, value, 1, 64, &number);
		status->signal = (int)number;
	}
	/* It comes at the end: who sends it with every answer fills nobody's memory. */
	for (int i = 0; r == 0 && status->has_exited && i < 2; i++)
		r = take_output(ga, answer, i, status);
	return r;
}

int qemu_ga_exec_status(struct qemu_ga *ga, int64_t pid, int timeout_ms, struct qemu_ga_status *out)
{
	struct qemu_ga_status status = {0};
	_cleanup_json_ *answer = NULL;
	int r = ask(ga, "guest-exec-status", with(NULL, "pid", json_object_new_int64(pid)), timeout_ms, &answer);
	if (r == 0)
		r = take_status(ga, answer, &status);
	if (r < 0) {
		free(status.output[0]);
		free(status.output[1]);
		return r;
	}
	*out = status;
	return 0;
}

int qemu_ga_file_open(struct qemu_ga *ga, const char *path, const char *mode, int timeout_ms, int64_t *out_handle)
{
	struct json_object *arguments = with(NULL, "path", json_object_new_string(path));
	arguments = with(arguments, "mode", json_object_new_string(mode));
	return ask_number(ga, "guest-file-open", arguments, timeout_ms, out_handle);
}

/* Where it is then; `whence` as the protocol has it. */
static int seek(struct qemu_ga *ga, int64_t handle, int whence, int timeout_ms, int64_t *out_position)
{
	struct json_object *value = NULL;
	_cleanup_json_ *answer = NULL;
	struct json_object *arguments = with(NULL, "handle", json_object_new_int64(handle));
	arguments = with(arguments, "offset", json_object_new_int64(0));
	arguments = with(arguments, "whence", json_object_new_int(whence));
	int r = ask(ga, "guest-file-seek", arguments, timeout_ms, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "position", &value))
		return fail(ga, EPROTO, "does not tell where it is in a file");
	return get_number(ga, value, 0, INT64_MAX, out_position);
}

int64_t qemu_ga_file_size(struct qemu_ga *ga, int64_t handle, int timeout_ms)
{
	enum { BEGIN = 0, END = 2 };
	int64_t size = 0, begin = 0;
	int r = seek(ga, handle, END, timeout_ms, &size);
	if (r == -EIO)
		return 0; /* of pipes, and of much of /proc, there is no end to go to */
	if (r == 0)
		r = seek(ga, handle, BEGIN, timeout_ms, &begin);
	return r < 0 ? r : size;
}

int qemu_ga_file_read(struct qemu_ga *ga, int64_t handle, void *data, size_t size, int timeout_ms)
{
	struct json_object *value = NULL;
	_cleanup_json_ *answer = NULL;
	_cleanup_free_ char *bytes = NULL;
	size_t count = 0;
	size = size < READ_MAX ? size : READ_MAX;
	struct json_object *arguments = with(NULL, "handle", json_object_new_int64(handle));
	arguments = with(arguments, "count", json_object_new_int64((int64_t)size));
	int r = ask(ga, "guest-file-read", arguments, timeout_ms, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "buf-b64", &value) || !json_object_is_type(value, json_type_string))
		return fail(ga, EPROTO, "gives contents that are none");
	r = base64_decode(json_object_get_string(value), &bytes, &count);
	if (r == -ENOMEM)
		return error_memory();
	if (r < 0 || count > size)
		return fail(ga, EPROTO, "gives contents that are none, or more than were asked for");
	memcpy(data, bytes, count);
	return (int)count;
}

int qemu_ga_file_write(struct qemu_ga *ga, int64_t handle, const void *data, size_t size, int timeout_ms)
{
	int64_t count = 0;
	struct json_object *value = NULL;
	_cleanup_json_ *answer = NULL;
	size = size < READ_MAX ? size : READ_MAX;
	struct json_object *arguments = with(NULL, "handle", json_object_new_int64(handle));
	arguments = with(arguments, "buf-b64", encode(data, size));
	int r = ask(ga, "guest-file-write", arguments, timeout_ms, &answer);
	if (r < 0)
		return r;
	if (!json_object_object_get_ex(answer, "count", &value))
		return fail(ga, EPROTO, "does not tell how much it has written");
	r = get_number(ga, value, 0, (int64_t)size, &count);
	return r < 0 ? r : (int)count;
}

int qemu_ga_file_close(struct qemu_ga *ga, int64_t handle, int timeout_ms)
{
	return tell(ga, "guest-file-close", with(NULL, "handle", json_object_new_int64(handle)), timeout_ms);
}

int qemu_ga_freeze(struct qemu_ga *ga, bool thaws, int timeout_ms)
{
	int64_t count = 0;
	int r = ask_number(ga, thaws ? "guest-fsfreeze-thaw" : "guest-fsfreeze-freeze", NULL, timeout_ms, &count);
	return r < 0 ? r : count > INT32_MAX ? INT32_MAX : (int)count;
}
