/* SPDX-License-Identifier: MIT */
/*
 * For programs that have loaded libpam: the stack that has the program's name, the one that PAM falls back to, what
 * they include, and their modules with their libraries. A service can have another name than its program: such a file
 * in /etc/pam.d is for the caller to add, with its modules.
 */
#include "root/provider/pam.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/strings.h"
#include "root/provider/take.h"
#include "root/source.h"

static const char blanks[] = " \t";

/* Former passwords are nobody's business. */
static bool leave_out(const char *name, int depth, bool is_directory)
{
	return !strcmp(name, "opasswd");
}

/* The stacks that are to be read, each once. */
struct pam {
	struct closure *closure;
	const struct object *libpam;
	struct strings stacks;
};

static int add_stack(struct pam *pam, const char *name)
{
	if (!*name || strchr(name, '/') || name[0] == '.')
		return 0;
	for (size_t i = 0; i < pam->stacks.count; i++)
		if (!strcmp(pam->stacks.items[i], name))
			return 0;
	return strings_add(&pam->stacks, name) < 0 ? error_memory() : 0;
}

/* A module by its name lies in the directory `security` beside libpam, or beside its twin in /usr. */
static int add_module(struct pam *pam, const char *name)
{
	const struct source *source = pam->closure->manifest->source;
	char path[PATH_MAX], below[PATH_MAX];
	if (name[0] == '/') {
		if (snprintf(path, sizeof(path), "%s", name) >= (int)sizeof(path))
			return 0;
	} else {
		if (snprintf(below, sizeof(below), "security/%s", name) >= (int)sizeof(below) ||
		    !take_beside(pam->libpam, below, path))
			return 0;
		if (!source_has_file(source, path) &&
		    snprintf(below, sizeof(below), "/usr%s", path) < (int)sizeof(below))
			strcpy(path, below);
	}
	/* A module with a `-` in front, or an optional one, need not be there. */
	if (!source_has_file(source, path))
		return 0;
	int r = closure_take_file(pam->closure, path);
	return r < 0 ? r : closure_add_module(pam->closure, path);
}

static char *next_word(char **rest)
{
	*rest += strspn(*rest, blanks);
	char *word = *rest;
	/* "[success=1 default=ignore]" is one word. */
	size_t length = *word == '[' ? strcspn(word, "]") + 1 : strcspn(word, blanks);
	if (length > strlen(word))
		length = strlen(word);
	*rest = word + length;
	if (**rest)
		*(*rest)++ = '\0';
	return word;
}

/* "@include common-auth", "auth [default=ignore] pam_x.so argument", "auth include other-stack" */
static int read_line(struct pam *pam, char *line)
{
	line[strcspn(line, "#")] = '\0';
	char *rest = line;
	const char *type = next_word(&rest);
	if (!strcmp(type, "@include"))
		return add_stack(pam, next_word(&rest));
	const char *control = next_word(&rest);
	const char *subject = next_word(&rest);
	if (!*subject)
		return 0;
	if (!strcmp(control, "include") || !strcmp(control, "substack"))
		return add_stack(pam, subject);
	return add_module(pam, subject);
}

static int read_stack(struct pam *pam, const char *name)
{
	enum { STACK_MAX = 1 << 20 };
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/etc/pam.d/%s", name);
	_cleanup_free_ char *text = source_read(pam->closure->manifest->source, path, STACK_MAX);
	if (!text)
		return 0;
	int r = closure_take_file(pam->closure, path);
	/* A line goes on behind a backslash. */
	for (char *at = text; (at = strstr(at, "\\\n"));)
		at[0] = at[1] = ' ';
	char *rest = text;
	for (char *line; r >= 0 && (line = strsep(&rest, "\n"));)
		r = read_line(pam, line);
	return r;
}

int pam_add(struct closure *closure, const char *host)
{
	struct pam pam = {.closure = closure, .libpam = closure_find(closure, "libpam.so.")};
	if (!pam.libpam || !closure->program_count)
		return 0;
	const char *before = manifest_set_reason(closure->manifest, "pam of %s", host);
	int r = add_stack(&pam, strrchr(host, '/') + 1);
	if (r >= 0)
		r = add_stack(&pam, "other");
	for (size_t i = 0; r >= 0 && i < pam.stacks.count; i++)
		r = read_stack(&pam, pam.stacks.items[i]);
	if (r >= 0)
		r = take_tree(closure, "/etc/security", leave_out);
	strings_clear(&pam.stacks);
	manifest_restore_reason(closure->manifest, before);
	return r;
}
