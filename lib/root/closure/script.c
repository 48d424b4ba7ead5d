/* SPDX-License-Identifier: MIT */
/* The rules are those of load_script() in fs/binfmt_script.c, and of env(1) of the GNU coreutils. */
#include "root/closure/script.h"

#include <string.h>

static const char blanks[] = " \t";

static void copy(char *out, const char *from, size_t length)
{
	memcpy(out, from, length);
	out[length] = '\0';
}

/* The first word of `text` that is neither NAME=VALUE nor, with `options`, an option of env. */
static void find_word(const char *text, bool options, char *out)
{
	while (*(text += strspn(text, blanks))) {
		size_t length = strcspn(text, blanks);
		bool is_option = options && text[0] == '-';
		bool has_value = is_option && length == 2 && (text[1] == 'u' || text[1] == 'C');
		if (!is_option && !memchr(text, '=', length)) {
			/* Quotes are for env -S to take away; a program's name hardly has any. */
			copy(out, text, length);
			return;
		}
		text += length;
		if (has_value) {
			text += strspn(text, blanks);
			text += strcspn(text, blanks);
		}
	}
}

/* What `env` runs when it gets `argument`, the rest of the line, as its one argument. */
static void find_program(const char *argument, char *out)
{
	static const char split[] = "--split-string";
	if (argument[0] != '-') {
		/* Without -S the whole argument is one word. */
		if (!strchr(argument, '='))
			copy(out, argument, strlen(argument));
		return;
	}
	if (!strncmp(argument, split, sizeof(split) - 1)) {
		argument += sizeof(split) - 1;
		find_word(*argument == '=' ? argument + 1 : argument, true, out);
		return;
	}
	/* -S, also behind other letters, as in -vS. */
	const char *word_end = argument + strcspn(argument, blanks);
	const char *letter = argument[1] == '-' ? NULL : memchr(argument, 'S', (size_t)(word_end - argument));
	if (letter)
		find_word(letter + 1, true, out);
}

bool script_parse(const char *head, size_t size, struct script *out)
{
	char line[SCRIPT_HEAD_SIZE];
	*out = (struct script){0};
	if (size < 3 || head[0] != '#' || head[1] != '!')
		return false;
	if (size > SCRIPT_HEAD_SIZE)
		size = SCRIPT_HEAD_SIZE;
	const char *newline = memchr(head, '\n', size);
	size_t length = (newline ? (size_t)(newline - head) : size) - 2;
	copy(line, head + 2, length);
	length = strlen(line);
	while (length && strchr(blanks, line[length - 1]))
		line[--length] = '\0';

	const char *interpreter = line + strspn(line, blanks);
	size_t interpreter_length = strcspn(interpreter, blanks);
	if (!interpreter_length)
		return false;
	/* A name that the kernel's buffer cuts would be another one's name. */
	if (!newline && size == SCRIPT_HEAD_SIZE && !interpreter[interpreter_length])
		return false;
	copy(out->interpreter, interpreter, interpreter_length);

	const char *slash = strrchr(out->interpreter, '/');
	const char *argument = interpreter + interpreter_length;
	argument += strspn(argument, blanks);
	if (!strcmp(slash ? slash + 1 : out->interpreter, "env"))
		find_program(argument, out->program);
	return true;
}
