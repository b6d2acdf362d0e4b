/*
 * What is wrong with a configuration: gathered, sorted by line, handed over.
 */
#include "conf/conf_diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

#define DIAG_TEXT_MAX	512	/* bytes of one message */

void
conf_errors_init(struct conf_errors *errors)
{
	buf_init(&errors->text);
	errors->count = 0;
}

void
conf_errors_fini(struct conf_errors *errors)
{
	buf_fini(&errors->text);
	errors->count = 0;
}

static void
errors_add(struct conf_errors *errors, const char *file, int line,
    const char *text)
{
	if (line > 0)
		buf_printf(&errors->text, "%s:%d: %s\n", file, line, text);
	else
		buf_printf(&errors->text, "%s: %s\n", file, text);
	errors->count++;
}

void
conf_error(struct conf_errors *errors, const char *file, int line,
    const char *fmt, ...)
{
	char text[DIAG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	errors_add(errors, file, line, text);
}

void
conf_diags_init(struct conf_diags *diags)
{
	memset(diags, 0, sizeof(*diags));
}

void
conf_diags_clear(struct conf_diags *diags)
{
	for (size_t i = 0; i < diags->n; i++)
		free(diags->rows[i].text);
	diags->n = 0;
}

void
conf_diags_fini(struct conf_diags *diags)
{
	conf_diags_clear(diags);
	free(diags->rows);
	memset(diags, 0, sizeof(*diags));
}

/* Text from a file may hold anything; a message is one printable line. */
static void
make_printable(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
}

void
conf_diag(struct conf_diags *diags, struct conf_place at, const char *fmt, ...)
{
	char text[DIAG_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	make_printable(text);
	diags->rows = conf_grow(diags->rows, diags->n, &diags->cap,
	    sizeof(*diags->rows));
	diags->rows[diags->n++] =
	    (struct conf_diag){ .at = at, .text = conf_strdup(text) };
}

/* By file, then line, then text (qsort is not stable). */
static int
diag_order(const void *va, const void *vb)
{
	const struct conf_diag *a = va, *b = vb;
	int order = strcmp(a->at.file, b->at.file);

	if (order != 0)
		return (order);
	if (a->at.line != b->at.line)
		return (a->at.line < b->at.line ? -1 : 1);
	return (strcmp(a->text, b->text));
}

void
conf_diags_flush(struct conf_diags *diags, struct conf_errors *errors)
{
	if (diags->n > 1)
		qsort(diags->rows, diags->n, sizeof(*diags->rows), diag_order);
	for (size_t i = 0; i < diags->n; i++)
		errors_add(errors, diags->rows[i].at.file,
		    diags->rows[i].at.line, diags->rows[i].text);
	conf_diags_clear(diags);
}

void *
conf_calloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size);

	MUST(p != NULL);
	return (p);
}

void *
conf_grow(void *array, size_t n, size_t *cap, size_t size)
{
	if (n < *cap)
		return (array);
	*cap = *cap == 0 ? 8 : *cap * 2;
	array = reallocarray(array, *cap, size);
	MUST(array != NULL);
	return (array);
}

char *
conf_strndup(const void *p, size_t n)
{
	char *copy = conf_calloc(n + 1, 1);

	if (n > 0)
		memcpy(copy, p, n);
	return (copy);
}

char *
conf_strdup(const char *s)
{
	return (conf_strndup(s, strlen(s)));
}
